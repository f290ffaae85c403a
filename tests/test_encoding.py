"""Whose vectors words get: of a named encoder, of the one inside the model or beside it, of the cache, and what is said where none fits."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import wordbox
from wordbox import towers
from wordbox.checkpoints import native
from wordbox.encoding import encoder_of, identity_of, partner_of, with_vectors
from wordbox.errors import InputError, VocabularyError, WeightsError
from wordbox.manifest import Partner
from wordbox.vocabulary.encoders import LEARNED, EncoderIdentity

NANO = Path(wordbox.__file__).parent / "models" / "wordbox-nano.safetensors"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path):
    (tmp_path / "here").mkdir()
    return tmp_path / "here"


@pytest.fixture
def facts(worlds):
    return worlds.manifest(worlds.narrow())


def first(encoder, word="cat"):
    return encoder.encode([word])[0]


def of(folder):
    return towers.read(folder).encoder(threads=1).encode(["cat"])[0]


def test_fixed_classes_have_no_encoder_and_take_none(facts):
    fixed = replace(facts, open=False)
    assert encoder_of(Path("m.pt"), fixed) is None
    with pytest.raises(InputError, match=r"m\.pt: its classes are fixed, so it takes no text encoder; leave tower out"):
        encoder_of(Path("m.pt"), fixed, named="tower")


def test_the_packaged_model_has_its_table_and_takes_no_other():
    _, manifest = native.read(NANO)
    assert encoder_of(NANO, manifest).identity.name == "wordbox-nano.words"
    with pytest.raises(InputError, match="takes no other text encoder; leave tower out"):
        encoder_of(NANO, manifest, named="tower")


def test_the_nearest_tower_is_asked_and_none_is_opened_before(worlds, facts, here, cache, monkeypatch):
    model = worlds.native_file(here / "m.safetensors", text=worlds.tower(1))
    worlds.merges_in(here)
    named = worlds.tower_folder(here / "named", seed=2)
    beside, kept = here / "clip-text-40", cache / "clip-text-40"
    opened = []
    read = towers.read
    monkeypatch.setattr(towers, "read", lambda path: opened.append(path) or read(path))
    asked = []
    worlds.tower_folder(kept, seed=4)
    asked.append((encoder_of(model, facts), kept))
    worlds.tower_folder(beside, seed=3)
    asked.append((encoder_of(model, facts), beside))
    asked.append((encoder_of(model, facts, has_tower=True), model))
    asked.append((encoder_of(model, facts, has_tower=True, named=str(named)), named))
    assert opened == []
    for encoder, path in asked:
        found = first(encoder)
        assert opened.pop() == path
        assert np.array_equal(found, of(path))
        opened.clear()


@pytest.mark.parametrize("name", ["clip-text-40", "clip-text-40.onnx", "clip-text-40.vocab.safetensors"])
def test_what_lies_beside_under_its_name_is_found(worlds, facts, here, name):
    source = worlds.tower_folder(here / "source")
    tower = towers.read(source)
    if name.endswith(".onnx"):
        towers.export(tower, here / name, "float32")
    elif name.endswith("safetensors"):
        replace(worlds.vocabulary("cat"), vectors=of(source)[None]).save(here / name)
    else:
        worlds.tower_folder(here / name)
    encoder = encoder_of(here / "m.pt", facts)
    assert np.allclose(first(encoder), of(source), atol=1e-6)


def test_a_named_vocabulary_stands_before_the_tower_inside(worlds, facts, here):
    model = worlds.native_file(here / "m.safetensors", text=worlds.tower())
    worlds.merges_in(here)
    known = replace(worlds.vocabulary("cat"), vectors=2 * of(model)[None])  # of another length, to be told from the tower's
    known.save(here / "known.vocab.safetensors")
    encoder = encoder_of(model, facts, has_tower=True, named=here / "known.vocab.safetensors")
    assert np.array_equal(first(encoder, "Cat "), known.vectors[0])
    assert np.array_equal(first(encoder, "dog"), towers.read(model).encoder(threads=1).encode(["dog"])[0])
    alone = encoder_of(here / "away.pt", facts, named=here / "known.vocab.safetensors")
    assert np.array_equal(first(alone), known.vectors[0])
    said = r"no vectors for 'dog' \(.*known\.vocab\.safetensors holds 1 word, none of these\): new words need the text encoder clip-text-40"
    with pytest.raises(VocabularyError, match=said):
        first(alone, "dog")


def test_vectors_that_came_with_the_model_need_no_tower(worlds, facts):
    encoder = encoder_of(Path("m.pt"), facts, known=worlds.vocabulary("cat", "dog"))
    assert np.array_equal(encoder.encode(["dog", "cat"]), worlds.vectors(2)[[1, 0]])


def test_without_any_encoder_it_is_said_how_to_get_one(facts):
    with pytest.raises(VocabularyError, match=r"no vectors for 'cat'.*clip-text-40.*--text-encoder or text_encoder=.*official \.pth"):
        first(encoder_of(Path("m.pt"), facts))


@pytest.mark.parametrize("named", ["away", "away.onnx", "away.pth"])
def test_a_named_encoder_that_is_not_there_is_told_at_once(facts, named):
    with pytest.raises(
        WeightsError, match=rf"{named}: no such text encoder \(looked for /.*{named}\); expected a text encoder: a folder of"
    ):
        encoder_of(Path("m.pt"), facts, named=named)


def test_vocabularies_of_another_encoder_or_width_are_refused_with_their_file_and_both_names(worlds, facts, here):
    path = here / "other.vocab.safetensors"
    wide = replace(worlds.vocabulary("cat"), vectors=np.ones((1, 41), np.float32))
    for vocabulary in (wide, replace(worlds.vocabulary("cat"), identity=EncoderIdentity(name="clip-vit-base-patch32"))):
        vocabulary.save(path)
        with pytest.raises(
            VocabularyError, match=rf"^{path}: its vectors of 4\d numbers are of the text encoder clip.*expected 40 of clip-text-40"
        ):
            encoder_of(Path("m.pt"), facts, named=path)
    with pytest.raises(VocabularyError, match="no such file"):
        encoder_of(Path("m.pt"), facts, named=here / "away.vocab.safetensors")


def test_a_tower_of_another_width_or_checksum_is_refused_with_both_names(worlds, facts, here):
    folder = worlds.tower_folder(here / "tower")
    other = encoder_of(Path("m.pt"), replace(facts, words_from=EncoderIdentity(name="clip-text-40", sha256="e" * 64)), named=folder)
    wide = replace(facts, spec=replace(facts.spec, embedding=512))
    for encoder, said in (
        (other, r"clip-text-40 \(sha256 eeeeeeeeeeee"),
        (encoder_of(Path("m.pt"), wide, named=folder), "base-patch32 with 512"),
    ):
        with pytest.raises(
            WeightsError, match=rf"found the text encoder clip-text-40 \(sha256.*40 numbers; the model was made for .*{said}"
        ):
            first(encoder)


def test_a_tower_that_gives_other_vectors_than_the_model_has_is_refused(worlds, facts, here):
    tower = worlds.tower_folder(here / "tower")
    encoder = encoder_of(Path("m.pt"), facts, known=worlds.vocabulary("cat", "dog"), named=tower)
    assert np.array_equal(first(encoder), worlds.vectors(2)[0])
    with pytest.raises(
        WeightsError, match=rf"clip-text-40 \(sha256 .*\) in {tower} gives .*mean cosine .* for 2 words: it is another tower"
    ):
        first(encoder, "gnome")


def test_the_partner_must_be_the_one_that_the_manifest_names(worlds, facts, here):
    path = here / "m.text.onnx"
    towers.export(towers.read(worlds.tower_folder(here / "tower")), path, "float32")
    partner = Partner(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    named = replace(facts, encoder=partner)
    assert partner_of(here / "m.onnx", partner) == path
    assert np.allclose(first(encoder_of(here / "m.onnx", named)), of(here / "tower"), atol=1e-6)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    for change in (lambda: None, path.unlink):
        change()
        with pytest.raises(
            WeightsError,
            match=rf"m\.onnx: its text encoder m\.text\.onnx \(sha256 {partner.sha256[:12]}.*\) was not found at .*; put that file",
        ) as caught:
            encoder_of(here / "m.onnx", named)
        assert "\n" not in str(caught.value)
    assert encoder_of(here / "m.onnx", named, named=here / "tower").width == 40  # whoever names another needs none


def test_the_towers_of_published_networks_have_their_names(worlds):
    spec = worlds.narrow()
    names = {width: identity_of(replace(spec, embedding=width)).name for width in (512, 768, 40)}
    assert names == {512: "clip-vit-base-patch32", 768: "clip-vit-large-patch14-336", 40: "clip-text-40"}


def test_names_without_vectors_get_noise_where_engines_are_compared(worlds, facts, caplog):
    none = encoder_of(Path("m.pt"), facts)
    noise = with_vectors(none, facts)
    assert np.linalg.norm(noise.encode(facts.names), axis=1) == pytest.approx(1, abs=0.5)
    assert np.array_equal(noise.encode(facts.names), with_vectors(none, facts).encode(facts.names))
    assert "both sides are given noise in place of words" in caplog.text
    known = encoder_of(Path("m.pt"), facts, known=worlds.vocabulary(*facts.names))
    assert with_vectors(known, facts) is known
    assert with_vectors(None, replace(facts, open=False)) is None


def test_a_tower_that_was_read_before_is_not_opened_for_words_that_were_kept(worlds, facts, here, monkeypatch):
    folder = worlds.tower_folder(here / "tower")
    model = worlds.native_file(here / "m.safetensors", text=worlds.tower())
    worlds.merges_in(here)
    exported = here / "int8.onnx"
    towers.export(towers.read(folder), exported, "int8")
    given = ({"named": folder}, {"has_tower": True}, {"named": exported})
    before = [first(encoder_of(model, facts, **one)) for one in given]
    assert np.array_equal(before[0], before[1])
    assert not np.array_equal(before[0], before[2])  # vectors of another precision
    with monkeypatch.context() as patch:
        patch.setattr(towers, "read", lambda path: pytest.fail("opened"))
        for one, vector in zip(given, before, strict=True):
            encoder = encoder_of(model, facts, **one)
            assert np.array_equal(first(encoder), vector)
            assert encoder.identity.sha256
    worlds.tower_folder(folder, seed=5)
    assert not np.array_equal(first(encoder_of(model, facts, named=folder)), before[0])  # another tower in its place


@pytest.mark.parametrize("way", ["partner", "named", "beside"])
def test_a_vocabulary_does_not_hide_the_tower_behind_it(worlds, facts, here, cache, way):
    path = here / ("clip-text-40.vocab.safetensors" if way == "beside" else "m.vocab.safetensors")
    folder = worlds.tower_folder((cache if way == "beside" else here) / "clip-text-40")
    known = replace(worlds.vocabulary("cat"), vectors=2 * of(folder)[None])
    known.save(path)
    partner = Partner(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    encoder = encoder_of(
        here / "m.onnx", replace(facts, encoder=partner if way == "partner" else None), named=path if way == "named" else None
    )
    assert np.array_equal(first(encoder), known.vectors[0])
    assert np.array_equal(first(encoder, "dog"), towers.read(folder).encoder(threads=1).encode(["dog"])[0])


def test_a_named_encoder_that_can_be_none_is_told_at_once(facts, here, photo):
    (here / "empty").mkdir()
    with pytest.raises(WeightsError, match=r"empty: a folder without model\.safetensors or pytorch_model\.bin, expected a text encoder"):
        encoder_of(Path("m.pt"), facts, named=here / "empty")
    with pytest.raises(WeightsError, match=r"coffee\.jpg: a file that ends in '\.jpg', expected a text encoder: a folder of CLIP"):
        encoder_of(Path("m.pt"), facts, named=photo)


def test_learned_prompts_take_no_text_encoder(worlds, facts, here):
    learned = EncoderIdentity(name=f"{LEARNED}narrow")
    own = replace(worlds.vocabulary("cat"), identity=learned)
    tuned = replace(facts, words_from=learned)
    with pytest.raises(InputError, match=r"m\.pt: it takes its own labels only, those of learned prompts of narrow.*leave .*tower out"):
        encoder_of(Path("m.pt"), tuned, known=own, named=worlds.tower_folder(here / "tower"))
    encoder = encoder_of(Path("m.pt"), tuned, known=own, has_tower=True)
    assert np.array_equal(first(encoder), own.vectors[0])
    with pytest.raises(VocabularyError, match="it takes its own labels only"):
        first(encoder, "dog")


def test_a_vocabulary_of_another_checksum_is_refused_whether_the_tower_was_read_or_not(worlds, facts, here):
    folder, path = worlds.tower_folder(here / "clip-text-40"), here / "known.vocab.safetensors"
    other = EncoderIdentity(name="clip-text-40", sha256="e" * 64)
    replace(worlds.vocabulary("cat"), vectors=of(folder)[None], identity=other).save(path)
    with pytest.raises(VocabularyError, match="eeee"):
        first(encoder_of(here / "m.pt", facts, named=path), "dog")
    encoder_of(here / "m.pt", facts).encode(["dog"])
    with pytest.raises(VocabularyError, match=f"^{path}: .*eeee"):
        encoder_of(here / "m.pt", facts, named=path)
