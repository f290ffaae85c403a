"""wordbox-nano, drawn: NanoDet-G's trunk (spec nano.md, section 2) under YOLO-World's contrastive head.

images ── scale ── stem ── pool ── stage ── stage ── stage ── stage        backbone
                                      8 │     16 │     32 │
                                     1x1        1x1       1x1              neck: sums down, sums up
                                     3x3        3x3       3x3              head: words ▸ logits, distances ▸ boxes
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from wordbox.graphs import ending
from wordbox.graphs.blocks import convolution, kernel_and_bias, leaky_relu, max_pool
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.fold import fold_scaling
from wordbox.graphs.heads import (
    RegionEmbedding,
    RegionNames,
    best_phrases,
    closed_logits,
    contrastive_logits,
    distance_logits,
    region_embedding,
)
from wordbox.graphs.necks import add_both_ways
from wordbox.graphs.weights import Weights
from wordbox.specs import NanoSpec, Stage, is_open

MEAN = (123.675, 116.28, 103.53)  # RGB; what NanoDet-G was trained with (spec nano.md, section 2)
DEVIATION = (58.395, 57.12, 57.375)


def draw(spec: NanoSpec, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], where: str) -> onnx.ModelProto:
    """The deployed graph of wordbox-nano; its inputs and outputs stand in `ending`.

    Raises WeightsError with the names of all arrays that are missing, misshapen or unexpected in `where`.
    """
    graph, weights = GraphBuilder(), Weights(arrays, where)
    images = ending.image_input(graph)
    inputs = ending.word_inputs(graph, spec.embedding) if is_open(spec) else None
    limits = ending.limit_inputs(graph)

    features = trunk(graph, weights, centred(graph, images), spec, scaled=False)
    if inputs is None:
        names = [f"head.label.{i}" for i in range(len(features))]
        logits = best_phrases(graph, closed_logits(graph, weights, features, names, spec.neck, sum(spec.phrases)), spec.phrases)
    else:
        logits = contrastive_logits(graph, features, _regions(weights, spec), *inputs)
    names = [f"head.distance.{i}" for i in range(len(features))]
    distances = distance_logits(graph, weights, features, names, spec.neck, spec.bins)
    weights.finish()

    points, strides = ending.grid(graph, images, spec.strides, spec.point)

    def decode(cells: str) -> str:
        return ending.distances_to_boxes(graph, distances, points, strides, cells, range(spec.bins))

    ending.shortlist(graph, logits, decode, limits, sigmoid=True)
    return graph.model(metadata, "wordbox-nano")


def _regions(weights: Weights, spec: NanoSpec) -> list[RegionEmbedding]:
    parts = ("region", "norm", "scale", "offset")
    named = [RegionNames(**{part: f"head.{part}.{i}" for part in parts}) for i in range(len(spec.strides))]
    return [region_embedding(weights, names, spec.neck, spec.embedding, spec.norm_epsilon) for names in named]


def centred(graph: GraphBuilder, images: str) -> str:
    """uint8 RGB canvases (B, H, W, 3) as float32 (B, 3, H, W), minus the mean colour."""
    floats = graph.op("Transpose", graph.cast(images, np.float32), perm=[0, 3, 1, 2])
    return graph.op("Sub", floats, graph.constant(np.reshape(MEAN, (1, 3, 1, 1))))


def trunk(graph: GraphBuilder, weights: Weights, x: str, spec: NanoSpec, *, scaled: bool) -> list[str]:
    """Head features (B, neck, h, w) a level, finest first.

    `scaled` says that x is BGR divided by its deviation, as the published network takes it; otherwise x is RGB minus the mean,
    and the rest is folded into the first kernel.
    """
    levels = neck(graph, weights, backbone(graph, weights, x, spec, scaled=scaled), spec)
    features = []
    for i, level in enumerate(levels):
        name = f"head.stem.{i}"
        mixed = convolution(graph, level, *kernel_and_bias(weights, name, spec.neck, spec.neck, 3), name)
        features.append(leaky_relu(graph, mixed, spec.leak))
    return features


def backbone(graph: GraphBuilder, weights: Weights, x: str, spec: NanoSpec, *, scaled: bool) -> list[str]:
    """Features at the strides of the spec, finest first."""
    kernel, bias = kernel_and_bias(weights, "backbone.stem", 3, spec.stem, 3)
    if not scaled:
        kernel = fold_scaling(kernel, DEVIATION, swap_channels=True)
    x = leaky_relu(graph, convolution(graph, x, kernel, bias, "backbone.stem", stride=2), spec.leak)
    x = max_pool(graph, x, side=3, stride=2)
    found, c_in = [], spec.stem
    for i, numbers in enumerate(spec.stages):
        x = stage(graph, weights, x, f"backbone.stages.{i}", c_in, numbers, spec.leak)
        found.append(x)
        c_in = 2 * numbers.width
    return found[-len(spec.strides) :]


def stage(graph: GraphBuilder, weights: Weights, x: str, name: str, c_in: int, numbers: Stage, leak: float) -> str:
    """One stage: (B, c_in, H, W) to (B, 2 width, H / stride, W / stride)."""

    def layer(x: str, part: str, c_in: int, c_out: int, stride: int = 1) -> str:
        parameters = kernel_and_bias(weights, f"{name}.{part}", c_in, c_out, 3)
        return leaky_relu(graph, convolution(graph, x, *parameters, f"{name}.{part}", stride), leak)

    width = numbers.width
    entry = layer(x, "entry", c_in, width, numbers.stride)
    y = entry
    for i in range(numbers.blocks):
        reduced = layer(y, f"blocks.{i}.reduce", width, width // 2)
        y = graph.op("Concat", layer(reduced, f"blocks.{i}.expand", width // 2, width // 2), reduced, axis=1)
    return graph.op("Concat", layer(y, "exit", width, width), entry, axis=1)


def neck(graph: GraphBuilder, weights: Weights, levels: list[str], spec: NanoSpec) -> list[str]:
    """Levels of the backbone, brought to one width and mixed both ways."""
    lateral = []
    for i, (level, numbers) in enumerate(zip(levels, spec.stages[-len(levels) :], strict=True)):
        name = f"neck.lateral.{i}"
        lateral.append(convolution(graph, level, *kernel_and_bias(weights, name, 2 * numbers.width, spec.neck, 1), name))
    return add_both_ways(graph, lateral)
