"""YOLO-World's image-pooling attention, version 1: words look at nine patches of each level and take on what they see there.

Source: YOLO-World (Cheng et al., 2024), section 3.3; spec yolo-world.md, traps 14 to 17 and section 1.6.
"""

import math
from collections.abc import Sequence

import numpy as np

from wordbox.graphs.blocks import convolution, kernel_and_bias
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.pen import Pen
from wordbox.specs import GATE_HEAD

PATCHES = 3
"""Rows and columns of patches a level."""
_EPSILON = 1e-5  # PyTorch's default, which the published networks keep


def pooled_words(pen: Pen, words: str, levels: Sequence[str], widths: Sequence[int], embedding: int, width: int) -> str:
    """`words` (B or 1, K, D) with what each sees of the picture added: (B, K, D).

    `levels` have `widths` channels; the attention has `width`, in heads of 32.
    """
    graph, name = pen.graph, "neck.pooling"
    patches = []
    for i, (level, c_in) in enumerate(zip(levels, widths, strict=True)):
        projected = convolution(graph, level, *kernel_and_bias(pen.weights, f"{name}.projections.{i}", c_in, width, 1), f"{name}.{i}")
        pooled = _pooled(graph, _pooled(graph, projected, 2), 3)
        patches.append(graph.op("Reshape", pooled, graph.integers(0, 0, -1)))
    seen = graph.op("Transpose", graph.op("Concat", *patches, axis=2), perm=[0, 2, 1])  # (B, 27, C)
    query = _heads(graph, _normed_linear(pen, words, f"{name}.query", embedding, width))
    key = _heads(graph, _normed_linear(pen, seen, f"{name}.key", width, width))
    value = _heads(graph, _normed_linear(pen, seen, f"{name}.value", width, width))
    products = graph.op("MatMul", query, graph.op("Transpose", key, perm=[0, 1, 3, 2]))
    shares = graph.op("Softmax", graph.op("Mul", products, graph.constant(1 / math.sqrt(GATE_HEAD))), axis=3)
    taken = graph.op("Transpose", graph.op("MatMul", shares, value), perm=[0, 2, 1, 3])
    joined = graph.op("Reshape", taken, graph.integers(0, 0, width))
    return graph.op("Add", _linear(pen, joined, f"{name}.out", width, embedding), words)


def _pooled(graph: GraphBuilder, x: str, axis: int) -> str:
    """The largest values of three stretches of `axis` of (B, C, H, W); they overlap where 3 does not divide it."""
    length, found = graph.dimension(x, axis), []
    for i in range(PATCHES):
        start = graph.op("Div", graph.op("Mul", length, graph.integers(i)), graph.integers(PATCHES))
        whole = graph.op("Add", graph.op("Mul", length, graph.integers(i + 1)), graph.integers(PATCHES - 1))
        part = graph.op("Slice", x, start, graph.op("Div", whole, graph.integers(PATCHES)), graph.integers(axis))
        found.append(graph.op("Unsqueeze", graph.maximum(part, axis), graph.integers(axis)))
    return graph.op("Concat", *found, axis=axis)


def _heads(graph: GraphBuilder, x: str) -> str:
    """(B, T, C) as (B, C / 32, T, 32)."""
    return graph.op("Transpose", graph.op("Reshape", x, graph.integers(0, 0, -1, GATE_HEAD)), perm=[0, 2, 1, 3])


def _normed_linear(pen: Pen, x: str, name: str, c_in: int, c_out: int) -> str:
    graph = pen.graph
    gain, shift = (pen.weights.take(f"{name}.norm.{part}", c_in) for part in ("weight", "bias"))
    centred = graph.op("Sub", x, graph.op("ReduceMean", x, axes=[-1]))
    variance = graph.op("ReduceMean", graph.op("Mul", centred, centred), axes=[-1])
    normed = graph.op("Div", centred, graph.op("Sqrt", graph.op("Add", variance, graph.constant(_EPSILON))))
    scaled = graph.op("Add", graph.op("Mul", normed, graph.constant(gain)), graph.constant(shift))
    return _linear(pen, scaled, f"{name}.linear", c_in, c_out)


def _linear(pen: Pen, x: str, name: str, c_in: int, c_out: int) -> str:
    weight, bias = pen.weights.take(f"{name}.weight", c_out, c_in), pen.weights.take(f"{name}.bias", c_out)
    product = pen.graph.op("MatMul", x, pen.graph.constant(np.ascontiguousarray(weight.T), name=f"{name}.weight"))
    return pen.graph.op("Add", product, pen.graph.constant(bias, name=f"{name}.bias"))
