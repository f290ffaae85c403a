"""What a model is, in figures: published operations and parameters, tables that add up, files and bare networks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox import about, api, opening, variants
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
