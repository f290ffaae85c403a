"""Necks: features of several strides, mixed."""

from collections.abc import Sequence

from wordbox.graphs.blocks import halve_linear, upsample_linear
from wordbox.graphs.builder import GraphBuilder


def add_both_ways(graph: GraphBuilder, levels: Sequence[str]) -> list[str]:
    """Levels of equal width, finest first: each takes on its coarser neighbour, then its finer one (PAN with sums, no convolution)."""
    mixed = list(levels)
    for fine in range(len(mixed) - 2, -1, -1):
        mixed[fine] = graph.op("Add", mixed[fine], upsample_linear(graph, mixed[fine + 1]))
    for coarse in range(1, len(mixed)):
        mixed[coarse] = graph.op("Add", mixed[coarse], halve_linear(graph, mixed[coarse - 1]))
    return mixed
