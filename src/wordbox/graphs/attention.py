"""Self-attention over the cells of a level, as YOLOv5's transformer variant has it (spec yolov5-yolov8.md, section 1.1).

Attention Is All You Need (Vaswani et al., 2017), section 3.2, without norms and without an activation between the linear layers.
"""

import math

import numpy as np

from wordbox.graphs.blocks import cells_first, scalar
from wordbox.graphs.pen import Pen
from wordbox.graphs.weights import FloatArray

HEADS = 4


def transformer(pen: Pen, x: str, name: str, width: int, layers: int) -> str:
    """(B, C, H, W), each cell a token: a learned position is added, then `layers` layers attend."""
    graph, weights = pen.graph, pen.weights
    shape = graph.op("Shape", x)
    tokens = cells_first(graph, x)  # (B, H W, C)
    position = weights.take(f"{name}.position.weight", width, width), weights.take(f"{name}.position.bias", width)
    tokens = graph.op("Add", tokens, _linear(pen, tokens, *position, f"{name}.position"))
    for j in range(layers):
        tokens = _layer(pen, tokens, f"{name}.layers.{j}", width)
    return graph.op("Reshape", graph.op("Transpose", tokens, perm=[0, 2, 1]), shape)


def _layer(pen: Pen, x: str, name: str, width: int) -> str:
    """Multi-head attention added to x, then two linear layers added to that."""
    graph, weights = pen.graph, pen.weights
    projected = [
        _linear(pen, x, weights.take(f"{name}.{part}.weight", width, width), None, f"{name}.{part}") for part in ("query", "key", "value")
    ]
    inward, bias = (
        weights.take(f"{name}.attention.in_proj_weight", 3 * width, width),
        weights.take(f"{name}.attention.in_proj_bias", 3 * width),
    )
    heads = []
    for i, part in enumerate(projected):
        own = slice(i * width, (i + 1) * width)
        flat = _linear(pen, part, inward[own], bias[own], f"{name}.attention.inward.{i}")
        apart = graph.op("Reshape", flat, graph.integers(0, 0, HEADS, width // HEADS))
        heads.append(graph.op("Transpose", apart, perm=[0, 2, 3, 1] if i == 1 else [0, 2, 1, 3]))
    query, key, value = heads  # (B, heads, T, C / heads), the keys transposed
    alike = graph.op("Mul", graph.op("MatMul", query, key), scalar(graph, 1 / math.sqrt(width // HEADS)))
    mixed = graph.op("Transpose", graph.op("MatMul", graph.op("Softmax", alike, axis=3), value), perm=[0, 2, 1, 3])
    outward = weights.take(f"{name}.attention.out_proj.weight", width, width), weights.take(f"{name}.attention.out_proj.bias", width)
    attended = _linear(pen, graph.op("Reshape", mixed, graph.integers(0, 0, width)), *outward, f"{name}.attention.out_proj")
    y = graph.op("Add", attended, x)
    first = _linear(pen, y, weights.take(f"{name}.first.weight", width, width), None, f"{name}.first")
    return graph.op("Add", _linear(pen, first, weights.take(f"{name}.second.weight", width, width), None, f"{name}.second"), y)


def _linear(pen: Pen, x: str, weight: FloatArray, bias: FloatArray | None, name: str) -> str:
    """x (B, T, I) times the transpose of `weight` (O, I), plus `bias` (O)."""
    graph = pen.graph
    product = graph.op("MatMul", x, graph.constant(np.ascontiguousarray(weight.T), name=f"{name}.weight"))
    return product if bias is None else graph.op("Add", product, graph.constant(bias, name=f"{name}.bias"))
