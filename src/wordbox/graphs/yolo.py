"""YOLOv5 and YOLOv8 from canvas to shortlist: the drawing of each family under the ending that all deployed graphs share."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wordbox.graphs import ending, yolov5, yolov8
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.heads import anchor_maps, anchor_predictions, distribution_maps, distribution_predictions, distribution_towers
from wordbox.graphs.pen import Pen
from wordbox.graphs.weights import Weights
from wordbox.specs import AnchorHead, YoloSpec, Yolov5Spec, Yolov8Spec

Arrays = Mapping[str, NDArray[Any]]


def draw(
    spec: YoloSpec, arrays: Arrays, metadata: Mapping[str, str], where: str, called: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """The deployed graph of a YOLO; its inputs and outputs stand in `ending`.

    Raises WeightsError with all arrays that are missing, misshapen or unexpected in `where`, by the names that `called` gives them.
    """
    graph = GraphBuilder()
    pen = Pen.of(spec, graph, Weights(arrays, where, called))
    images = ending.image_input(graph)
    limits = ending.limit_inputs(graph)
    levels, widths, head = _trunk(pen, images, spec), spec.widths[-len(spec.strides) :], spec.head

    if isinstance(head, AnchorHead):
        anchors = len(head.anchors[0])
        boxes, objectness, logits = anchor_predictions(pen, levels, widths, anchors, spec.classes)
        pen.weights.finish()
        points, strides = ending.grid(graph, images, spec.strides, 0.5)
        priors = ending.priors(graph, images, spec.strides, head.anchors)

        def decode(rows: str) -> str:
            return ending.anchors_to_boxes(graph, boxes, points, strides, priors, rows, anchors)

        ending.shortlist(graph, logits, decode, limits, sigmoid=True, objectness=objectness)
    else:
        distances, logits = distribution_predictions(pen, distribution_towers(pen, levels, widths, head), head, spec.classes)
        ramp = pen.weights.take("head.bins", 1, head.bins, 1, 1).reshape(-1)
        pen.weights.finish()
        points, strides = ending.grid(graph, images, spec.strides, 0.5)

        def decode(rows: str) -> str:
            return ending.distances_to_boxes(graph, distances, points, strides, rows, ramp.tolist())

        ending.shortlist(graph, logits, decode, limits, sigmoid=True)
    return graph.model(metadata, spec.family)


def draw_raw(spec: YoloSpec, arrays: Arrays, where: str) -> onnx.ModelProto:
    """The network alone: `images` in, what its head says of each level out, as `level_0` and so on, finest first.

    (B, A (5 + K), h, w) with anchors, (B, 4 R + K, h, w) with distributions, in the published order of channels.
    """
    graph = GraphBuilder()
    pen = Pen.of(spec, graph, Weights(arrays, where))
    levels, widths, head = _trunk(pen, ending.image_input(graph), spec), spec.widths[-len(spec.strides) :], spec.head
    if isinstance(head, AnchorHead):
        maps = anchor_maps(pen, levels, widths, len(head.anchors[0]), spec.classes)
    else:
        maps = distribution_maps(pen, distribution_towers(pen, levels, widths, head), head, spec.classes)
        pen.weights.take("head.bins", 1, head.bins, 1, 1)
    pen.weights.finish()
    for i, level in enumerate(maps):
        graph.output(f"level_{i}", level, np.float32, ("B", "C", f"H{i}", f"W{i}"))
    return graph.model({}, spec.family)


def _trunk(pen: Pen, images: str, spec: YoloSpec) -> list[str]:
    """Features under the head. Canvases are cast and turned; their scaling is in the first kernel."""
    x = pen.graph.op("Transpose", pen.graph.cast(images, np.float32), perm=[0, 3, 1, 2])
    match spec:
        case Yolov5Spec():
            return yolov5.trunk(pen, x, spec)
        case Yolov8Spec():
            return yolov8.trunk(pen, x, spec)
