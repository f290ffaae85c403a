"""Arrays under the names of others, there and back bit for bit."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox.arrays import arrays
from wordbox.checkpoints import foreign, layouts, torch_archive, torch_writer
from wordbox.checkpoints.word_vectors import WordVectors
from wordbox.errors import WeightsError
from wordbox.specs import NanoSpec
from wordbox.variants import named, yolo_world, yolov5, yolov8

SMALL = replace(yolo_world("n"), widths=(8, 8, 64, 128, 64), embedding=64)
SMALL_V1 = replace(SMALL, version="v1", pooled_width=32)


def random(spec, dtype=np.float32):
    """Arrays of the spec by our names."""
    rng = np.random.default_rng(0)
    found = {one.name: rng.normal(size=one.shape).astype(dtype) for one in arrays(spec)}
    if "head.bins" in found:
        found["head.bins"] = np.arange(16, dtype=dtype).reshape(1, 16, 1, 1)
    return found


def same(one, other):
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert (array.dtype, array.shape) == (other[name].dtype, other[name].shape), name
        assert array.tobytes() == other[name].tobytes(), name


def refusal(call, *arguments):
    with pytest.raises(WeightsError, match=r"^here: ") as caught:
        call(*arguments, "here")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("spec", [SMALL, SMALL_V1], ids=lambda spec: spec.version)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_round_trips_keep_every_bit(tmp_path, spec, dtype):
    ours = random(spec, dtype)
    for name in ("ours.pth", "ours.pt"):
        path = tmp_path / name
        write = layouts.to_ultralytics(spec, ours, "here") if path.suffix == ".pt" else layouts.to_official(spec, ours, {}, None, "here")
        torch_writer.write(path, write)
        found = foreign.read(path)
        assert found.manifest.spec == spec
        again = layouts.to_official(spec, found.arrays, {}, None, "here")
        same(again, layouts.to_official(spec, ours, {}, None, "here"))
        if path.suffix == ".pt" or dtype == np.float32:  # the authors' files do not hold the bins, which come back as float32
            same(layouts.to_ultralytics(spec, found.arrays, "here"), layouts.to_ultralytics(spec, ours, "here"))


@pytest.mark.parametrize("model", ["v1-s", "v2-m"])
def test_both_layouts_are_the_measured_ones(shared, model):
    rows = json.loads((shared / "spec" / "yoloworld_keymap.json").read_text(encoding="utf-8"))["models"][model]
    spec = named(f"yolov8{model[3:]}-world{'v2' if model[:2] == 'v2' else ''}")
    ours = {one.name: np.broadcast_to(np.float32(0), one.shape) for one in arrays(spec)}
    ultralytics = layouts.to_ultralytics(spec, ours, "here")
    assert {name: list(array.shape) for name, array in ultralytics.items()} == {name: shape for name, _, shape in rows}
    official = layouts.to_official(spec, ours, {}, None, "here")
    assert official.keys() == {name for _, name, _ in rows if name}
    offset = "bbox_head.head_module.cls_contrasts.0.bias"
    assert official[offset].shape == ()
    assert {array.dtype for name, array in official.items() if name.endswith("num_batches_tracked")} == {np.dtype(np.int64)}


def test_a_tower_goes_back_under_its_own_names(yolos, tmp_path):
    tower = yolos.tower()
    ours = random(SMALL)
    torch_writer.write(tmp_path / "a.pth", layouts.to_official(SMALL, ours, {}, None, "here") | tower)
    found = foreign.read(tmp_path / "a.pth")
    written = layouts.to_official(SMALL, found.arrays, found.text, None, "here")
    same({name: array for name, array in written.items() if name in tower}, tower)
    same(written, torch_archive.read(tmp_path / "a.pth"))


def test_learned_prompts_go_back_in_place_of_a_tower(tmp_path):
    prompts = WordVectors(None, np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32))
    written = layouts.to_official(SMALL, random(SMALL), {}, prompts, "here")
    torch_writer.write(tmp_path / "a.pth", written)
    found = foreign.read(tmp_path / "a.pth")
    assert found.words.vectors.tobytes() == prompts.vectors.tobytes()
    same(layouts.to_official(SMALL, found.arrays, {}, found.words, "here"), written)
    words = WordVectors(("a", "b", "c"), prompts.vectors)
    assert "embeddings" not in layouts.to_official(SMALL, random(SMALL), {}, words, "here")
    with pytest.raises(WeightsError, match="prompts beside a text tower"):
        layouts.to_official(SMALL, random(SMALL), {"norm.bias": np.zeros(1)}, prompts, "here")


@pytest.mark.parametrize(
    "name", ["yolov5n", "yolov5n6", "yolov5s@v3.1", "yolov5nu", "yolov8n", "yolov8n-p2", "yolov8n-p6", "yolov5s-transformer"]
)
def test_yolov5_and_yolov8_round_trip_too(tmp_path, name):
    spec = named(name, 3)
    spec = replace(spec, widths=tuple(max(8, width // 8 * 2) for width in spec.widths)) if "transformer" not in name else spec
    ours = random(spec, np.float16)
    written = layouts.to_ultralytics(spec, ours, "here")
    torch_writer.write(tmp_path / "best.pt", written)
    found = foreign.read(tmp_path / "best.pt", spec="yolov5s@v3.1" if "@" in name else None)
    assert found.manifest.spec == spec
    same(found.arrays, ours)
    same(layouts.to_ultralytics(spec, found.arrays, "here"), written)


@pytest.mark.parametrize(("family", "file"), [("yolov5", "yolov5_keymap.json"), ("yolov8", "yolov8_keymap.json")])
def test_state_dicts_have_every_key_of_the_published_networks(shared, family, file):
    measured = json.loads((shared / "spec" / file).read_text(encoding="utf-8"))["variants"]["n"]["keys"]
    spec = named(f"{family}n")
    ours = {one.name: np.broadcast_to(np.float32(0), one.shape) for one in arrays(spec)}
    assert {name: list(array.shape) for name, array in layouts.to_ultralytics(spec, ours, "here").items()} == measured


def test_anchors_that_half_precision_would_move_are_written_in_full():
    anchors = (((10.3, 13), (16, 30), (33, 23)), ((30, 61), (62, 45), (59, 119)), ((116, 90), (156, 198), (373, 326)))
    spec = replace(yolov5("n", classes=1), head=replace(yolov5("n").head, anchors=anchors))
    ours = {one.name: np.broadcast_to(np.float16(0), one.shape) for one in arrays(spec)}
    assert layouts.to_ultralytics(spec, ours, "here")["model.24.anchors"].dtype == np.float32


def test_words_that_are_folded_in_have_no_place_elsewhere():
    for spec in (replace(SMALL, phrases=(1, 2), background=1), replace(SMALL_V1, phrases=(1,))):
        ours = random(spec)
        for said in (refusal(layouts.to_ultralytics, spec, ours), refusal(layouts.to_official, spec, ours, {}, None)):
            assert f"{len(spec.phrases)} words are folded into its weights" in said


def test_what_does_not_fit_is_refused():
    ours = random(SMALL)
    for change, said in (
        (lambda a: a | {"more": np.zeros(1)}, "unexpected more [1]"),
        (lambda a: {name: array for name, array in a.items() if name != "head.bins"}, "missing head.bins [1, 16, 1, 1]"),
        (lambda a: a | {"backbone.stem.norm.bias": np.zeros(3)}, "backbone.stem.norm.bias is [3], expected [8]"),
    ):
        assert said in refusal(layouts.to_ultralytics, SMALL, change(ours))
        assert said in refusal(layouts.to_official, SMALL, change(ours), {}, None)
    assert "family nano" in refusal(layouts.to_ultralytics, NanoSpec(), {})
    assert "family yolov8" in refusal(layouts.to_official, yolov8("n"), {}, {}, None)


@pytest.mark.parametrize("file", ["yolov5n-v6.1-coco.pt", "yolov8n-hybrid.pt"])
def test_a_published_file_comes_back_with_its_values(shared, tmp_path, file):
    found = foreign.read(shared / "data" / "weights" / file)
    written = layouts.to_ultralytics(found.manifest.spec, found.arrays, "here")
    torch_writer.write(tmp_path / Path(file).name, written)
    again = foreign.read(tmp_path / file)
    assert again.manifest.spec == found.manifest.spec
    same(again.arrays, found.arrays)
