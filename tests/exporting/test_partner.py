"""What goes beside an exported YOLO-World: its tower or its vectors, whole or not at all, and never in the place of another file."""

import hashlib
import os
import shutil
from contextlib import nullcontext
from dataclasses import replace

import numpy as np
import pytest

from wordbox import opening, towers
from wordbox.errors import InputError, WeightsError
from wordbox.exporting.partner import drafted
from wordbox.manifest import Partner
from wordbox.vocabulary import files


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out" / "best.v2.onnx"


def names(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def kept(path, folder):
    """A copy of a file that is about to go."""
    (folder / "kept").mkdir()
    return shutil.copy(path, folder / "kept" / path.name)


def opened(path):
    return opening.read(path)


def test_a_tower_inside_is_written_with_its_tokenizer(worlds, tmp_path, out):
    worlds.merges_in(tmp_path)
    model = opened(worlds.native_file(tmp_path / "m.safetensors", text=worlds.tower()))
    with drafted(model, out) as (said, words, new):
        assert words.parent.parent == out.parent
        assert words == new
        assert names(words.parent) == ["best.v2.text.onnx"]
        facts = said.manifest
        written = kept(new, tmp_path)
    assert names(out.parent) == []
    assert facts.encoder == Partner(name=written.name, sha256=sha256(written))
    tower = towers.read(written)
    assert facts.words_from == tower.identity == towers.read(model.path).identity
    assert replace(facts, encoder=None, words_from=None) == model.manifest
    one, other = (towers.read(path).encoder(threads=1).encode(["cat"]) for path in (written, model.path))
    assert np.array_equal(one, other)


def test_without_a_tower_the_vectors_of_its_own_names_are(worlds, tmp_path, out):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    with drafted(model, out) as (said, words, new):
        assert words.name == "best.v2.vocab.safetensors"
        written = kept(new, tmp_path)
    assert said.manifest.encoder == Partner(name=written.name, sha256=sha256(written))
    vocabulary = files.load(written)
    assert (vocabulary.labels, vocabulary.identity) == (worlds.NAMES, worlds.IDENTITY)
    assert np.array_equal(vocabulary.vectors, worlds.vectors(3))


def test_what_has_nothing_to_give_and_what_needs_nothing_stay_as_they_are(worlds, tmp_path, out, detector):
    bare = opened(worlds.ultralytics_file(tmp_path / "m.safetensors"))
    fixed = replace(bare, manifest=replace(bare.manifest, open=False), words=worlds.vocabulary("cat"))
    for model in (bare, fixed, detector.origin.read()):
        with drafted(model, out) as (said, words, new):
            assert said is model
            assert (words, new) == (model.path, None)
        assert names(out.parent) == []


def test_where_something_fails_nothing_is_left(worlds, tmp_path, out):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    with pytest.raises(KeyError, match="mine"), drafted(model, out):
        raise KeyError("mine")
    assert names(out.parent) == []


@pytest.mark.parametrize("text", [False, True], ids=["vectors", "tower"])
def test_what_somebody_has_beside_the_export_is_never_overwritten(worlds, tmp_path, out, text):
    worlds.merges_in(tmp_path)
    inside = {"text": worlds.tower()} if text else {"known": worlds.vectors(3)}
    model = opened(worlds.native_file(tmp_path / "m.safetensors", **inside))
    out.parent.mkdir()
    precious = out.with_name(f"best.v2.{'text.onnx' if text else 'vocab.safetensors'}")
    worlds.vocabulary("cup").save(tmp_path / "cup.vocab.safetensors")
    shutil.copy(tmp_path / "cup.vocab.safetensors", precious)
    with pytest.raises(InputError, match=rf"{precious.name} is another file than.*give the export another name"), drafted(model, out):
        raise AssertionError("the block must not run")
    assert names(out.parent) == [precious.name]
    assert files.load(tmp_path / "cup.vocab.safetensors").labels == ("cup",)
    precious.unlink()
    with drafted(model, out) as (_, words, new):
        shutil.copy(new, precious)
    with drafted(model, out) as (said, words, new):  # the same once more
        assert (said.manifest.encoder.sha256, words.parent, new) == (sha256(precious), out.parent, None)


def test_a_tower_without_its_tokenizer_is_an_error_that_says_where_to_put_it(worlds, tmp_path, out):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", text=worlds.tower()))
    with pytest.raises(WeightsError, match="tokenizer was found in none of"), drafted(model, out):
        raise AssertionError("the block must not run")
    assert names(out.parent) == []


@pytest.fixture
def exported(worlds, tmp_path):
    """A graph whose manifest names a vocabulary beside it."""
    path = tmp_path / "first" / "m.vocab.safetensors"
    worlds.vocabulary(*worlds.NAMES).save(path)
    facts = worlds.manifest(worlds.narrow(), encoder=Partner(name=path.name, sha256=sha256(path)), words_from=worlds.IDENTITY)
    return opening.Model(path.with_name("m.onnx"), facts, None, {}, None), path


def test_an_export_of_an_export_takes_the_partner_along(exported, out):
    model, path = exported
    with drafted(model, out) as (said, words, new):
        assert (said.manifest, words.name) == (model.manifest, path.name)
        assert new.read_bytes() == path.read_bytes()
    with drafted(model, path.with_name("other.onnx")) as (said, words, new):  # where the partner is already
        assert (said.manifest, words.parent, new) == (model.manifest, path.parent, None)
    assert names(path.parent) == [path.name]


def test_a_partner_that_is_missing_or_another_file_is_refused(exported, out):
    model, path = exported
    path.write_bytes(path.read_bytes() + b" ")
    for change in (lambda: None, path.unlink):
        change()
        with (
            pytest.raises(WeightsError, match=r"m\.onnx: its text encoder m\.vocab\.safetensors .*put that file beside") as caught,
            drafted(model, out),
        ):
            raise AssertionError("the block must not run")
        assert "\n" not in str(caught.value)
    assert names(out.parent) == []


@pytest.mark.parametrize("make", [lambda path: path.write_text("another"), lambda path: path.mkdir()], ids=["file", "folder"])
def test_another_file_of_its_name_is_never_overwritten(exported, out, make):
    model, path = exported
    out.parent.mkdir()
    make(out.with_name(path.name))
    with pytest.raises(InputError, match=r"m\.vocab\.safetensors is another file than.*give the export another name"), drafted(model, out):
        raise AssertionError("the block must not run")
    assert names(out.parent) == [path.name]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the permission does not hold")
def test_a_folder_that_may_not_be_written_is_told(worlds, tmp_path, out):
    out.parent.mkdir(mode=0o500)
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    with pytest.raises(InputError, match="cannot get its words beside it"), drafted(model, out):
        raise AssertionError("the block must not run")


def test_a_place_below_a_file_is_told(worlds, tmp_path):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3)))
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"best\.onnx cannot get its words beside it \(.*choose another place"),
        drafted(model, tmp_path / "file" / "best.onnx"),
    ):
        raise AssertionError("the block must not run")


def test_a_tower_that_somebody_named_goes_along(worlds, tmp_path, out):
    folder, plain = worlds.tower_folder(tmp_path / "tower"), opened(worlds.ultralytics_file(tmp_path / "m.safetensors"))
    model = replace(plain, manifest=worlds.manifest(worlds.narrow()))
    with drafted(model, out, str(folder)) as (said, _, new):
        assert new.name == "best.v2.text.onnx"
        assert said.manifest.words_from == towers.read(folder).identity
        written = kept(new, tmp_path)
    with drafted(model, out, written) as (said, _, new):  # one that is exported already
        assert sha256(new) == sha256(written) == said.manifest.encoder.sha256
    vectors = towers.read(folder).encoder(threads=1).encode(worlds.NAMES)
    for known, fits in ((vectors, True), (worlds.vectors(3), False)):
        own = replace(model, words=replace(worlds.vocabulary(*worlds.NAMES), vectors=known))
        with nullcontext() if fits else pytest.raises(WeightsError, match="it is another tower"), drafted(own, out, folder):
            assert fits
    wide = replace(model, manifest=replace(model.manifest, spec=replace(worlds.narrow(), embedding=48)))
    with pytest.raises(WeightsError, match=r"gives vectors of 40 numbers; .* made for clip-text-48 with 48"), drafted(wide, out, folder):
        raise AssertionError("the block must not run")


def test_a_vocabulary_that_somebody_named_joins_the_models_own(worlds, tmp_path, out, caplog):
    model = opened(worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(4)))
    assert model.words.background == " "
    more = replace(worlds.vocabulary("Cat", "kitten", "gnome", "x", seed=5), labels=("Cat", "gnome"), owners=np.array([0, 0, 1, -1]))
    more.save(tmp_path / "more.vocab.safetensors")
    with drafted(model, out, tmp_path / "more.vocab.safetensors") as (*_, new):
        found = files.load(new)
    assert found.labels == (*worlds.NAMES, "gnome")
    assert found.owners.tolist() == [0, 1, 2, -1, 0, 0, 3]
    assert found.phrases == (*model.words.phrases, ("Cat",), ("kitten",), ("gnome",))
    assert np.array_equal(found.vectors, np.concatenate([worlds.vectors(4), worlds.vectors(4, seed=5)[:3]]))
    assert found.background == " "
    with drafted(replace(model, words=None), out, tmp_path / "more.vocab.safetensors") as (*_, new):
        assert sha256(new) == sha256(tmp_path / "more.vocab.safetensors")
    replace(more, prompt="a {}").save(tmp_path / "a.vocab.safetensors")
    with drafted(model, out, tmp_path / "a.vocab.safetensors") as (*_, new):
        assert files.load(new).labels == ("Cat", "gnome")
    assert "own names are not exported: the vocabulary has the prompt 'a {}'" in caplog.text
