"""YOLO-World's gated stage: words decide, cell by cell, how much of a picture's features goes on (max-sigmoid attention).

Source: YOLO-World (Cheng et al., 2024), section 3.3; spec yolo-world.md, sections 1.6 and 5.3.
"""

import math
from dataclasses import dataclass

import numpy as np

from wordbox.graphs.blocks import concatenate, convolution
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.csp import bottleneck, halves
from wordbox.graphs.pen import Pen, conv_norm, folded
from wordbox.specs import GATE_HEAD


@dataclass(frozen=True)
class Words:
    """Words as every gate takes them."""

    vectors: str
    """(B or 1, K, D)."""
    hidden: str
    """(B or 1, K, 1, 33): in the last channel minus infinity where a word is masked, zeros elsewhere."""


def words_with_mask(graph: GraphBuilder, vectors: str, mask: str) -> Words:
    """`vectors` (B or 1, K, D) for gates that pass over the words whose `mask` (B or 1, K) is False."""
    column = graph.op("Where", mask, graph.constant(0), graph.constant(-np.inf))
    last = graph.op("Unsqueeze", column, graph.integers(2, 3))
    return Words(vectors, graph.op("Pad", last, graph.integers(0, 0, 0, GATE_HEAD, 0, 0, 0, 0), graph.constant(0)))


def c2f_gated(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int, words: Words | int, embedding: int) -> str:
    """C2f without shortcuts, and behind it the last bottleneck's output once more, gated by `words`: T-CSP, "C2fAttn".

    `words` are an input of the graph, or how many are folded into the gate. `embedding` is the width of their vectors.
    """
    width = c_out // 2
    parts = halves(pen, conv_norm(pen, x, f"{name}.split", c_in, 2 * width), width)
    for j in range(repeats):
        parts.append(bottleneck(pen, parts[-1], f"{name}.blocks.{j}", width, 3, shortcut=False))
    gate, last = f"{name}.gate", parts[-1]
    if isinstance(words, int):
        best = _folded_likeness(pen, last, gate, width, words)
    else:
        best = _likeness(pen, last, gate, width, words, embedding)
    parts.append(_gated(pen, last, gate, width, best))
    return conv_norm(pen, concatenate(pen.graph, *parts), f"{name}.join", (3 + repeats) * width, c_out)


def _gated(pen: Pen, x: str, name: str, width: int, best: str) -> str:
    """x (B, C, H, W) through a 3x3 convolution, times the sigmoid of how alike its best word is: `best` (B, m, H W)."""
    graph, heads = pen.graph, width // GATE_HEAD
    kernel, bias = folded(pen, pen.weights.take(f"{name}.project.conv.weight", width, width, 3, 3), f"{name}.project")
    projected = convolution(graph, x, kernel, bias, f"{name}.project")
    open_wide = graph.op("Sigmoid", graph.op("Add", best, graph.constant(pen.weights.take(f"{name}.bias", heads)[:, None])))
    sliced = graph.op("Reshape", projected, graph.integers(0, heads, GATE_HEAD, -1))
    return graph.op("Reshape", graph.op("Mul", sliced, graph.op("Unsqueeze", open_wide, graph.integers(2))), graph.op("Shape", projected))


def _likeness(pen: Pen, x: str, name: str, width: int, words: Words, embedding: int) -> str:
    """(B, m, H W): the largest product of each head's slice of a cell with a word's, over the words that are not masked.

    The mask is a further channel of the product: adding it afterwards would be a pass over words times cells.
    """
    graph, heads = pen.graph, width // GATE_HEAD
    guide = pen.weights.take(f"{name}.guide.weight", width, embedding) / math.sqrt(GATE_HEAD)
    bias = pen.weights.take(f"{name}.guide.bias", width) / math.sqrt(GATE_HEAD)
    room = [(0, 0), (0, 1)]  # for the mask, behind each head's slice
    weight = np.pad(guide.reshape(heads, GATE_HEAD, embedding), [*room, (0, 0)]).reshape(-1, embedding)
    spread = graph.op("MatMul", words.vectors, graph.constant(np.ascontiguousarray(weight.T), name=f"{name}.guide.weight"))
    spread = graph.op("Add", spread, graph.constant(np.pad(bias.reshape(heads, GATE_HEAD), room).reshape(-1), name=f"{name}.guide.bias"))
    spread = graph.op("Add", graph.op("Reshape", spread, graph.integers(0, 0, heads, GATE_HEAD + 1)), words.hidden)
    slices = graph.op("Reshape", x, graph.integers(0, heads, GATE_HEAD, -1))
    slices = graph.op("Pad", slices, graph.integers(0, 0, 0, 0, 0, 0, 1, 0), graph.constant(1))  # (B, m, 33, H W)
    return graph.maximum(graph.op("MatMul", graph.op("Transpose", spread, perm=[0, 2, 1, 3]), slices), 2)


def _folded_likeness(pen: Pen, x: str, name: str, width: int, words: int) -> str:
    """The same where `words` are folded in: one filter a word and head (section 5.3)."""
    graph, heads = pen.graph, width // GATE_HEAD
    filters = pen.weights.take(f"{name}.words", words, width) / math.sqrt(GATE_HEAD)
    kernel = filters.reshape(words, heads, GATE_HEAD).transpose(1, 0, 2).reshape(heads * words, GATE_HEAD, 1, 1)
    products = convolution(
        graph, x, np.ascontiguousarray(kernel, np.float32), np.zeros(heads * words, np.float32), f"{name}.words", groups=heads
    )
    return graph.maximum(graph.op("Reshape", products, graph.integers(0, heads, words, -1)), 2)
