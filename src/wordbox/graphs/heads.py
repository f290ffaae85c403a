"""Heads: what each cell says of words and of a box, as logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordbox.graphs.blocks import cells_first, convolution, kernel_and_bias, scalar
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.fold import Norm, fold_norm
from wordbox.graphs.pen import Pen, conv_norm
from wordbox.graphs.weights import FloatArray, Weights
from wordbox.specs import DistributionHead


@dataclass(frozen=True, eq=False)
class RegionEmbedding:
    """What turns a cell's features into a vector that words are compared with, its norm and scale folded in."""

    weight: FloatArray
    """(D, C)."""
    bias: FloatArray
    """(D,)."""
    offset: float
    """What is added to every logit of the level."""


@dataclass(frozen=True, kw_only=True)
class RegionNames:
    """What the arrays of a region embedding are called."""

    region: str
    norm: str
    scale: str
    offset: str


def region_embedding(weights: Weights, names: RegionNames, c_in: int, width: int, epsilon: float) -> RegionEmbedding:
    """A level of YOLO-World's contrastive head, version 2: logit = exp(scale) * (norm(region x) . word) + offset."""
    kernel, bias = kernel_and_bias(weights, names.region, c_in, width, 1)
    gain, shift, mean, variance = (weights.take(f"{names.norm}.{part}", width) for part in ("weight", "bias", "mean", "variance"))
    norm = Norm(gain, shift, mean, variance, epsilon)
    kernel, bias = fold_norm(kernel, bias, norm)
    steep = np.exp(weights.take(names.scale).astype(np.float64))
    weight = (kernel.reshape(width, c_in) * steep).astype(np.float32)
    return RegionEmbedding(weight, (bias * steep).astype(np.float32), float(weights.take(names.offset)))


def contrastive_logits(graph: GraphBuilder, levels: Sequence[str], regions: Sequence[RegionEmbedding], words: str, mask: str) -> str:
    """Logits (B, N, K) of `words` (B or 1, K, D) at every cell of `levels`, minus infinity where `mask` (B or 1, K) is False."""
    each = enumerate(zip(levels, regions, strict=True))
    found = [contrastive_scores(graph, cells_first(graph, x), region, words, mask, f"head.region.{i}") for i, (x, region) in each]
    return graph.op("Concat", *found, axis=1)


def contrastive_scores(graph: GraphBuilder, cells: str, region: RegionEmbedding, words: str, mask: str, name: str) -> str:
    """Logits (B, n, K) of `words` (B or 1, K, D) at `cells` (B, n, C), minus infinity where `mask` (B or 1, K) is False.

    The words go through the region embedding first, x (W' t) instead of (W x) t: the same number, five times sooner at 80 words.
    Bias and mask are a further channel of the product: adding them afterwards would be a pass over words times cells.
    """
    c_in = region.weight.shape[1]
    both = np.concatenate([region.weight, region.bias[:, None]], 1)  # (D, C + 1)
    folded = graph.op("MatMul", words, graph.constant(both, name=f"{name}.weight"))
    column = graph.op("Where", mask, scalar(graph, region.offset), scalar(graph, -np.inf))
    column = graph.op("Unsqueeze", column, graph.integers(2))
    folded = graph.op("Add", folded, graph.op("Pad", column, graph.integers(0, 0, c_in, 0, 0, 0), scalar(graph, 0)))
    ones = graph.op("Pad", cells, graph.integers(0, 0, 0, 0, 0, 1), scalar(graph, 1))
    return graph.op("MatMul", ones, graph.op("Transpose", folded, perm=[0, 2, 1]))


def best_phrases(graph: GraphBuilder, logits: str, phrases: Sequence[int]) -> str:
    """(B, n, P) of phrases as (B, n, K) of labels, each by its best one; `phrases` says how many each label has."""
    if all(count == 1 for count in phrases):
        return logits
    most, ends = max(phrases), np.cumsum(phrases)
    rows = [[end - count + min(j, count - 1) for j in range(most)] for end, count in zip(ends, phrases, strict=True)]
    return graph.maximum(graph.op("Gather", logits, graph.constant(rows, np.int64), axis=2), 3)


def closed_logits(graph: GraphBuilder, weights: Weights, levels: Sequence[str], names: Sequence[str], c_in: int, classes: int) -> str:
    """Logits (B, N, K) of a fixed list of classes: one 1x1 convolution a level, called by `names`."""
    maps = [convolution(graph, x, *kernel_and_bias(weights, name, c_in, classes, 1), name) for x, name in zip(levels, names, strict=True)]
    return graph.op("Concat", *(cells_first(graph, x) for x in maps), axis=1)


def distance_logits(graph: GraphBuilder, weights: Weights, levels: Sequence[str], names: Sequence[str], c_in: int, bins: int) -> str:
    """Logits (B, N, 4 R) of each side's distance: left, top, right, bottom, R bins each."""
    return closed_logits(graph, weights, levels, names, c_in, 4 * bins)


def cell_scores(graph: GraphBuilder, cells: str, kernel: FloatArray, bias: FloatArray, name: str) -> str:
    """A 1x1 convolution (O, C, 1, 1) on cells (B, n, C) that stand first: (B, n, O), without turning the result round."""
    weight = np.ascontiguousarray(kernel.reshape(kernel.shape[:2]).T)
    product = graph.op("MatMul", cells, graph.constant(weight, name=f"{name}.weight"))
    return graph.op("Add", product, graph.constant(bias, name=f"{name}.bias"))


def anchor_predictions(pen: Pen, levels: Sequence[str], widths: Sequence[int], anchors: int, classes: int) -> tuple[str, str, str]:
    """YOLOv5's head: boxes (B, N, 4), objectness (B, N) and classes (B, N, K), all logits, a row each cell and anchor.

    Section 1.10 of spec yolov5-yolov8.md; the published convolution is taken apart, so that each part stays whole in memory.
    """
    graph = pen.graph
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for i, (level, width) in enumerate(zip(levels, widths, strict=True)):
        name = f"head.predict.{i}"
        kernel, bias = kernel_and_bias(pen.weights, name, width, anchors * (5 + classes), 1)
        kernels, biases = kernel.reshape(anchors, 5 + classes, width), bias.reshape(anchors, 5 + classes)
        cells = cells_first(graph, level)
        for part, own, called in zip(parts, (slice(4), slice(4, 5), slice(5, None)), ("box", "objectness", "classes"), strict=True):
            depth = kernels[0, own].shape[0]
            flat = kernels[:, own].reshape(anchors * depth, width, 1, 1), biases[:, own].reshape(-1)
            found = cell_scores(graph, cells, *flat, f"{name}.{called}")
            shape = graph.integers(0, -1) if called == "objectness" else graph.integers(0, -1, depth)
            part.append(graph.op("Reshape", found, shape))
    boxes, objectness, labels = (graph.op("Concat", *part, axis=1) for part in parts)
    return boxes, objectness, labels


def anchor_maps(pen: Pen, levels: Sequence[str], widths: Sequence[int], anchors: int, classes: int) -> list[str]:
    """The same as published: (B, A (5 + K), h, w) a level."""
    named = [(level, f"head.predict.{i}", width) for i, (level, width) in enumerate(zip(levels, widths, strict=True))]
    out = anchors * (5 + classes)
    return [convolution(pen.graph, x, *kernel_and_bias(pen.weights, name, width, out, 1), name) for x, name, width in named]


def distribution_towers(pen: Pen, levels: Sequence[str], widths: Sequence[int], head: DistributionHead) -> list[tuple[str, str]]:
    """YOLOv8's two towers a level, before their last convolution (section 4.4): features for the box and for the classes."""
    towers = []
    for i, (level, width) in enumerate(zip(levels, widths, strict=True)):
        box, label = level, level
        for part, c_in in (("first", width), ("second", head.box_width)):
            box = conv_norm(pen, box, f"head.box.{i}.{part}", c_in, head.box_width, 3)
        for part, c_in in (("first", width), ("second", head.label_width)):
            name = f"head.label.{i}.{part}"
            if head.depthwise:
                label = conv_norm(pen, label, f"{name}.depth", c_in, c_in, 3, depthwise=True)
                label = conv_norm(pen, label, f"{name}.point", c_in, head.label_width)
            else:
                label = conv_norm(pen, label, name, c_in, head.label_width, 3)
        towers.append((box, label))
    return towers


def distribution_predictions(
    pen: Pen, towers: Sequence[tuple[str, str]], head: DistributionHead, classes: int
) -> tuple[list[str], list[str]]:
    """Distances (B, n, 4 R) and classes (B, n, K) of the cells of each level, as logits."""
    graph = pen.graph
    distances: list[str] = []
    labels: list[str] = []
    for i, (box, label) in enumerate(towers):
        for found, x, width, out, name in (
            (distances, box, head.box_width, 4 * head.bins, f"head.box.{i}.predict"),
            (labels, label, head.label_width, classes, f"head.label.{i}.predict"),
        ):
            found.append(cell_scores(graph, cells_first(graph, x), *kernel_and_bias(pen.weights, name, width, out, 1), name))
    return distances, labels


def distribution_maps(pen: Pen, towers: Sequence[tuple[str, str]], head: DistributionHead, classes: int) -> list[str]:
    """The same as published: (B, 4 R + K, h, w) a level."""
    maps = []
    for i, (box, label) in enumerate(towers):
        distances = kernel_and_bias(pen.weights, f"head.box.{i}.predict", head.box_width, 4 * head.bins, 1)
        scores = kernel_and_bias(pen.weights, f"head.label.{i}.predict", head.label_width, classes, 1)
        parts = [
            convolution(pen.graph, box, *distances, f"head.box.{i}.predict"),
            convolution(pen.graph, label, *scores, f"head.label.{i}.predict"),
        ]
        maps.append(pen.graph.op("Concat", *parts, axis=1))
    return maps
