"""Suppression in the graph is the suppression of the host, whatever comes."""

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.geometry.suppress import suppress
from wordbox.graphs import ending, suppression
from wordbox.graphs.builder import IR_VERSION, OPSET, GraphBuilder


def shortlist_graph(opset=OPSET):
    """A deployed graph whose shortlist is what it is fed."""
    graph = GraphBuilder(opset)
    for name, dtype, shape in (
        ("boxes", np.float32, ("B", "P", 4)),
        ("scores", np.float32, ("B", "P")),
        ("labels", np.int64, ("B", "P")),
        ("count", np.int64, ("B",)),
        ("rows_passed", np.int64, ("B",)),
    ):
        graph.output(name, graph.op("Identity", graph.input(f"fed_{name}", dtype, shape)), dtype, shape)
    return graph.model({"wordbox": "{}"})


def onnxruntime_engine(graph, where):
    return OnnxRuntimeEngine(graph, where=where, threads=1)


def openvino_engine(graph, where):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from wordbox.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(graph, where=where, threads=1)


@pytest.fixture(scope="module", params=[onnxruntime_engine, openvino_engine], ids=["onnxruntime", "openvino"])
def engine(request):
    return request.param(suppression.append(shortlist_graph()).SerializeToString(), "suppression.onnx")


def shortlist(pictures, places):
    """Shortlists (boxes, scores, labels), padded to `places` as the ending pads them."""
    fed = {
        "fed_boxes": np.zeros((len(pictures), places, 4), np.float32),
        "fed_scores": np.zeros((len(pictures), places), np.float32),
        "fed_labels": np.full((len(pictures), places), -1, np.int64),
        "fed_count": np.array([len(boxes) for boxes, _, _ in pictures]),
        "fed_rows_passed": np.arange(len(pictures)),
    }
    for row, picture in enumerate(pictures):
        for name, values in zip(("boxes", "scores", "labels"), picture, strict=True):
            fed[f"fed_{name}"][row, : len(values)] = values
    return fed


def check(engine, pictures, places, iou):
    """What leaves is what the host's suppression keeps, in its order."""
    found = engine.run(shortlist(pictures, places) | {"iou": np.array(iou, np.float32)})
    assert {name: (value.dtype, value.shape[1:]) for name, value in found.items()} == {
        "boxes": (np.float32, (places, 4)),
        "scores": (np.float32, (places,)),
        "labels": (np.int64, (places,)),
        "count": (np.int64, ()),
        "rows_passed": (np.int64, ()),
        "candidates": (np.int64, ()),
    }
    assert found["rows_passed"].tolist() == list(range(len(pictures)))
    for row, (boxes, scores, labels) in enumerate(pictures):
        kept = suppress(boxes, labels, iou)
        count = int(found["count"][row])
        assert count == len(kept)
        assert found["candidates"][row] == len(boxes)
        for name, values, nothing in (("boxes", boxes, 0), ("scores", scores, 0), ("labels", labels, -1)):
            assert np.array_equal(found[name][row, :count], values[kept]), name
            assert (found[name][row, count:] == nothing).all()
    return found


def crowd(rng, count, kinds, scale=1.0):
    """Boxes of small whole sides around few places, best first: many overlap, some are equal, some are empty."""
    low = rng.integers(0, 10, (count, 2))
    boxes = np.concatenate([low, low + rng.integers(0, 8, (count, 2))], axis=1).astype(np.float32) * np.float32(scale)
    scores = np.sort(rng.choice([0.3, 0.5, 0.5, 0.9], count))[::-1].astype(np.float32)
    return boxes, scores, rng.integers(0, kinds, count)


@given(
    seed=st.integers(0, 2**32 - 1),
    counts=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    more=st.integers(0, 5),
    kinds=st.sampled_from([1, 3, 200]),
    iou=st.sampled_from([0.1234567, 0.4567891, 0.7012345]),  # no overlap of small whole sides
    scale=st.sampled_from([1, 1e-3, 1e4, 1e12]),
)
def test_what_stays_is_what_the_host_keeps(engine, seed, counts, more, kinds, iou, scale):
    rng = np.random.default_rng(seed)
    check(engine, [crowd(rng, count, kinds, scale) for count in counts], max(1, *counts) + more, iou)


def test_no_boxes_in_none_out(engine):
    assert check(engine, [crowd(np.random.default_rng(0), 0, 1)] * 2, 5, 0.5)["count"].tolist() == [0, 0]


def test_one_place_is_enough(engine):
    check(engine, [crowd(np.random.default_rng(0), 1, 1)], 1, 0.5)


def test_equal_boxes_of_two_labels_both_stay(engine):
    boxes = np.array([[0, 0, 9, 9]] * 4, np.float32)
    found = check(engine, [(boxes, np.full(4, 0.5, np.float32), np.array([5, 2, 5, 2]))], 4, 0.5)
    assert found["labels"][0].tolist() == [5, 2, -1, -1]


def test_a_box_that_went_takes_nobody_with_it(engine):
    chain = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]], np.float32)  # neighbours overlap by 7 / 13
    assert check(engine, [(chain, np.full(3, 0.5, np.float32), np.zeros(3, np.int64))], 3, 0.5)["count"].tolist() == [2]


@pytest.mark.parametrize("engine", [onnxruntime_engine], indirect=True)  # OpenVINO's own suppression lets it go
def test_an_overlap_of_just_the_threshold_stays(engine):
    half = np.array([[0, 0, 10, 10], [0, 0, 10, 5]], np.float32)
    check(engine, [(half, np.full(2, 0.5, np.float32), np.zeros(2, np.int64))], 2, 0.5)
    check(engine, [crowd(np.random.default_rng(1), 40, 1)], 40, 1)


def test_a_thousand_boxes_and_a_thousand_words(engine):
    rng = np.random.default_rng(3)
    low = rng.integers(0, 600, (1000, 2))
    boxes = np.concatenate([low, low + rng.integers(20, 200, (1000, 2))], axis=1).astype(np.float32)
    for labels in (rng.integers(0, 1203, 1000), np.full(1000, 1202), np.zeros(1000, np.int64)):
        check(engine, [(boxes, np.linspace(1, 0.1, 1000, dtype=np.float32), labels)], 1000, 0.61)


@pytest.mark.parametrize("opset", [OPSET, 18, 21])
def test_the_graph_is_valid_at_every_opset_and_keeps_what_it_had(opset):
    before = shortlist_graph(opset)
    kept = before.SerializeToString()
    model = suppression.append(before)
    assert before.SerializeToString() == kept
    onnx.checker.check_model(model, full_check=True)
    assert model.ir_version == IR_VERSION
    assert [entry.version for entry in model.opset_import] == [opset]
    assert {entry.key: entry.value for entry in model.metadata_props} == {"wordbox": "{}"}
    assert {value.name for value in model.graph.output} == ending.OUTPUTS | suppression.OUTPUTS
    assert {value.name for value in model.graph.input} - {value.name for value in before.graph.input} == suppression.INPUTS
