"""Suppression inside the graph, for programs that run it without Wordbox: `wordbox export --nms graph`.

    in                                          out, as `ending` describes them, and
    iou  float32 ()  overlap above which        candidates  int64 (B)  how many entered suppression: the
         the lower of two boxes goes                        shortlist's `count` before it

It is greedy, exact and by label, with no clock, as `geometry.suppress` is: a box goes if a better one that stays has its label and
overlaps it by more than `iou`. What stays moves up, best first, and `count` is what stays; P is as before.
"""

import numpy as np
import onnx
from onnx import compose

from wordbox.graphs import ending
from wordbox.graphs.blocks import scalar
from wordbox.graphs.builder import GraphBuilder

INPUTS = {"iou"}
OUTPUTS = {"candidates"}

_BEFORE = "shortlist/"
_CHANGED = ("boxes", "scores", "labels", "count")


def append(model: onnx.ModelProto) -> onnx.ModelProto:
    """A deployed graph with suppression behind its shortlist, the other inputs, outputs and metadata as they are."""
    joined = onnx.ModelProto()
    joined.CopyFrom(model)
    _rename(joined.graph)
    opset = next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    # the names inside the two parts may be alike
    part = compose.add_prefix(_suppression(opset), "suppression/", rename_inputs=False, rename_outputs=False).graph
    joined.graph.node.extend(part.node)
    joined.graph.initializer.extend(part.initializer)
    joined.graph.input.extend(value for value in part.input if value.name in INPUTS)
    outputs = {value.name: value for value in (*model.graph.output, *part.output)}
    del joined.graph.output[:]
    joined.graph.output.extend(outputs[name] for name in [value.name for value in model.graph.output] + sorted(OUTPUTS))
    return joined


def _rename(graph: onnx.GraphProto) -> None:
    """Make room for our outputs: the shortlist's get names of their own."""
    taken = {name: f"{_BEFORE}{name}" for name in _CHANGED}
    for node in graph.node:
        for values in (node.input, node.output):
            for i, name in enumerate(values):
                values[i] = taken.get(name, name)


def _suppression(opset: int) -> onnx.ModelProto:
    """From the shortlist's outputs, under their new names, to ours."""
    graph = GraphBuilder(opset)
    boxes = graph.input(f"{_BEFORE}boxes", np.float32, ("B", "P", 4))
    scores = graph.input(f"{_BEFORE}scores", np.float32, ("B", "P"))
    labels = graph.input(f"{_BEFORE}labels", np.int64, ("B", "P"))
    count = graph.input(f"{_BEFORE}count", np.int64, ("B",))
    iou = graph.input("iou", np.float32, ())

    places = graph.dimension(labels, 1)
    numbers = graph.op("Range", scalar(graph, 0, np.int64), graph.op("Squeeze", places), scalar(graph, 1, np.int64))  # (P)
    stays = _stays(graph, boxes, labels, iou, places, numbers)  # (B, P) int64
    kept = graph.op("ReduceSum", stays, graph.integers(1), keepdims=0)

    # what stays, best first, then what goes: int64 numbers from P down to -P + 1, all different
    rank = graph.op("Sub", graph.op("Mul", stays, places), numbers)
    _, order = graph.op_many("TopK", rank, places, count=2, axis=1)
    real = graph.op("Less", numbers, graph.op("Unsqueeze", kept, graph.integers(1)))
    every = graph.op("Unsqueeze", real, graph.integers(2))
    graph.output("boxes", graph.op("Where", every, ending.gather_cells(graph, boxes, order), scalar(graph, 0)), np.float32, ("B", "P", 4))
    for name, value, nothing, dtype in (("scores", scores, 0, np.float32), ("labels", labels, -1, np.int64)):
        moved = graph.op("GatherElements", value, order, axis=1)
        graph.output(name, graph.op("Where", real, moved, scalar(graph, nothing, dtype)), dtype, ("B", "P"))
    graph.output("count", kept, np.int64, ("B",))
    graph.output("candidates", count, np.int64, ("B",))
    return graph.model({}, "suppression")


def _stays(graph: GraphBuilder, boxes: str, labels: str, iou: str, places: str, numbers: str) -> str:
    """1 where a box of the shortlist stays, 0 where it goes or is none: int64 (B, P).

    ONNX's own suppression, a class at a time: each label is a class of its own, so nothing has to be moved apart. Its scores are
    places counted from behind, which are all different, so that equal scores keep their order.
    """
    words = graph.op("Range", scalar(graph, 0, np.int64), graph.op("Squeeze", _labels_used(graph, labels)), scalar(graph, 1, np.int64))
    of_word = graph.op(
        "Equal", graph.op("Unsqueeze", labels, graph.integers(1)), graph.op("Unsqueeze", words, graph.integers(0, 2))
    )  # (B, K, P)
    behind = graph.cast(graph.op("Sub", places, numbers), np.float32)  # P to 1
    ranks = graph.op("Where", of_word, behind, scalar(graph, 0))
    chosen = graph.op("NonMaxSuppression", boxes, ranks, places, graph.op("Unsqueeze", iou, graph.integers(0)), graph.constant([0.5]))
    at = graph.op("Gather", chosen, graph.integers(0, 2), axis=1)  # picture and place
    ones = graph.op("Expand", scalar(graph, 1, np.int64), graph.dimension(at, 0))
    return graph.op("ScatterND", graph.op("Mul", labels, scalar(graph, 0, np.int64)), at, ones)


def _labels_used(graph: GraphBuilder, labels: str) -> str:
    """One more than the largest label, and at least 1."""
    most = graph.maximum(graph.op("Reshape", labels, graph.integers(1, -1)), 1)
    return graph.op("Max", graph.op("Add", most, scalar(graph, 1, np.int64)), graph.integers(1))
