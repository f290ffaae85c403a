"""Heads: what each cell says, as logits of words and as distances to the four sides of a box."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wordbox.graphs.blocks import cells_first, convolution, kernel_and_bias, scalar
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.fold import Norm, fold_norm
from wordbox.graphs.weights import FloatArray, Weights


@dataclass(frozen=True, eq=False)
class RegionEmbedding:
    """What turns a cell's features into a vector that words are compared with, its norm and scale folded in."""

    weight: FloatArray
    """(D, C)."""
    bias: FloatArray
    """(D,)."""
    offset: float
    """What is added to every logit of the level."""


def region_embedding(weights: Weights, level: int, c_in: int, width: int, epsilon: float) -> RegionEmbedding:
    """A level of YOLO-World's contrastive head, version 2: logit = exp(scale) * (norm(region x) . word) + offset."""
    kernel, bias = kernel_and_bias(weights, f"head.region.{level}", c_in, width, 1)
    gain, shift, mean, variance = (weights.take(f"head.norm.{level}.{part}", width) for part in ("weight", "bias", "mean", "variance"))
    norm = Norm(gain, shift, mean, variance, epsilon)
    kernel, bias = fold_norm(kernel, bias, norm)
    steep = np.exp(weights.take(f"head.scale.{level}").astype(np.float64))
    weight = (kernel.reshape(width, c_in) * steep).astype(np.float32)
    return RegionEmbedding(weight, (bias * steep).astype(np.float32), float(weights.take(f"head.offset.{level}")))


def contrastive_logits(graph: GraphBuilder, levels: Sequence[str], regions: Sequence[RegionEmbedding], words: str, mask: str) -> str:
    """Logits (B, N, K) of `words` (B or 1, K, D) at every cell of `levels`, minus infinity where `mask` (B or 1, K) is False.

    The words go through the region embedding first, x (W' t) instead of (W x) t: the same number, five times sooner at 80 words.
    """
    blocked = scalar(graph, -np.inf)
    shown = graph.op("Unsqueeze", mask, graph.integers(1))  # (B or 1, 1, K)
    found = []
    for i, (x, region) in enumerate(zip(levels, regions, strict=True)):
        folded = graph.op("MatMul", words, graph.constant(region.weight, name=f"head.region.{i}.weight"))  # (B or 1, K, C)
        bias = graph.op("MatMul", words, graph.constant(region.bias[:, None], name=f"head.region.{i}.bias"))  # (B or 1, K, 1)
        bias = graph.op("Add", graph.op("Transpose", bias, perm=[0, 2, 1]), scalar(graph, region.offset))
        similarity = graph.op("MatMul", cells_first(graph, x), graph.op("Transpose", folded, perm=[0, 2, 1]))
        found.append(graph.op("Add", similarity, graph.op("Where", shown, bias, blocked)))
    return graph.op("Concat", *found, axis=1)


def closed_logits(graph: GraphBuilder, weights: Weights, levels: Sequence[str], names: Sequence[str], c_in: int, classes: int) -> str:
    """Logits (B, N, K) of a fixed list of classes: one 1x1 convolution a level, called by `names`."""
    maps = [convolution(graph, x, *kernel_and_bias(weights, name, c_in, classes, 1), name) for x, name in zip(levels, names, strict=True)]
    return graph.op("Concat", *(cells_first(graph, x) for x in maps), axis=1)


def distance_logits(graph: GraphBuilder, weights: Weights, levels: Sequence[str], names: Sequence[str], c_in: int, bins: int) -> str:
    """Logits (B, N, 4 R) of each side's distance: left, top, right, bottom, R bins each."""
    return closed_logits(graph, weights, levels, names, c_in, 4 * bins)
