"""Files of YOLO-World's authors: their names, and all that such files may hold."""

import json
import logging
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox.arrays import arrays
from wordbox.checkpoints import foreign, official
from wordbox.errors import WeightsError
from wordbox.specs import ClipTextSpec, YoloWorldSpec
from wordbox.variants import named, yolo_world

SMALL = replace(yolo_world("n"), widths=(8, 8, 64, 128, 64), embedding=64)
BEST = Path("runs/best.pth")


@pytest.fixture
def read(monkeypatch):
    """Reads what a pickle at `BEST` would have given."""

    def read(tree, **options):
        monkeypatch.setattr(foreign.torch_archive, "read", lambda path: tree)
        return foreign.read(BEST, **options)

    return read


def refusal(call, *arguments, **options):
    with pytest.raises(WeightsError, match=r"^runs/best\.pth: ") as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def counted(found):
    """The arrays with the counters of BatchNorms, as PyTorch stores them."""
    return found | {f"{name[:-11]}num_batches_tracked": np.array(7) for name in found if name.endswith("running_var")}


@pytest.mark.parametrize("model", ["v1-s", "v1-m", "v1-l", "v1-x", "v2-s", "v2-m", "v2-l", "v2-x"])
def test_the_measured_key_map_is_covered_exactly(shared, model):
    rows = json.loads((shared / "spec" / "yoloworld_keymap.json").read_text(encoding="utf-8"))["models"][model]
    spec = named(f"yolov8{model[3:]}-world{'v2' if model[:2] == 'v2' else ''}")
    theirs = {ultralytics: name for ultralytics, name, _ in rows if name and not name.endswith("num_batches_tracked")}
    ours = official.names(spec)
    assert {one.published: ours[one.name] for one in arrays(spec) if one.name in ours} == theirs
    assert {one.name for one in arrays(spec)} - ours.keys() == {"head.bins"}
    shapes = {name: tuple(shape) for _, name, shape in rows if name}
    file = {name: np.broadcast_to(np.float32(0), shapes[name]) for name in shapes}
    found = foreign.state_dict(file, BEST)
    assert {name: array.shape for name, array in found.arrays.items()} == {one.name: one.shape for one in arrays(spec)}
    assert np.array_equal(found.arrays["head.bins"], np.arange(16, dtype=np.float32).reshape(1, 16, 1, 1))
    assert "GPL-3.0" in found.manifest.licence


def test_names_follow_the_spec_and_nothing_else():
    spec = replace(SMALL, repeats=(1, 1, 1, 3), neck_repeats=2)
    ours = official.names(spec)
    assert len(set(ours.values())) == len(ours)
    assert ours["backbone.stages.3.csp.blocks.2.second.norm.variance"] == "backbone.image_model.stage4.1.blocks.2.conv2.bn.running_var"
    assert ours["neck.top_down.1.gate.guide.weight"] == "neck.top_down_layers.0.attn_block.guide_fc.weight"
    assert ours["head.contrast.2.norm.mean"] == "bbox_head.head_module.cls_contrasts.2.norm.running_mean"


@pytest.mark.parametrize("lead", ["", "module."])
def test_a_bare_dictionary_and_one_of_mmengine_are_read_alike(yolos, read, lead):
    stored = {f"{lead}{name}": array for name, array in counted(yolos.official(SMALL, 0.5)).items()}
    bare = read(stored)
    raw = {name: np.zeros_like(array) for name, array in stored.items()}
    meta = {"dataset_meta": {"classes": ("cat", "red bus"), "palette": [(1, 2, 3)]}, "time": "20240327", "mmengine_version": "0.10.7", 7: 1}
    nested = read({"meta": meta, "message_hub": object(), "state_dict": stored, "ema_state_dict": raw, "optimizer": {}})
    assert nested.manifest.names == ("cat", "red bus")
    assert nested.manifest.origin == "a checkpoint of YOLO-World v2, mmengine_version 0.10.7, time 20240327"
    assert bare.manifest.origin == "a checkpoint of YOLO-World v2"
    assert all(np.array_equal(bare.arrays[name], nested.arrays[name]) for name in bare.arrays)
    assert float(nested.arrays["backbone.stem.conv.weight"].max()) == 0.5  # the average, which mmengine keeps as the state_dict (trap 35)
    assert nested.called["head.label.0.predict.weight"] == "bbox_head.head_module.cls_preds.0.2.weight"


@pytest.mark.parametrize("noted", [None, 7, {}, {"classes": None}, {"CLASSES": []}])
def test_a_meta_without_names_says_none(yolos, read, noted):
    assert read({"meta": {"dataset_meta": noted}, "state_dict": yolos.official(SMALL)}).manifest.names[0] == "person"


def test_older_files_of_mmengine_write_classes_in_capitals(yolos, read):
    tree = {"meta": {"dataset_meta": {"CLASSES": ["a", "b"]}}, "state_dict": yolos.official(SMALL)}
    assert read(tree).manifest.names == ("a", "b")
    tree["meta"]["dataset_meta"]["CLASSES"] = ["a", None]
    assert "classes" in refusal(read, tree)


def test_the_text_tower_is_given_out_by_itself(yolos, read):
    tower = yolos.tower() | {"backbone.text_model.model.text_model.embeddings.position_ids": np.arange(7)[None]}
    found = read(yolos.official(SMALL) | tower)
    assert {name: array.shape for name, array in found.arrays.items()} == {one.name: one.shape for one in arrays(SMALL)}
    assert found.text["tokens.weight"].shape == (60, 64)
    assert len(found.text) == len(tower) - 1
    assert not any(name.startswith(("text.", "backbone.text")) for name in found.text)


@pytest.mark.parametrize(
    ("spec", "numbers"), [(ClipTextSpec(), 63_428_096), (ClipTextSpec(width=768, heads=12, projection=768), 123_650_304)]
)
def test_towers_have_the_published_arrays(spec, numbers):
    shapes = official.tower_shapes(spec)
    assert len(shapes) == 197
    assert sum(math.prod(shape) for shape in shapes.values()) == numbers  # spec yolo-world.md, section 1.4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda yolos: yolos.tower(projection=128), "gives 128 numbers a word, but its network compares words of 64"),
        (lambda yolos: yolos.tower(width=512, projection=64, layers=3), "3 layers, expected 12"),
        (lambda yolos: {k: v for k, v in yolos.tower().items() if "layers.0." not in k}, "lacks layers."),
        (lambda yolos: {k: v for k, v in yolos.tower().items() if "q_proj.bias" not in k}, "lacks layers.0.query.bias"),
        (lambda yolos: {k: v[:1] if "fc1.weight" in k else v for k, v in yolos.tower().items()}, "layers.0.expand.weight is [1, 64]"),
        (lambda yolos: yolos.tower() | {"backbone.text_model.model.text_model.more": np.ones(1)}, "unexpected text_model.more"),
    ],
)
def test_a_tower_that_is_not_whole_or_of_another_width_is_refused(yolos, read, change, said):
    assert said in refusal(read, yolos.official(SMALL) | change(yolos))


def test_learned_prompts_stand_in_place_of_words(yolos, read, caplog):
    prompts = np.random.default_rng(0).normal(size=(3, 64)).astype(np.float32)
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        found = read(yolos.official(SMALL) | {"embeddings": prompts})
    assert "labels are numbers" in caplog.text
    assert found.words.names is None
    assert np.array_equal(found.words.vectors, prompts)  # no unit vectors, and taken as they are
    assert (found.manifest.names, found.manifest.background, found.manifest.open) == (("0", "1", "2"), None, True)
    assert "embeddings" not in found.arrays
    meta = {"dataset_meta": {"classes": ["a", "b", "c"]}}
    assert read({"meta": meta, "state_dict": yolos.official(SMALL) | {"embeddings": prompts}}).manifest.names == ("a", "b", "c")
    meta = {"dataset_meta": {"classes": ["a", "b"]}}
    assert "2 names for a network of 3 classes" in refusal(
        read, {"meta": meta, "state_dict": yolos.official(SMALL) | {"embeddings": prompts}}
    )


@pytest.mark.parametrize(
    ("prompts", "said"),
    [(np.ones((3, 32)), "32 numbers a word"), (np.ones(64), "embeddings [64]"), (np.ones((0, 64)), "embeddings [0, 64]")],
)
def test_prompts_of_another_shape_are_refused(yolos, read, prompts, said):
    assert said in refusal(read, yolos.official(SMALL) | {"embeddings": prompts})


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("bbox_head.head_module.seg_preds.0.0.conv.weight", "for segmentation"),
        ("bbox_head.head_module.proto_pred.conv1.conv.weight", "for segmentation"),
        ("image_prompt_encoder.projector.0.weight", "image prompts"),
        ("model.0.conv.weight", "others named by rows, such as model.0.conv.weight"),
        ("neck.text_enhancer.query.1.weight", "mixes two networks"),
        ("backbone.stem.conv.weight", "stand there twice, under the published name and as backbone.stem.conv.weight"),
    ],
)
def test_other_tasks_and_mixtures_are_named(yolos, read, more, said):
    assert said in refusal(read, yolos.official(SMALL) | {more: np.ones((1, 1, 1, 1), np.float32)})


def test_a_neck_without_gates_is_named(yolos, read):
    found = {name: array for name, array in yolos.official(SMALL).items() if ".guide_fc." not in name}
    assert "no gate that words open" in refusal(read, found)


@pytest.mark.parametrize("spec", [named("yolov8s-world"), named("yolov8xl-worldv2"), named("yolov8l-worldv2-clip-large")])
def test_published_sizes_are_told(yolos, read, spec):
    found = read(yolos.official(spec)).manifest.spec
    assert isinstance(found, YoloWorldSpec)
    assert found == spec
