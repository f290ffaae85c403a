"""Loading, baking, exporting what takes words: YOLO-World in every form finds the same, and brings along what its words need."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

import wordbox
from wordbox import api, opening
from wordbox.arrays import arrays as arrays_of
from wordbox.checkpoints import native
from wordbox.errors import InputError, VocabularyError, WeightsError
from wordbox.exporting.difference import Found, difference
from wordbox.specs import DistributionHead
from wordbox.variants import yolov8
from wordbox.vocabulary import files as vocabularies

VERSIONS = ["v1", "v2"]
LOW = {"conf": 0.02, "iou": 1.0, "max_candidates": 100_000, "max_detections": 100_000}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own."""
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=VERSIONS)
def version(request):
    return request.param


@pytest.fixture
def source(worlds, tmp_path, version):
    """A narrow network with its text tower inside, and the tokenizer beside it."""
    worlds.merges_in(tmp_path)
    return worlds.native_file(tmp_path / "narrow.safetensors", version, text=worlds.tower())


def fixed_file(path, worlds):
    """A network of two classes, which takes no words."""
    spec = replace(yolov8("n", classes=2), widths=(8, 8, 8, 8, 8), head=DistributionHead(box_width=8, label_width=8, bins=4))
    facts = worlds.manifest(spec, names=("0", "1"), open=False, background=None)
    native.write(path, {one.name: np.zeros(one.shape, np.float32) for one in arrays_of(spec)}, facts)
    return path


def near(one, other, pixels=1e-3, score=1e-5):
    """How many boxes two answers share; they must lie no further apart."""
    assert one.words == other.words
    left, right = (Found(each.boxes, each.scores, each.labels) for each in (one, other))
    between = difference(left, right, LOW["conf"])
    assert between.boxes <= pixels
    assert between.scores <= score
    assert between.unmatched == 0
    return between.compared


def refusal(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_yolo_world_finds_words_with_the_tower_inside_it(source, worlds):
    detector = wordbox.load(source)
    assert detector.words == worlds.NAMES
    found = detector.detect(worlds.picture(), words="cat, red bus", **LOW)
    assert found.words == ("cat", "red bus")
    assert found.dropped.background > 0
    assert detector.encode("cat").background == " "
    folder = worlds.tower_folder(source.parent / "tower")
    assert near(wordbox.load(source, text_encoder=folder).detect(worlds.picture(), words="cat, red bus", **LOW), found) > 100


@pytest.mark.parametrize("engine", ["openvino", "torch"])
def test_every_engine_finds_the_same_words(source, worlds, engine):
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    words = {"animal": ["cat", "dog"], "bus": "red bus"}
    one, other = (wordbox.load(source, engine=name).detect(worlds.picture(), words=words, **LOW) for name in ("auto", engine))
    assert near(one, other, pixels=1e-2, score=1e-3) > 100


def test_every_layout_of_a_network_finds_the_same(worlds, tmp_path, version):
    folder = worlds.tower_folder(tmp_path / "tower")
    files = (worlds.native_file, worlds.official_file, worlds.ultralytics_file)
    paths = [make(tmp_path / f"{make.__name__}.safetensors", version) for make in files]
    first, *others = (wordbox.load(path, text_encoder=folder).detect(worlds.picture(), words="cat, dog", size=96, **LOW) for path in paths)
    assert all(near(first, other) > 100 for other in others)


def test_the_background_may_be_left_out(source, worlds):
    with_it, without = wordbox.load(source), wordbox.load(source, background=False)
    one, other = (detector.detect(worlds.picture(), words="cat, dog", **LOW) for detector in (with_it, without))
    assert one.dropped.background > 0 == other.dropped.background
    assert without.encode("cat").background is None
    assert np.abs(np.sort(one.scores)[-50:] - np.sort(other.scores)[-50:]).max() > 1e-3  # it competes in the gates
    assert near(api.bake(without, "cat, dog").detect(worlds.picture(), **LOW), other) > 100


def test_a_text_encoder_must_be_the_models(source, worlds, tmp_path):
    fixed = fixed_file(tmp_path / "yolo.safetensors", worlds)
    assert "its classes are fixed, so it takes no text encoder" in refusal(InputError, wordbox.load, fixed, text_encoder="x")
    assert "takes no other text encoder" in refusal(InputError, wordbox.load, text_encoder="x")
    assert "away: no such text encoder" in refusal(WeightsError, wordbox.load, source, text_encoder="away")
    (tmp_path / "empty").mkdir()
    said = refusal(WeightsError, wordbox.load, source, text_encoder=tmp_path / "empty")
    assert "a folder without model.safetensors or pytorch_model.bin" in said
    wide = replace(worlds.vocabulary("cat"), vectors=np.ones((1, 41), np.float32))
    wide.save(tmp_path / "wide.vocab.safetensors")
    for call in (
        lambda: wordbox.load(source, text_encoder=tmp_path / "wide.vocab.safetensors"),
        lambda: wordbox.load(source).detect(worlds.picture(), words=tmp_path / "wide.vocab.safetensors"),
        lambda: wordbox.load(source).with_words(wide),
    ):
        assert "vectors of 41 numbers are of the text encoder clip-text-40, expected 40" in refusal(VocabularyError, call)
    another = worlds.vocabulary(*worlds.NAMES)  # not what the tower gives
    other = worlds.native_file(tmp_path / "other.safetensors", text=worlds.tower(), known=another.vectors)
    assert "it is another tower" in refusal(WeightsError, wordbox.load(other).detect, worlds.picture(), words="gnome")


def test_a_graph_that_takes_other_words_than_its_manifest_says_is_refused(source, worlds, tmp_path):
    model = opening.read(source)
    graph = model.graph()
    lying = replace(model.manifest, spec=replace(model.manifest.spec, embedding=48))
    onnx.helper.set_model_props(graph, lying.to_metadata())
    onnx.save(graph, tmp_path / "lying.onnx")
    assert "vectors of 40 numbers, but its text encoder gives 48" in refusal(WeightsError, wordbox.load, tmp_path / "lying.onnx")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", "found no words"),
        ([], "found no words"),
        (["cat", ""], "empty"),
        (["cat", "  "], "empty"),
        ({"cat": []}, "cat"),
        (["x" * 10_001], "10,001 characters"),
        ([1], "1"),
    ],
)
def test_words_that_are_none_are_refused(source, worlds, words, said):
    detector = wordbox.load(source)
    for call in (
        lambda: detector.detect(worlds.picture(), words=words),
        lambda: detector.with_words(words),
        lambda: api.bake(detector, words),
    ):
        assert said in refusal(VocabularyError, call)


def test_words_that_stand_twice_are_looked_for_once(source, worlds, caplog):
    detector = wordbox.load(source)
    found = detector.detect(worlds.picture(), words=["Cat", "dog", " cat "], **LOW)
    assert found.words == ("Cat", "dog")
    assert "stands twice" in caplog.text
    assert near(found, detector.detect(worlds.picture(), words=["Cat", "dog"], **LOW)) > 100
    assert api.bake(detector, ["Cat", "dog", " cat "]).words == ("Cat", "dog")


def test_words_of_ten_thousand_characters_are_cut_and_said(source, worlds, caplog):
    found = wordbox.load(source).detect(worlds.picture(), words=["cat " * 2_499 + "cats", "x" * 10_000, "猫" * 10_000], **LOW)
    assert [len(word) for word in found.words] == [10_000] * 3
    assert "cut" in caplog.text
    assert len(found) > 100


def test_ten_thousand_words_are_no_trouble(worlds, tmp_path, version):
    source = worlds.native_file(tmp_path / "m.safetensors", version, background=None)
    names = [f"word {i}" for i in range(10_000)]
    many = worlds.vocabulary(*names)
    detector = wordbox.load(source).with_words(many)
    assert len(detector.words) == 10_000
    together = detector.detect([worlds.picture(0), worlds.picture(1)], size=96, conf=0.02)
    alone = detector.detect(worlds.picture(1), size=96, conf=0.02)
    assert len(alone) > 10
    assert near(together[1], alone) > 10
    baked = api.bake(detector, many)
    assert len(baked.words) == 10_000
    assert near(baked.detect(worlds.picture(1), size=96, conf=0.02), alone) > 10


WORDS = {"animal": ["cat", "dog", "gnome"], "red bus": "red bus"}


def test_a_baked_yolo_world_finds_what_the_open_one_does_and_bakes_again(source, worlds):
    detector = wordbox.load(source)
    expected = detector.detect(worlds.picture(), words=WORDS, **LOW)
    baked = api.bake(detector, WORDS)
    assert (baked.words, baked.vocabulary, baked.manifest.spec.phrases, baked.manifest.spec.background) == (
        ("animal", "red bus"),
        None,
        (3, 1),
        1,
    )
    assert near(baked.detect(worlds.picture(), **LOW), expected) > 100
    assert ("constants" in api.how_baked(baked)) == (baked.manifest.spec.version == "v1")
    other = api.bake(detector, "dog")
    assert near(other.detect(worlds.picture(), **LOW), detector.detect(worlds.picture(), words="dog", **LOW)) > 50
    assert near(detector.detect(worlds.picture(), words=WORDS, **LOW), expected, 0, 0) > 100
    assert near(baked.detect(worlds.picture(), **LOW), expected) > 100


@pytest.mark.parametrize(("version", "engine"), [("v2", "openvino"), ("v1", "torch")])
def test_what_is_baked_runs_where_it_was_loaded(source, worlds, engine):
    pytest.importorskip(engine, reason=f"{engine} is not installed")
    detector = wordbox.load(source, engine=engine, threads=1)
    baked = api.bake(detector, WORDS)
    assert baked.engine.name == detector.engine.name
    assert near(baked.detect(worlds.picture(), **LOW), detector.detect(worlds.picture(), words=WORDS, **LOW), 1e-2, 1e-3) > 100


def test_a_baked_yolo_world_is_written_and_loaded_in_every_form(source, worlds, tmp_path):
    baked = api.bake(wordbox.load(source), WORDS)
    expected = baked.detect(worlds.picture(), **LOW)
    assert api.convert(baked, tmp_path / "baked.safetensors") == baked.manifest
    api.export(baked, tmp_path / "baked.onnx")
    api.export(tmp_path / "baked.safetensors", tmp_path / "again.onnx")
    for name in ("baked.safetensors", "baked.onnx", "again.onnx"):
        loaded = wordbox.load(tmp_path / name)
        assert loaded.manifest == baked.manifest
        assert near(loaded.detect(worlds.picture(), **LOW), expected) > 100
        assert "fixed already (animal, red bus)" in refusal(WeightsError, api.bake, loaded, "cat")
        assert "fixed classes" in refusal(VocabularyError, loaded.with_words, "cat")
        assert "its classes are fixed" in refusal(InputError, wordbox.load, tmp_path / name, text_encoder=tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {
        *("narrow.safetensors", "merges.txt", "cache", "baked.safetensors", "baked.onnx", "again.onnx")
    }
    for layout, ending in (("official", "pth"), ("ultralytics", "pt")):
        said = refusal(WeightsError, api.convert, baked, tmp_path / f"baked.{ending}", layout=layout)
        assert "2 words are folded into its weights" in said


def test_graphs_and_fixed_classes_cannot_be_baked(source, worlds, tmp_path):
    api.export(source, tmp_path / "open.onnx")
    said = refusal(WeightsError, api.bake, wordbox.load(tmp_path / "open.onnx"), "cat")
    assert "open.onnx: a graph, whose weights have no names; bake the checkpoint that it was made from" in said
    fixed = fixed_file(tmp_path / "yolo.safetensors", worlds)
    assert "classes are fixed already (0, 1); bake a model that takes words" in refusal(WeightsError, api.bake, wordbox.load(fixed), "cat")
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    api.export(source, tmp_path / "open.xml")
    assert "made from a graph" in refusal(WeightsError, api.bake, wordbox.load(tmp_path / "open.xml"), "cat")
    assert "made from a graph" in refusal(WeightsError, api.export, wordbox.load(tmp_path / "open.xml"), tmp_path / "x.onnx")


def test_the_packaged_model_bakes_twice_and_is_written(photo, detector, tmp_path, assert_same):
    words = {"cup": ["cup", "mug"], "table": "table"}
    expected = detector.detect(photo, words=words)
    assert len(expected) > 1
    baked = api.bake(detector, words)
    assert_same(baked.detect(photo), expected)
    assert_same(api.bake(detector, "spoon").detect(photo, conf=0.02), detector.detect(photo, words="spoon", conf=0.02), conf=0.02)
    api.convert(baked, tmp_path / "baked.safetensors")
    api.export(baked, tmp_path / "baked.onnx")
    for name in ("baked.safetensors", "baked.onnx"):
        assert_same(wordbox.load(tmp_path / name).detect(photo), expected)
    assert "fixed already (cup, table)" in refusal(WeightsError, api.bake, baked, "cat")
    said = refusal(VocabularyError, api.bake, detector, ["cup", "자동차"])
    assert "knows nothing of '자동차', so they cannot be baked; leave them out" in said


def exported(folder, name, worlds, **options):
    """What a graph on file finds, in ONNX Runtime or OpenVINO."""
    if name.endswith(".xml"):
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
    return wordbox.load(folder / name, **options)


@pytest.mark.parametrize("name", ["open.onnx", "open.xml"])
def test_an_open_export_brings_its_tower_along(source, worlds, tmp_path, name):
    expected = wordbox.load(source).detect(worlds.picture(), words=WORDS, **LOW)
    out = tmp_path / "out"
    api.export(source, out / name)
    loaded = exported(out, name, worlds)
    assert loaded.manifest.encoder.name == "open.text.onnx"
    assert {path.name for path in out.iterdir()} == {"open.text.onnx", name, *(["open.bin"] if name.endswith("xml") else [])}
    assert near(loaded.detect(worlds.picture(), words=WORDS, **LOW), expected, 1e-2, 1e-3) > 100
    lists = [["cat"], WORDS, ["dog", "red bus"]]
    together = loaded.detect([worlds.picture()] * 3, words=lists, **LOW)
    assert near(together[1], expected, 1e-2, 1e-3) > 100
    (out / "open.text.onnx").rename(out / "mine.onnx")
    assert "open.text.onnx" in refusal(WeightsError, wordbox.load, out / name)
    assert wordbox.load(out / name, text_encoder=out / "mine.onnx").words == worlds.NAMES
    (out / "open.text.onnx").write_bytes(b"changed")
    assert "put that file beside the model" in refusal(WeightsError, wordbox.load, out / name)


def test_an_export_of_an_open_export_takes_its_partner_along(source, worlds, tmp_path):
    api.export(source, tmp_path / "a" / "open.onnx")
    first = wordbox.load(tmp_path / "a" / "open.onnx")
    api.export(tmp_path / "a" / "open.onnx", tmp_path / "b" / "other.onnx", nms="graph")
    api.export(first, tmp_path / "c" / "third.onnx")
    for path in (tmp_path / "b" / "other.onnx", tmp_path / "c" / "third.onnx"):
        loaded = wordbox.load(path)
        assert loaded.manifest == first.manifest
        assert path.with_name("open.text.onnx").read_bytes() == (tmp_path / "a" / "open.text.onnx").read_bytes()
        assert near(*(one.detect(worlds.picture(), words="cat", **LOW) for one in (loaded, first))) > 50
    (tmp_path / "a" / "open.text.onnx").unlink()
    said = refusal(WeightsError, api.export, tmp_path / "a" / "open.onnx", tmp_path / "d" / "open.onnx")
    assert "open.onnx: its text encoder open.text.onnx" in said
    assert not list(tmp_path.glob("d/*"))


@pytest.mark.parametrize("name", ["open.onnx", "open.xml"])
def test_an_open_export_without_a_tower_brings_the_vectors_of_its_names(worlds, tmp_path, version, name):
    source = worlds.native_file(tmp_path / "m.safetensors", version, known=worlds.vectors(3))
    api.export(source, tmp_path / "out" / name)
    loaded = exported(tmp_path / "out", name, worlds)
    assert loaded.manifest.encoder.name == "open.vocab.safetensors"
    assert near(loaded.detect(worlds.picture(), **LOW), wordbox.load(source).detect(worlds.picture(), **LOW), 1e-2, 1e-3) > 100
    assert "no vectors for 'gnome'" in refusal(VocabularyError, loaded.detect, worlds.picture(), words="gnome")


def test_learned_prompts_are_found_in_every_form(worlds, tmp_path, version):
    source = worlds.official_file(tmp_path / "m.safetensors", version, prompts=3 * worlds.vectors(4))
    detector = wordbox.load(source)
    expected = detector.detect(worlds.picture(), **LOW, size=96)
    assert (expected.words, expected.dropped.background) == (("0", "1", "2", "3"), 0)
    api.export(source, tmp_path / "open.onnx")
    api.convert(source, tmp_path / "ours.safetensors")
    for name in ("open.onnx", "ours.safetensors"):
        assert near(wordbox.load(tmp_path / name).detect(worlds.picture(), **LOW, size=96), expected) > 100
    assert near(api.bake(detector, detector.vocabulary).detect(worlds.picture(), **LOW, size=96), expected) > 100


@pytest.mark.parametrize(("version", "known"), [("v1", True), ("v2", False)], ids=["vectors", "noise"])
def test_an_open_export_is_verified_with_words_or_noise_in_their_place(worlds, photo, tmp_path, caplog, version, known):
    vectors = {"known": worlds.vectors(3)} if known else {}
    source = worlds.native_file(tmp_path / "m.safetensors", version, **vectors)
    verified = api.export(source, tmp_path / "open.onnx", verify=True, photos=photo)
    assert verified.promised
    assert verified.compared > 100
    assert ("given noise in place of words" in caplog.text) != known


def test_an_export_of_a_detector_brings_what_it_was_loaded_with(worlds, tmp_path, version):
    source = worlds.ultralytics_file(tmp_path / "m.safetensors", version)
    detector = wordbox.load(source, text_encoder=worlds.tower_folder(tmp_path / "tower"), background=False)
    asked = {"words": "cat, red bus", "size": 96, **LOW}
    expected = detector.detect(worlds.picture(), **asked)
    api.export(detector, tmp_path / "out" / "open.onnx")
    loaded = wordbox.load(tmp_path / "out" / "open.onnx")
    assert (loaded.manifest.encoder.name, loaded.manifest.background) == ("open.text.onnx", None)
    assert near(loaded.detect(worlds.picture(), **asked), expected) > 100
    detector.encode("cat, red bus").save(tmp_path / "two.vocab.safetensors")
    api.export(wordbox.load(source, text_encoder=tmp_path / "two.vocab.safetensors"), tmp_path / "out" / "two.onnx")
    loaded = wordbox.load(tmp_path / "out" / "two.onnx", background=False)
    assert loaded.manifest.encoder.name == "two.vocab.safetensors"
    assert near(loaded.detect(worlds.picture(), **asked), expected) > 100
    api.export(source, tmp_path / "out" / "plain.onnx")
    assert wordbox.load(tmp_path / "out" / "plain.onnx").manifest.background == " "


def test_an_export_never_takes_the_place_of_somebodys_words(worlds, tmp_path):
    source = worlds.native_file(tmp_path / "m.safetensors", known=worlds.vectors(3))
    mine = tmp_path / "street.vocab.safetensors"
    worlds.vocabulary("cup").save(mine)
    assert "street.vocab.safetensors is another file" in refusal(InputError, api.export, source, tmp_path / "street.onnx")
    assert vocabularies.load(mine).labels == ("cup",)
    assert not (tmp_path / "street.onnx").exists()
    for _ in range(2):
        api.export(source, tmp_path / "again.onnx")


def test_learned_prompts_are_no_text_encoders(worlds, tmp_path):
    prompted = wordbox.load(worlds.official_file(tmp_path / "m.safetensors", prompts=worlds.vectors(3)))
    assert prompted.vocabulary.identity.learned
    prompted.vocabulary.save(tmp_path / "learned.vocab.safetensors")
    other = wordbox.load(worlds.native_file(tmp_path / "other.safetensors"))
    words = tmp_path / "learned.vocab.safetensors"
    assert len(prompted.detect(worlds.picture(), words=words, size=96, **LOW)) > 100
    assert "are of the text encoder learned prompts of m (sha256 " in refusal(VocabularyError, other.detect, worlds.picture(), words=words)
    folder = worlds.tower_folder(tmp_path / "tower")
    said = refusal(InputError, wordbox.load, tmp_path / "m.safetensors", text_encoder=folder)
    assert "m.safetensors: it takes its own labels only, those of learned prompts of m" in said


def test_an_export_that_fails_leaves_no_partner_behind(source, tmp_path):
    before = sorted(path.name for path in tmp_path.iterdir() if path.name != "cache")
    assert "expected one of host, graph" in refusal(InputError, api.export, source, tmp_path / "open.onnx", nms="sideways")
    refusal(InputError, api.export, source, tmp_path / "open.onnx", photos=tmp_path / "away.jpg", verify=True)
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "cache") == before


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_a_text_encoder_is_exported_from_whatever_holds_one(source, worlds, tmp_path, precision):
    folder = worlds.tower_folder(tmp_path / "tower")
    expected = wordbox.load(source).encode("cat, dog").vectors
    for place in (source, folder):
        least = api.export_text_encoder(place, tmp_path / "clip.onnx", precision)
        assert 0.98 < least <= 1
        found = wordbox.load(source, text_encoder=tmp_path / "clip.onnx").encode("cat, dog").vectors
        assert (found * expected).sum(1).min() >= 0.98
    assert "expected float32" in refusal(InputError, api.export_text_encoder, folder, tmp_path / "x.onnx", "int4").replace("one of ", "")
    assert "away" in refusal(WeightsError, api.export_text_encoder, tmp_path / "away", tmp_path / "x.onnx")
