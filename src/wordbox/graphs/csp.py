"""Stages that split their channels in two paths and join them: C3, BottleneckCSP, C2f, C2; and the pools SPP and SPPF.

Sources: Cross Stage Partial networks (Wang et al., 2019), spatial pyramid pooling (He et al., 2014); spec yolov5-yolov8.md,
sections 1.1 and 4.1.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wordbox.graphs.attention import transformer
from wordbox.graphs.blocks import concatenate, convolution, max_pool
from wordbox.graphs.fold import fold_norm
from wordbox.graphs.pen import Pen, activate, conv_norm, norm
from wordbox.specs import Activation


def bottleneck(pen: Pen, x: str, name: str, width: int, first: int, *, shortcut: bool) -> str:
    """Two convolutions, the first of side `first`, the second 3x3, and x added where there is a shortcut."""
    y = conv_norm(pen, x, f"{name}.first", width, width, first)
    y = conv_norm(pen, y, f"{name}.second", width, width, 3)
    return pen.graph.op("Add", x, y) if shortcut else y


def c3(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int, *, shortcut: bool) -> str:
    """YOLOv5's stage from v4.0: bottlenecks on one path, nothing on the other, joined by a 1x1 convolution."""
    width = c_out // 2
    main = conv_norm(pen, x, f"{name}.main", c_in, width)
    for j in range(repeats):
        main = bottleneck(pen, main, f"{name}.blocks.{j}", width, 1, shortcut=shortcut)
    side = conv_norm(pen, x, f"{name}.side", c_in, width)
    return conv_norm(pen, concatenate(pen.graph, main, side), f"{name}.join", 2 * width, c_out)


def c3_transformer(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int) -> str:
    """C3 with self-attention in place of the bottlenecks: C3TR."""
    width = c_out // 2
    main = transformer(pen, conv_norm(pen, x, f"{name}.main", c_in, width), f"{name}.transformer", width, repeats)
    side = conv_norm(pen, x, f"{name}.side", c_in, width)
    return conv_norm(pen, concatenate(pen.graph, main, side), f"{name}.join", 2 * width, c_out)


def bottleneck_csp(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int, joined: Activation, *, shortcut: bool) -> str:
    """YOLOv5's stage up to v3.1: bare 1x1 convolutions end both paths, and BatchNorm with the activation `joined` stands behind
    the concatenation (trap T1); it is folded into the two.
    """
    width, weights = c_out // 2, pen.weights
    main = conv_norm(pen, x, f"{name}.main", c_in, width)
    for j in range(repeats):
        main = bottleneck(pen, main, f"{name}.blocks.{j}", width, 1, shortcut=shortcut)
    end = weights.take(f"{name}.exit.weight", width, width, 1, 1)
    side = weights.take(f"{name}.side.weight", width, c_in, 1, 1)
    both, nothing, parts = norm(pen, f"{name}.norm", 2 * width), np.zeros(width, np.float32), []
    for start, source, kernel, called in ((0, main, end, "exit"), (width, x, side, "side")):
        own = slice(start, start + width)
        half = replace(both, weight=both.weight[own], bias=both.bias[own], mean=both.mean[own], variance=both.variance[own])
        parts.append(activate(pen, convolution(pen.graph, source, *fold_norm(kernel, nothing, half), f"{name}.{called}"), joined))
    return conv_norm(pen, concatenate(pen.graph, *parts), f"{name}.join", 2 * width, c_out)


def c2f(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int, *, shortcut: bool) -> str:
    """YOLOv8's stage: both halves and the output of every bottleneck are kept and joined (trap T11)."""
    width = c_out // 2
    parts = halves(pen, conv_norm(pen, x, f"{name}.split", c_in, 2 * width), width)
    for j in range(repeats):
        parts.append(bottleneck(pen, parts[-1], f"{name}.blocks.{j}", width, 3, shortcut=shortcut))
    return conv_norm(pen, concatenate(pen.graph, *parts), f"{name}.join", (2 + repeats) * width, c_out)


def c2(pen: Pen, x: str, name: str, c_in: int, c_out: int, repeats: int, *, shortcut: bool) -> str:
    """The stage in the necks of YOLOv8's P6 networks: bottlenecks on the first half."""
    width = c_out // 2
    main, side = halves(pen, conv_norm(pen, x, f"{name}.split", c_in, 2 * width), width)
    for j in range(repeats):
        main = bottleneck(pen, main, f"{name}.blocks.{j}", width, 3, shortcut=shortcut)
    return conv_norm(pen, concatenate(pen.graph, main, side), f"{name}.join", 2 * width, c_out)


def spp(pen: Pen, x: str, name: str, width: int, sides: Sequence[int]) -> str:
    """Pools of several windows beside each other, and what was pooled."""
    inner = width // 2
    x = conv_norm(pen, x, f"{name}.enter", width, inner)
    pooled = [max_pool(pen.graph, x, side, 1) for side in sides]
    return conv_norm(pen, concatenate(pen.graph, x, *pooled), f"{name}.join", (len(sides) + 1) * inner, width)


def sppf(pen: Pen, x: str, name: str, width: int, side: int) -> str:
    """One pool three times in series: of side 5, the same function as `spp` of 5, 9 and 13, sooner."""
    inner = width // 2
    parts = [conv_norm(pen, x, f"{name}.enter", width, inner)]
    for _ in range(3):
        parts.append(max_pool(pen.graph, parts[-1], side, 1))
    return conv_norm(pen, concatenate(pen.graph, *parts), f"{name}.join", 4 * inner, width)


def halves(pen: Pen, x: str, width: int) -> list[str]:
    """x (B, 2 C, H, W) cut into two of C channels."""
    return pen.graph.op_many("Split", x, pen.graph.integers(width, width), count=2, axis=1)
