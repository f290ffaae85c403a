"""Names and shapes of arrays, against the measured key maps that lie beside the specification."""

import json
from dataclasses import replace

import pytest

from wordbox.arrays import arrays, of_v1
from wordbox.specs import AnchorHead
from wordbox.variants import named, names, yolov8

NOT_OURS = ("num_batches_tracked", "anchors")  # a counter, and what the spec holds


def test_no_two_arrays_of_a_network_share_a_name():
    for name in names()[1:]:
        entries = arrays(named(name))
        assert len({one.name for one in entries}) == len({one.published for one in entries}) == len(entries)
        assert all(min(one.shape, default=1) >= 1 for one in entries)


@pytest.mark.parametrize(("family", "file"), [("yolov5", "yolov5_keymap.json"), ("yolov8", "yolov8_keymap.json")])
def test_the_measured_key_maps_are_covered_exactly(shared, family, file):
    variants = json.loads((shared / "spec" / file).read_text(encoding="utf-8"))["variants"]
    assert {"n", "s"} <= variants.keys()
    seen = 0
    for size, measured in variants.items():
        name = f"{family}{size}"
        if name not in names():  # p34 and its like are no networks of ours
            continue
        seen += 1
        spec = named(name)
        theirs = {key: tuple(shape) for key, shape in measured["keys"].items()}
        ours = {one.published: one.shape for one in arrays(spec)}
        assert ours == {key: shape for key, shape in theirs.items() if key.rpartition(".")[2] not in NOT_OURS}
        counters = sum(key.endswith(".running_var") for key in ours)
        assert len(theirs) == len(ours) + counters + isinstance(spec.head, AnchorHead)
        assert list(spec.strides) == measured["strides"]
    assert seen >= 5


def test_the_order_is_that_of_the_rows():
    for name in ("yolov5s6", "yolov8n-p2"):
        rows = [int(one.published.split(".")[1]) for one in arrays(named(name))]
        assert rows == sorted(rows)


@pytest.mark.parametrize(
    ("name", "count"), [("yolov8n", 355), ("yolov8m", 475), ("yolov8x", 595), ("yolov8s-p2", 437), ("yolov8l-p6", 779)]
)
def test_a_state_dict_has_the_published_number_of_entries(name, count):
    entries = arrays(named(name))
    assert len(entries) + sum(one.published.endswith(".running_var") for one in entries) == count


def test_a_depthwise_class_tower_has_its_own_names():
    spec = yolov8("n")
    entries = arrays(replace(spec, head=replace(spec.head, depthwise=True)))
    shapes = {one.published: one.shape for one in entries}
    assert len(entries) + sum(one.published.endswith(".running_var") for one in entries) == 391  # trap T14
    assert shapes["model.22.cv3.0.0.0.conv.weight"] == (64, 1, 3, 3)
    assert shapes["model.22.cv3.0.0.1.conv.weight"] == (80, 64, 1, 1)
    assert shapes["model.22.cv3.2.1.0.conv.weight"] == (80, 1, 3, 3)


def test_names_of_the_old_blocks_are_the_published_ones():
    shapes = {one.published: one.shape for one in arrays(named("yolov5s@v3.1"))}
    for name, shape in {
        "model.0.conv.conv.weight": (32, 12, 3, 3),
        "model.2.cv1.conv.weight": (32, 64, 1, 1),
        "model.2.cv2.weight": (32, 64, 1, 1),
        "model.2.cv3.weight": (32, 32, 1, 1),
        "model.2.cv4.bn.running_mean": (64,),
        "model.2.bn.weight": (64,),
        "model.2.m.0.cv2.conv.weight": (32, 32, 3, 3),
        "model.8.cv2.conv.weight": (512, 1024, 1, 1),
    }.items():
        assert shapes[name] == shape


def test_names_of_self_attention_are_the_published_ones():
    shapes = {one.published: one.shape for one in arrays(named("yolov5s-transformer"))}
    expected = {"linear.weight": (256, 256), "linear.bias": (256,)} | {
        f"tr.0.{part}": shape
        for part, shape in {
            **dict.fromkeys(("q.weight", "k.weight", "v.weight", "ma.out_proj.weight", "fc1.weight", "fc2.weight"), (256, 256)),
            **{"ma.in_proj_weight": (768, 256), "ma.in_proj_bias": (768,), "ma.out_proj.bias": (256,)},
        }.items()
    }
    assert {name.removeprefix("model.8.m."): shape for name, shape in shapes.items() if name.startswith("model.8.m.")} == expected


def test_the_first_release_moves_names_and_nothing_else():
    entries = arrays(named("yolov5s@v1.0"))
    moved = of_v1(entries)
    assert [(one.name, one.shape, one.stride) for one in moved] == [(one.name, one.shape, one.stride) for one in entries]
    shapes = {one.published: one.shape for one in moved}
    assert len(shapes) == len(entries)
    parameters = {row: shapes[f"model.{row}.weight"][0] * (shapes[f"model.{row}.weight"][1] + 1) for row in (18, 22, 26)}
    assert parameters == {18: 32_895, 22: 65_535, 26: 130_815}  # spec 1.6
    assert {int(name.split(".")[1]) for name in shapes} == {*range(27)} - {11, 12, 15, 16, 20, 24}
    assert "model.21.cv4.conv.weight" in shapes
    assert "model.25.m.0.cv2.bn.weight" in shapes
    by_name = {one.name: one.published for one in moved}
    assert [by_name[f"head.predict.{level}.bias"] for level in range(3)] == ["model.18.bias", "model.22.bias", "model.26.bias"]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_measured_key_maps_of_yolo_world_are_covered_exactly(shared, version):
    models = json.loads((shared / "spec" / "yoloworld_keymap.json").read_text(encoding="utf-8"))["models"]
    for size in "smlx":
        theirs = {key: tuple(shape) for key, _, shape in models[f"{version}-{size}"] if not key.endswith("num_batches_tracked")}
        scalars = {key: () for key in theirs if ".cv4." in key and key.endswith(".bias") and ".norm." not in key}  # [1] on one side
        assert {one.published: one.shape for one in arrays(named(f"yolov8{size}-world{version.removeprefix('v1')}"))} == theirs | scalars
