"""YOLOv5, YOLOv8 and YOLO-World from canvas to shortlist: the drawing of each family under the ending that all deployed graphs share."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wordbox.graphs import ending, yolo_world, yolov5, yolov8
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.heads import anchor_maps, anchor_predictions, distribution_maps, distribution_predictions, distribution_towers
from wordbox.graphs.pen import Pen
from wordbox.graphs.weights import Weights
from wordbox.specs import AnchorHead, DistributionHead, YoloSpec, Yolov5Spec, Yolov8Spec, YoloWorldSpec, is_open

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
    if isinstance(spec, YoloWorldSpec):
        words = ending.word_inputs(graph, spec.embedding) if is_open(spec) else (None, None)
        limits = ending.limit_inputs(graph)
        _end_with_distances(pen, spec, spec.head, images, limits, *yolo_world.predictions(pen, _floats(graph, images), spec, *words))
        return graph.model(metadata, spec.family)
    limits, head = ending.limit_inputs(graph), spec.head
    levels, widths = _trunk(pen, images, spec), spec.widths[-len(spec.strides) :]
    if isinstance(head, DistributionHead):
        towers = distribution_towers(pen, levels, widths, head)
        _end_with_distances(pen, spec, head, images, limits, *distribution_predictions(pen, towers, head, spec.classes))
    else:
        _end_with_anchors(pen, spec, head, images, limits, levels, widths)
    return graph.model(metadata, spec.family)


def draw_raw(spec: Yolov5Spec | Yolov8Spec, arrays: Arrays, where: str) -> onnx.ModelProto:
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


def _end_with_distances(
    pen: Pen, spec: YoloSpec, head: DistributionHead, images: str, limits: ending.Limits, distances: Sequence[str], logits: Sequence[str]
) -> None:
    """`distances` (B, n, 4 R) and `logits` (B, n, K) of each level become the outputs."""
    graph = pen.graph
    ramp = pen.weights.take("head.bins", 1, head.bins, 1, 1).reshape(-1)
    pen.weights.finish()
    points, strides = ending.grid(graph, images, spec.strides, 0.5)
    sides = graph.op("Concat", *distances, axis=1)

    def decode(rows: str) -> str:
        return ending.distances_to_boxes(graph, sides, points, strides, rows, ramp.tolist())

    ending.shortlist(graph, graph.op("Concat", *logits, axis=1), decode, limits, sigmoid=True)


def _end_with_anchors(
    pen: Pen, spec: YoloSpec, head: AnchorHead, images: str, limits: ending.Limits, levels: list[str], widths: Sequence[int]
) -> None:
    """What YOLOv5's head makes of its `levels` becomes the outputs."""
    graph, anchors = pen.graph, len(head.anchors[0])
    boxes, objectness, logits = anchor_predictions(pen, levels, widths, anchors, spec.classes)
    pen.weights.finish()
    points, strides = ending.grid(graph, images, spec.strides, 0.5)
    priors = ending.priors(graph, images, spec.strides, head.anchors)

    def decode(rows: str) -> str:
        return ending.anchors_to_boxes(graph, boxes, points, strides, priors, rows, anchors)

    ending.shortlist(graph, logits, decode, limits, sigmoid=True, objectness=objectness)


def _trunk(pen: Pen, images: str, spec: Yolov5Spec | Yolov8Spec) -> list[str]:
    """Features under the head."""
    x = _floats(pen.graph, images)
    match spec:
        case Yolov5Spec():
            return yolov5.trunk(pen, x, spec)
        case Yolov8Spec():
            return yolov8.trunk(pen, x, spec)


def _floats(graph: GraphBuilder, images: str) -> str:
    """Canvases cast and turned: (B, 3, H, W), values 0 to 255; their scaling is in the first kernel."""
    return graph.op("Transpose", graph.cast(images, np.float32), perm=[0, 3, 1, 2])
