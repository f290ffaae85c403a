"""CLIP's text tower, drawn: token ids in, unit vectors out (Radford et al., 2021; spec yolo-world.md, sections 2.1 and 2.3).

tokens ── embed ── + position ── layers ── at the end token ── norm ── project ── unit length
                                   │
        x + attention(norm x), causal ── x + reduce(quick-GELU(expand(norm x)))
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from wordbox.graphs.blocks import scalar
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.weights import FloatArray, Weights
from wordbox.specs import ClipTextSpec

KEY = "wordbox.text"
"""Metadata of an exported tower: one JSON with its version, identity, spec and precision."""
Store = Literal["float32", "float16", "int8"]
"""How matrices are kept in the file. The graph computes in float32 with any of them, so a prompt's vector depends on no other prompt."""

_QUICK = 1.702  # the slope that makes a sigmoid look like GELU's (Hendrycks and Gimpel, 2016)
_LEAST_LENGTH = 1e-12


def draw(
    spec: ClipTextSpec, arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str], where: str, *, store: Store = "float32"
) -> onnx.ModelProto:
    """The tower as a graph: `tokens` int64 (P, T), T up to the context, to `vectors` float32 (P, D) of unit length.

    A prompt ends at its first end token; what stands behind it changes nothing. Raises WeightsError with the names of all arrays
    that are missing, misshapen or unexpected in `where`.
    """
    tower = _Tower(GraphBuilder(), Weights(arrays, where), spec, store)
    graph = tower.graph
    tokens = graph.input("tokens", np.int64, ("P", "T"))
    length = graph.dimension(tokens, 1)
    position = graph.constant(tower.weights.take("positions.weight", spec.context, spec.width), name="positions.weight")
    begin = graph.integers(0)
    x = graph.op("Add", tower.embedded(tokens), graph.op("Slice", position, begin, length, begin))  # (P, T, W)
    later = np.triu(np.full((spec.context, spec.context), -np.inf, np.float32), 1)
    mask = graph.op("Slice", graph.constant(later, name="later"), graph.integers(0, 0), _twice(graph, length), graph.integers(0, 1))
    for i in range(spec.layers):
        x = tower.layer(x, mask, f"layers.{i}")
    x = tower.norm(_at_end(graph, x, tokens, spec.tokens - 1), "norm")  # (P, W)
    x = tower.linear(x, "project", spec.width, spec.projection, bias=False)
    tower.weights.finish()
    size = graph.op("Sqrt", graph.op("ReduceSum", graph.op("Mul", x, x), graph.integers(1), keepdims=1))
    unit = graph.op("Div", x, graph.op("Max", size, scalar(graph, _LEAST_LENGTH)))
    graph.output("vectors", unit, np.float32, ("P", spec.projection))
    return graph.model(metadata, "clip-text")


def _at_end(graph: GraphBuilder, x: str, tokens: str, end: int) -> str:
    """(P, T, W) at each prompt's first `end`, as (P, W)."""
    ends = graph.cast(graph.op("Equal", tokens, graph.constant(end, np.int64)), np.int32)
    return graph.op("GatherND", x, graph.op("ArgMax", ends, axis=1, keepdims=1, select_last_index=0), batch_dims=1)


def _twice(graph: GraphBuilder, length: str) -> str:
    return graph.op("Concat", length, length, axis=0)


@dataclass(frozen=True, eq=False)
class _Tower:
    """The graph, its arrays, and how they are kept."""

    graph: GraphBuilder
    weights: Weights
    spec: ClipTextSpec
    store: Store

    def embedded(self, tokens: str) -> str:
        """(P, T) as (P, T, W); the rows are taken first and made float32 then."""
        table = self.weights.take("tokens.weight", self.spec.tokens, self.spec.width)
        kept, scale = stored(table, self.store)
        graph, name = self.graph, "tokens.weight"
        rows = graph.op("Gather", graph.constant(kept, kept.dtype, name), tokens, axis=0)
        if self.store != "float32":
            rows = graph.cast(rows, np.float32)
        return rows if scale is None else graph.op("Mul", rows, graph.op("Gather", graph.constant(scale, name=f"{name}.scale"), tokens))

    def layer(self, x: str, mask: str, name: str) -> str:
        """Attention and two linear layers, each behind its norm and added to x (P, T, W)."""
        graph, width = self.graph, self.spec.width
        x = graph.op("Add", x, self.attention(self.norm(x, f"{name}.first_norm"), mask, name))
        wide = self.linear(self.norm(x, f"{name}.second_norm"), f"{name}.expand", width, 4 * width)
        wide = graph.op("Mul", wide, graph.op("Sigmoid", graph.op("Mul", wide, scalar(graph, _QUICK))))
        return graph.op("Add", x, self.linear(wide, f"{name}.reduce", 4 * width, width))

    def attention(self, x: str, mask: str, name: str) -> str:
        """Each token looks at itself and those before it: (P, T, W) to (P, T, W)."""
        graph, heads, width = self.graph, self.spec.heads, self.spec.width
        each = width // heads
        apart = graph.integers(0, 0, heads, each)
        parts = []
        for part, order in (("query", [0, 2, 1, 3]), ("key", [0, 2, 3, 1]), ("value", [0, 2, 1, 3])):
            flat = self.linear(x, f"{name}.{part}", width, width)
            parts.append(graph.op("Transpose", graph.op("Reshape", flat, apart), perm=order))
        query, key, value = parts  # (P, heads, T, each), the keys transposed
        alike = graph.op("Mul", graph.op("MatMul", query, key), scalar(graph, 1 / math.sqrt(each)))
        mixed = graph.op("MatMul", graph.op("Softmax", graph.op("Add", alike, mask), axis=3), value)
        joined = graph.op("Reshape", graph.op("Transpose", mixed, perm=[0, 2, 1, 3]), graph.integers(0, 0, width))
        return self.linear(joined, f"{name}.out", width, width)

    def norm(self, x: str, name: str) -> str:
        """LayerNorm over the last axis."""
        graph, width = self.graph, self.spec.width
        parameters = [graph.constant(self.weights.take(f"{name}.{part}", width), name=f"{name}.{part}") for part in ("weight", "bias")]
        return graph.op("LayerNormalization", x, *parameters, axis=-1, epsilon=self.spec.norm_epsilon)

    def linear(self, x: str, name: str, c_in: int, c_out: int, *, bias: bool = True) -> str:
        """x times the transpose of a matrix (c_out, c_in), plus a bias (c_out)."""
        graph = self.graph
        kept, scale = stored(self.weights.take(f"{name}.weight", c_out, c_in), self.store)
        matrix = graph.constant(np.ascontiguousarray(kept.T), kept.dtype, f"{name}.weight")
        if self.store != "float32":
            matrix = graph.cast(matrix, np.float32)
        if scale is not None:
            matrix = graph.op("Mul", matrix, graph.constant(scale.T, name=f"{name}.scale"))
        product = graph.op("MatMul", x, matrix)
        return graph.op("Add", product, graph.constant(self.weights.take(f"{name}.bias", c_out), name=f"{name}.bias")) if bias else product


def stored(matrix: FloatArray, store: Store) -> tuple[NDArray[Any], FloatArray | None]:
    """A matrix (O, I) as it is kept, and what each row (O, 1) is to be multiplied by where it is kept in int8."""
    match store:
        case "float32":
            return matrix, None
        case "float16":
            largest = np.finfo(np.float16).max
            return np.clip(matrix, -largest, largest).astype(np.float16), None
        case "int8":
            scale = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(127)
            scale[scale == 0] = 1
            with np.errstate(invalid="ignore"):  # what is not finite is reported when all is drawn
                return np.rint(matrix / scale).astype(np.int8), scale
