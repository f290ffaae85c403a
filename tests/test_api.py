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
from wordbox.errors import EngineError, InputError, WeightsError
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
    opening._say_once.cache_clear()
    yield
    opening._say_once.cache_clear()


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
