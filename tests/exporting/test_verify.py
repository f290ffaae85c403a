"""Verification sees what is wrong with an export, and nothing where nothing is."""

import json

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from wordbox.errors import InputError
from wordbox.exporting.verify import KEY, Verified, verify
from wordbox.graphs import suppression


def changed(graph, name, change):
    """A copy of `graph` with one stored array changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(graph)
    stored = next(stored for stored in copy.graph.initializer if stored.name.startswith(name))
    stored.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(stored).copy()), stored.name))
    return copy


def compare(packaged, graph):
    check = packaged.check()
    return verify(check.reference, check.against, packaged.engine(graph), check.over, check.sources)


def test_the_same_graph_is_no_distance_away(packaged):
    verified = compare(packaged, packaged.graph)
    assert (verified.boxes, verified.scores, verified.unmatched, verified.promised) == (0.0, 0.0, 0, True)
    assert verified.compared > 100


@pytest.mark.parametrize("name", ["backbone.stem", "head.stem", "head.distance"])
def test_weights_a_thousandth_off_are_found_out(packaged, name):
    off = changed(packaged.graph, name, lambda array: (array * np.float32(1.001)).astype(np.float32))
    verified = compare(packaged, off)
    assert not verified.promised
    assert verified.boxes > 0.01 or verified.scores > 0.001
    assert verified.compared > 100


def test_suppression_that_keeps_too_much_or_too_little_is_found_out(packaged):
    good = suppression.append(packaged.graph)
    assert compare(packaged, good).promised
    wrong = onnx.ModelProto()
    wrong.CopyFrom(good)
    node = next(node for node in wrong.graph.node if node.op_type == "NonMaxSuppression")
    fixed = numpy_helper.from_array(np.array([0.05], np.float32), "too_low")
    wrong.graph.initializer.append(fixed)
    node.input[3] = fixed.name
    assert compare(packaged, wrong).unmatched > 0


def test_photos_are_needed(packaged):
    check = packaged.check()
    with pytest.raises(InputError, match="no photo"):
        verify(check.reference, "x", packaged.engine(), check.over, [])


def test_the_promise_is_a_hundredth_of_a_pixel_and_a_thousandth_in_score():
    def verified(boxes=0.0, scores=0.0, unmatched=0):
        return Verified(boxes=boxes, scores=scores, unmatched=unmatched, compared=9, photos=2, engine="a", against="b")

    assert verified(0.01, 0.001).promised
    assert not verified(boxes=0.0101).promised
    assert not verified(scores=0.00101).promised
    assert not verified(unmatched=1).promised
    assert json.loads(verified().to_metadata()[KEY])["photos"] == 2
