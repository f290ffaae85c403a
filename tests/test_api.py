"""Loading, converting, describing: the packaged model, files of ours and of others, partners by checksum, and what is refused."""

import logging
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from safetensors.numpy import save

import wordbox
from wordbox import api, opening
from wordbox.arrays import arrays as arrays_of
from wordbox.checkpoints import native
from wordbox.errors import EngineError, InputError, VocabularyError, WeightsError
from wordbox.exporting.difference import Found, difference
from wordbox.graphs import nano
from wordbox.specs import DistributionHead
from wordbox.variants import yolov5, yolov8

MODELS = Path(wordbox.__file__).parent / "models"
PACKAGED = MODELS / "wordbox-nano.safetensors"


SMALL = replace(yolov8("n", classes=2), widths=(8, 8, 8, 8, 8), head=DistributionHead(box_width=8, label_width=8, bins=4))
SMALL5 = replace(yolov5("s", generation="v3.1", classes=2), widths=(8, 8, 8, 8, 8))
AMONG_OTHERS = {"bus.jpg": {"person": 4, "bus": 1}, "zidane.jpg": {"person": 2}}


@pytest.fixture
def anew():
    """A process that has said no licence yet."""
    opening.say_licence.cache_clear()
    yield
    opening.say_licence.cache_clear()


def random_arrays(spec, seed=0):
    rng = np.random.default_rng(seed)
    made = {one.published: rng.normal(0, 0.3, one.shape).astype(np.float32) for one in arrays_of(spec)}
    made |= {name: np.arange(array.size, dtype=np.float32).reshape(array.shape) for name, array in made.items() if "dfl" in name}
    return {name: np.abs(array) + 0.5 if name.endswith("running_var") else array for name, array in made.items()}


def bare_file(path, spec, **more):
    path.write_bytes(save(random_arrays(spec) | more))
    return path


def test_a_copy_of_the_model_elsewhere_finds_its_encoder_in_the_package(tmp_path, photo, detector, assert_same):
    copy = shutil.copy(PACKAGED, tmp_path / "mine.safetensors")
    assert_same(wordbox.load(copy).detect(photo), detector.detect(photo))


def test_the_graph_as_a_file_is_the_model(tmp_path, photo, detector, assert_same):
    arrays, manifest = native.read(PACKAGED)
    onnx.save(nano.draw(manifest.spec, arrays, manifest.to_metadata(), "nano"), tmp_path / "nano.onnx")
    other = wordbox.load(tmp_path / "nano.onnx")
    assert other.manifest == detector.manifest
    assert_same(other.detect(photo, words="cup, red bus"), detector.detect(photo, words="cup, red bus"))


def test_an_encoder_with_another_checksum_is_refused(tmp_path):
    arrays, manifest = native.read(PACKAGED)
    wrong = replace(manifest, encoder=replace(manifest.encoder, sha256="0" * 64))
    native.write(tmp_path / "wrong.safetensors", arrays, wrong)
    with pytest.raises(WeightsError, match=manifest.encoder.name):
        wordbox.load(tmp_path / "wrong.safetensors")


def test_arrays_that_do_not_fit_are_listed_at_once(tmp_path):
    arrays, manifest = native.read(PACKAGED)
    del arrays["backbone.stem.bias"]
    arrays["head.stem.0.weight"] = np.zeros((1, 2, 3), np.float32)
    arrays["telepathy"] = np.zeros(1, np.float32)
    native.write(tmp_path / "broken.safetensors", arrays, manifest)
    with pytest.raises(
        WeightsError, match=r"(?s)broken\.safetensors.*missing backbone\.stem\.bias.*head\.stem\.0\.weight.*unexpected telepathy"
    ):
        wordbox.load(tmp_path / "broken.safetensors")


@pytest.mark.parametrize("name", ["yolo99", "nowhere.safetensors", "nowhere.onnx", "model.pt"])
def test_what_is_no_model_is_named(name):
    with pytest.raises(WeightsError, match=name):
        wordbox.load(name)


def test_devices_are_checked():
    with pytest.raises(InputError, match="telepathy"):
        wordbox.load(device="telepathy")
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(EngineError, match="CUDAExecutionProvider"):
            wordbox.load(device="cuda")


def test_without_synonyms_everything_is_left_to_meaning(photo):
    with_list, without = wordbox.load(), wordbox.load(synonyms=False)
    same, listed = with_list.detect(photo, words="cup"), with_list.detect(photo, words="teacup")
    assert same.scores == pytest.approx(without.detect(photo, words="cup").scores, abs=1e-4)
    assert listed.scores == pytest.approx(same.scores, abs=1e-4)
    assert len(without.detect(photo, words="teacup", conf=0.01, max_detections=1)) == 1
    assert without.detect(photo, words="teacup", conf=0.01, max_detections=1).scores < same.scores.max() - 1e-3


def test_describe_counts_what_the_specification_counts():
    facts = api.describe()
    closed = 3_786_068 - 3 * 80 * 129  # NanoDet-G (spec nano.md, section 2) without its class rows
    assert facts["parameters"] == closed + 3 * 256 * 129
    assert facts["size"] == [512, 512]
    # 4.18 GFLOP at 416 x 416 grow with the canvas; the rest are words.
    assert facts["flops"] == pytest.approx(4.18e9 * (512 / 416) ** 2, rel=0.05)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"open": False}, "has 80 names, but its network takes words"),
        ({"names": ()}, "lacks names"),
        ({"encoder": None}, "lacks the text encoder"),
    ],
)
def test_a_manifest_that_does_not_fit_its_graph_is_refused(tmp_path, change, said):
    arrays, manifest = native.read(PACKAGED)
    native.write(tmp_path / "lying.safetensors", arrays, replace(manifest, **change))
    for call in (wordbox.load, api.describe):
        with pytest.raises(WeightsError, match=rf"lying\.safetensors.*{said}"):
            call(tmp_path / "lying.safetensors")


def test_a_graph_that_is_none_of_ours_is_refused_whatever_its_manifest_says(tmp_path):
    _, manifest = native.read(PACKAGED)
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [onnx.helper.make_tensor_value_info("y", 1, [1])]
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    onnx.helper.set_model_props(model, manifest.to_metadata())
    onnx.save(model, tmp_path / "lying.onnx")
    with pytest.raises(WeightsError, match=r"lying\.onnx.*takes \['x'\]"):
        wordbox.load(tmp_path / "lying.onnx")


@pytest.mark.parametrize("threads", [0, -1])
def test_threads_are_at_least_one(threads):
    with pytest.raises(InputError, match="threads"):
        wordbox.load(threads=threads)


# -- checkpoints of others


def test_the_licence_of_weights_is_said_once_and_never_for_the_packaged_model(tmp_path, caplog, anew):
    path = bare_file(tmp_path / "mine.safetensors", SMALL)
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        wordbox.load()
        assert caplog.messages == []
        wordbox.load(path)
        wordbox.load(path)
        assert sum("licence of these weights" in message for message in caplog.messages) == 1
        assert "mine: licence of these weights: not stated in the file; published weights of YOLOv5 are GPL-3.0" in caplog.text
        wordbox.load(bare_file(tmp_path / "other.safetensors", SMALL))
    assert sum("licence of these weights" in message for message in caplog.messages) == 2


@pytest.mark.parametrize(("spec", "named"), [(SMALL, None), (SMALL5, "yolov5s@v3.1")], ids=["yolov8", "yolov5"])
def test_a_converted_file_has_the_same_bits_and_finds_the_same(tmp_path, photo, assert_same, spec, named):
    path, out = bare_file(tmp_path / "bare.safetensors", spec), tmp_path / "new" / "ours.safetensors"
    facts = api.convert(path, out, spec=named)
    assert facts.spec == spec
    found, written = native.read(out)
    assert written == facts
    published = {one.published: one.name for one in arrays_of(spec)}
    assert found.keys() == set(published.values())
    for name, array in random_arrays(spec).items():
        assert found[published[name]].dtype == array.dtype
        assert found[published[name]].tobytes() == array.tobytes()
    same = wordbox.load(path, spec=named).detect(photo, conf=0.01)
    assert len(same) > 20
    assert_same(wordbox.load(out).detect(photo, conf=0.01), same)


def test_converting_again_changes_nothing(tmp_path):
    api.convert(bare_file(tmp_path / "a.safetensors", SMALL), tmp_path / "b.safetensors")
    api.convert(tmp_path / "b.safetensors", tmp_path / "c.safetensors")
    assert (tmp_path / "b.safetensors").read_bytes() == (tmp_path / "c.safetensors").read_bytes()


def test_what_does_not_fit_is_listed_before_anything_is_written(tmp_path, caplog):
    path = bare_file(tmp_path / "bare.safetensors", SMALL, telepathy=np.zeros(1, np.float32))
    with pytest.raises(WeightsError, match=r"bare\.safetensors: 1 array does not fit the network: unexpected telepathy \[1\]"):
        api.convert(path, tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        api.convert(path, tmp_path / "out.safetensors", strict=False)
    assert "left out: telepathy" in caplog.text
    assert "telepathy" not in native.read(tmp_path / "out.safetensors")[0]


def test_places_that_cannot_be_converted_to_are_refused(tmp_path):
    path = bare_file(tmp_path / "bare.safetensors", SMALL)
    before = path.read_bytes()
    for out, said in (("out.pt", "expected .safetensors"), ("out", "expected .safetensors"), ("bare.safetensors", "the checkpoint itself")):
        with pytest.raises(InputError, match=said):
            api.convert(path, tmp_path / out)
    (tmp_path / "link.safetensors").symlink_to(path)
    with pytest.raises(InputError, match="the checkpoint itself"):
        api.convert(path, tmp_path / "link.safetensors")
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder.safetensors").mkdir()
    for out in ("file/out.safetensors", "folder.safetensors"):
        with pytest.raises(InputError, match="cannot be written"):
            api.convert(path, tmp_path / out)
    assert path.read_bytes() == before


def test_what_holds_no_arrays_cannot_be_converted(tmp_path):
    arrays, manifest = native.read(PACKAGED)
    onnx.save(nano.draw(manifest.spec, arrays, manifest.to_metadata(), "nano"), tmp_path / "nano.onnx")
    with pytest.raises(WeightsError, match="holds a graph and no named arrays"):
        api.convert(tmp_path / "nano.onnx", tmp_path / "out.safetensors")
    with pytest.raises(WeightsError, match="only OpenVINO reads"):
        api.convert(tmp_path / "nano.xml", tmp_path / "out.safetensors")


def test_describe_takes_files_names_and_bare_networks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))
    facts = api.describe(bare_file(tmp_path / "bare.safetensors", SMALL))
    assert (facts["name"], facts["words"], len(facts["layers"])) == ("bare", ["0", "1"], 23)
    assert api.describe("yolov8n")["parameters"] == 3_157_200
    assert api.describe("YOLOv5s@v3.1")["parameters"] == 7_468_157
    assert api.describe("yolov8n@v8.3.0")["parameters"] == 3_157_200
    assert api.describe("yolov8n-p2")["parameters"] == 3_354_144
    (tmp_path / "yolov8n").mkdir()
    assert api.describe("yolov8n")["parameters"] == 3_157_200
    for name, said in (("yolov5q", "nearest"), ("away.pt", "away"), ("a/yolov5n", "a/yolov5n"), ("", "empty name")):
        with pytest.raises(WeightsError, match=said):
            api.describe(name)


def test_describe_is_silent_about_no_file_that_only_looks_published(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "yolov5n.pt").write_bytes(b"another file")
    with pytest.raises(WeightsError, match=r"yolov5n\.pt: found a file of 12 bytes"):
        api.describe("yolov5n")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_file_name_that_is_no_text_does_no_harm(tmp_path):
    path = bare_file(Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.safetensors")), SMALL)
    assert wordbox.load(path).manifest.name == "caf?"


# -- YOLO-World, and words folded in


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
    fixed = bare_file(tmp_path / "yolo.safetensors", SMALL)
    assert "its classes are fixed, so it takes no text encoder" in refusal(InputError, wordbox.load, fixed, text_encoder="x")
    assert "takes no other text encoder" in refusal(InputError, wordbox.load, text_encoder="x")
    assert "away: no such text encoder" in refusal(WeightsError, wordbox.load, source, text_encoder="away")
    (tmp_path / "empty").mkdir()
    said = refusal(WeightsError, wordbox.load(source, text_encoder=tmp_path / "empty").detect, worlds.picture(), words="cat")
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


@pytest.mark.parametrize("engine", ["openvino", "torch"])
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
    fixed = bare_file(tmp_path / "yolo.safetensors", SMALL)
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


@pytest.mark.parametrize("known", [False, True], ids=["noise", "vectors"])
def test_an_open_export_is_verified_with_words_or_noise_in_their_place(worlds, tmp_path, caplog, version, known):
    vectors = {"known": worlds.vectors(3)} if known else {}
    source = worlds.native_file(tmp_path / "m.safetensors", version, **vectors)
    verified = api.export(source, tmp_path / "open.onnx", verify=True)
    assert verified.promised
    assert verified.compared > 100
    assert ("given noise in place of words" in caplog.text) != known


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


# -- the real files, as their README says


@pytest.mark.parametrize("file", ["yolov5n-v6.1-coco.pt", "yolov5n-v6.0-coco.pt", "yolov8n-hybrid.pt"])
def test_real_checkpoints_find_what_everybody_finds(shared, tmp_path, assert_same, file):
    detector = wordbox.load(shared / "data" / "weights" / file)
    api.convert(shared / "data" / "weights" / file, tmp_path / "ours.safetensors")
    converted = wordbox.load(tmp_path / "ours.safetensors")
    for photo, expected in AMONG_OTHERS.items():
        found = detector.detect(shared / "data" / "photos" / photo, conf=0.25, iou=0.45)
        counts = Counter(one.label for one in found)
        assert {name: counts[name] for name in expected} == expected
        assert_same(converted.detect(shared / "data" / "photos" / photo, conf=0.25, iou=0.45), found)


def test_a_real_custom_checkpoint_loads_with_its_own_names(shared):
    detector = wordbox.load(shared / "data" / "weights" / "yolov5n-v7-custom-biodegradable.pt")
    assert detector.manifest.names == ("Biodegradable", "Non-biodegradable")
    assert detector.manifest.preprocessing.size == 512  # what it was trained at
    detector.detect(shared / "data" / "photos" / "bus.jpg")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("yolov5n-cbam-custom-veg.pt", "models.common.CBAM"),
        ("leyolo-nano-custom-rps.pt", "ultralytics.nn.modules.conv.mn_conv.*MobileNetV3_BLOCK"),
        ("yolov5s-v6.1-truncated.pt", "the file is cut"),
    ],
)
def test_real_checkpoints_that_cannot_be_used_say_why(shared, tmp_path, file, said):
    path = shared / "data" / "weights" / file
    for call in (wordbox.load, api.describe, lambda path: api.convert(path, tmp_path / "out.safetensors")):
        with pytest.raises(WeightsError, match=rf"{file}.*{said}") as caught:
            call(path)
        assert "\n" not in str(caught.value)
