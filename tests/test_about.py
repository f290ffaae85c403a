"""What a model is, in figures: published operations and parameters, tables that add up, files and bare networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox import about, api, baking, opening, variants
from wordbox.arrays import arrays
from wordbox.checkpoints import native
from wordbox.errors import WeightsError
from wordbox.graphs import count, yolo
from wordbox.manifest import Manifest, Preprocessing
from wordbox.specs import DistributionHead
from wordbox.variants import named, yolov5, yolov8

CONV_GFLOPS = {  # "conv" of spec yolov5-yolov8.md, sections 1.9 and 4.3
    **{"yolov5n": 4.468, "yolov5s": 16.434, "yolov5m": 48.872, "yolov5l": 108.994, "yolov5x": 205.448},
    **{"yolov8n": 8.744, "yolov8s": 28.603, "yolov8m": 78.937, "yolov8l": 165.149, "yolov8x": 257.804},
}


@pytest.mark.parametrize(("name", "expected"), CONV_GFLOPS.items())
def test_operations_of_convolutions_are_the_published_ones(name, expected):
    assert about.network(name)["flops"] / 1e9 == pytest.approx(expected, abs=0.0006)


WORLD_GFLOPS = {  # spec yolo-world.md, section 1.5: backbone, neck and head with 80 words
    "yolov8s-worldv2": 12.445 + 10.366 + 9.910,
    "yolov8m-worldv2": 38.501 + 29.260 + 18.158,
    "yolov8l-worldv2": 85.603 + 61.117 + 28.824,
    "yolov8x-worldv2": 133.644 + 95.385 + 43.940,
    "yolov8xl-worldv2": 192.342 + 137.249 + 62.289,
    "yolov8s-world": 12.445 + 11.151 + 9.910,
    "yolov8m-world": 38.501 + 30.373 + 18.158,
    "yolov8l-world": 85.603 + 62.531 + 28.824,
    "yolov8x-world": 133.644 + 97.140 + 43.940,
}
WORLD_PARAMETERS = {  # section 1.4, and 16 constant bins
    **{"yolov8n-worldv2": 3_695_183, "yolov8s-worldv2": 12_759_880, "yolov8m-worldv2": 28_376_158, "yolov8l-worldv2": 46_832_050},
    **{"yolov8x-worldv2": 72_886_377, "yolov8xl-worldv2": 104_679_696 + 16, "yolov8n-world": 4_204_111, "yolov8s-world": 13_383_496},
    **{"yolov8m-world": 29_065_310, "yolov8l-world": 47_553_970, "yolov8x-world": 73_690_217},
    "yolov8l-worldv2-clip-large": 170_910_626 - 123_650_304 + 16,
}
BACKBONE = {  # section 1.3, rows of both versions
    "s": [928, 18560, 29056, 73984, 197632, 295424, 788480, 1180672, 1838080, 656896, 837508, 226242],
    "m": [1392, 41664, 111360, 166272, 813312, 664320, 3248640, 1991808, 3985920, 831168, 2498118, 668451],
    "l": [1856, 73984, 279808, 295424, 2101248, 1180672, 8396800, 2360320, 4461568, 656896, 5576456, 1493892],
    "x": [2320, 115520, 436800, 461440, 3281920, 1844480, 13117440, 3687680, 6969600, 1025920, 8670410, 2312805],
    "xl": [2784, 166272, 628608, 664320, 4724736, 2655744, 18886656, 5309952, 10034688, 1476864, 12444300, 3309894],
}
NECK = {  # I-Pool of version 1, then the way up
    "s": [626688, 147712, 739204, 590336, 2821896],
    "m": [692224, 332160, 2350662, 1327872, 5267817],
    "l": [724992, 590336, 5445384, 2360320, 5576456],
    "x": [806912, 922240, 8465610, 3687680, 8670410],
    "xl": [0, 1327872, 12149388, 5309952, 12444300],
}
TOWERS = {  # box branches, class branches
    "s": (115008 + 188736 + 336192, 361472 + 508928 + 803840),
    "m": (151872 + 262464 + 373056, 763136 + 1094912 + 1426688),
    "l": (188736 + 336192 + 336192, 1312256 + 1902080 + 1902080),
    "x": (293504 + 523904 + 523904, 2008832 + 2930432 + 2930432),
    "xl": (421312 + 753088 + 753088, 2852864 + 4179968 + 4179968),
}


@pytest.mark.parametrize(("name", "expected"), WORLD_GFLOPS.items())
def test_operations_of_yolo_world_with_80_words_are_the_measured_ones(name, expected):
    assert about.network(name)["flops"] / 1e9 == pytest.approx(expected, abs=0.0016)


@pytest.mark.parametrize(("name", "expected"), WORLD_PARAMETERS.items())
def test_parameters_of_yolo_world_are_the_measured_ones(name, expected):
    assert about.network(name)["parameters"] == expected


@pytest.mark.parametrize(
    ("size", "version"), [(size, version) for size in BACKBONE for version in ("v1", "v2") if (size, version) != ("xl", "v1")]
)
def test_every_row_of_yolo_world_has_its_parameters(size, version):
    facts = about.network(f"yolov8{size}-world{'v2' if version == 'v2' else ''}")
    found = [row["parameters"] for row in facts["layers"] if row["parameters"]]
    boxes, classes = TOWERS[size]
    head = boxes + classes + 3 * (1026 if version == "v2" else 2) + 16
    assert found == [*BACKBONE[size], *(NECK[size] if version == "v1" else NECK[size][1:]), head]
    assert [row["index"] for row in facts["layers"]] == list(range(24 if version == "v1" else 23))
    assert facts["layers"][-1]["output"] == [[64 + 80, side, side] for side in (80, 40, 20)]
    if version == "v1":
        assert facts["layers"][16]["output"] == [80, 512]
    assert (facts["open"], facts["words"], facts["size"]) == (True, None, [640, 640])


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_baked_yolo_world_has_figures_of_its_own(worlds, version):
    spec = worlds.narrow(version)
    model = opening.Model(Path("f"), worlds.manifest(spec), worlds.arrays(spec), {}, None)
    baked = baking.bake(model, worlds.vocabulary("cat", "dog", "red bus"))
    opened, fixed = about.file(model), about.file(baked)
    statistics = {one.name for one in arrays(baked.manifest.spec) if one.is_statistic}
    assert fixed["parameters"] == sum(array.size for name, array in baked.arrays.items() if name not in statistics)
    assert fixed["parameters"] == sum(row["parameters"] for row in fixed["layers"])
    assert fixed["flops"] < opened["flops"]
    assert (fixed["open"], fixed["words"]) == (False, ["cat", "dog", "red bus"])
    assert fixed["layers"][-1]["output"] == [[64 + 3, side, side] for side in (80, 40, 20)]
    if version == "v2":  # all convolutions, as drawn
        ramp = 2 * spec.head.bins * 4 * 8400
        assert fixed["flops"] - ramp == count.flops(baked.graph(), {"images": (1, 640, 640, 3), "conf": (), "max_candidates": (1,)})
    else:
        assert fixed["layers"][16]["output"] == [3, worlds.WIDTH]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_graph_of_yolo_world_on_file_has_the_figures_of_its_checkpoint(worlds, tmp_path, version):
    source = worlds.native_file(tmp_path / "m.safetensors", version)
    api.export(source, tmp_path / "m.onnx")
    assert api.describe(tmp_path / "m.onnx") == api.describe(source)


@pytest.mark.parametrize(
    "name", ["yolov5n", "yolov5s@v1.0", "yolov5s@v3.1", "yolov5s6@v5.0", "yolov5s-transformer", "yolov8n", "yolov8n-p2", "yolov8n-p6"]
)
def test_the_layer_table_adds_up(name):
    facts, spec = about.network(name), named(name)
    rows = facts["layers"]
    assert facts["parameters"] == sum(row["parameters"] for row in rows)
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert all(list(row) == ["index", "from", "repeats", "module", "arguments", "name", "parameters", "output"] for row in rows)
    assert rows[0]["output"] == [spec.widths[0], 320, 320]
    sides = [640 // stride for stride in spec.strides]
    depth = 64 + 80 if "v8" in name else 255
    assert rows[-1]["output"] == [[depth, side, side] for side in sides]
    assert rows[-1]["module"] == "Detect"


@pytest.mark.parametrize(("name", "size"), [("yolov5n", 640), ("yolov5n6", 1280), ("yolov8n-p2", 640), ("yolov8n-p6", 1280)])
def test_a_bare_network_has_no_words_and_no_licence(name, size):
    facts = about.network(name)
    assert {key: facts[key] for key in ("name", "size", "open", "words", "licence", "origin")} == {
        "name": name, "size": [size, size], "open": False, "words": None, "licence": None, "origin": None
    }  # fmt: skip


def test_what_is_no_bare_network_is_refused():
    for name, said in (("wordbox-nano", "leave the name out"), ("yolov5q", "nearest")):
        with pytest.raises(WeightsError, match=said):
            about.network(name)


SMALL = {
    "yolov8": replace(yolov8("n", classes=2), widths=(8, 8, 8, 8, 8), head=DistributionHead(box_width=8, label_width=8, bins=4)),
    "depthwise": replace(
        yolov8("n", classes=2), widths=(8, 8, 8, 8, 16), head=DistributionHead(box_width=8, label_width=8, bins=4, depthwise=True)
    ),
    "yolov5": replace(yolov5("n", classes=2), widths=(8, 8, 8, 8, 16)),
    "old": replace(yolov5("s", generation="v3.1", classes=2), widths=(8, 8, 8, 8, 16)),
}


@pytest.mark.parametrize("spec", SMALL.values(), ids=SMALL)
def test_operations_are_those_of_the_graph_that_is_run(spec):
    weights = {one.name: np.zeros(one.shape, np.float32) for one in arrays(spec)}
    facts = about.file(opening.Model(Path("f"), _manifest(spec), weights, {}, None))
    graph = yolo.draw_raw(spec, weights, "f")
    ramp = 2 * spec.head.bins * 4 * sum((640 // stride) ** 2 for stride in spec.strides) if hasattr(spec.head, "bins") else 0
    assert facts["flops"] - ramp == count.flops(graph, {"images": (1, 640, 640, 3)})


def test_a_file_says_its_own_size_words_and_licence(tmp_path):
    spec = SMALL["yolov5"]
    facts = replace(_manifest(spec), licence="MIT", origin="a drawer", preprocessing=Preprocessing(size=(96, 64)))
    native.write(tmp_path / "a.safetensors", {one.name: np.zeros(one.shape, np.float32) for one in arrays(spec)}, facts)
    found = about.file(opening.read(tmp_path / "a.safetensors"))
    assert (found["name"], found["size"], found["words"], found["open"]) == ("small", [96, 64], ["cup", "red bus"], False)
    assert (found["licence"], found["origin"]) == ("MIT", "a drawer")


def test_a_file_whose_arrays_do_not_fit_has_no_figures():
    with pytest.raises(WeightsError, match="do not fit"):
        about.file(opening.Model(Path("f"), _manifest(SMALL["yolov8"]), {}, {}, None))


def test_a_real_file_has_the_figures_of_its_name(shared):
    facts = about.file(opening.read(shared / "data" / "weights" / "yolov5n-v6.0-coco.pt"))
    bare = about.network("yolov5n@v6.0")
    assert {key: facts[key] for key in ("parameters", "flops")} == {key: bare[key] for key in ("parameters", "flops")}
    assert [row | {"arguments": 0} for row in facts["layers"]] == [row | {"arguments": 0} for row in bare["layers"]]
    assert variants.named("yolov5n") == variants.named("yolov5n@v6.0")


def test_an_export_of_another_tool_has_figures_too(shared):
    facts = about.file(opening.read(shared / "data" / "weights" / "yolov8n-dynquant-uint8.onnx"))
    assert facts["layers"] is None
    assert len(facts["words"]) == 80


def _manifest(spec):
    return Manifest(name="small", names=("cup", "red bus"), open=False, preprocessing=Preprocessing(size=64), spec=spec)


def test_the_packaged_model_has_a_layer_table_that_sums_to_its_parameters():
    facts = api.describe()
    rows = facts["layers"]
    assert sum(row["parameters"] for row in rows) == facts["parameters"]
    assert [row["index"] for row in rows] == list(range(len(rows)))
    assert all(source < row["index"] for row in rows for source in row["from"])
    assert rows[5]["output"] == [512, 16, 16]
    assert rows[-1]["output"] == [[300, 64, 64], [300, 32, 32], [300, 16, 16]]
    by_index = {row["index"]: row["output"] for row in rows}
    for row in rows:
        if row["module"] == "Add":  # both have one shape
            assert {tuple(by_index[row["index"] - 1 if source == -1 else source]) for source in row["from"]} == {tuple(row["output"])}
