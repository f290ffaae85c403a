"""The smallest pieces that networks are drawn from."""

from typing import Any

import numpy as np

from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.weights import FloatArray, Weights


def convolution(
    graph: GraphBuilder,
    x: str,
    kernel: FloatArray,
    bias: FloatArray,
    name: str,
    stride: int = 1,
    *,
    padding: int | None = None,
    groups: int = 1,
) -> str:
    """(B, C, H, W) through a square kernel (O, C / groups, k, k), padded so that stride 1 keeps the size unless told otherwise."""
    side = kernel.shape[2]
    return graph.op(
        "Conv",
        x,
        graph.constant(kernel, name=f"{name}.weight"),
        graph.constant(bias, name=f"{name}.bias"),
        kernel_shape=[side, side],
        strides=[stride, stride],
        pads=[side // 2 if padding is None else padding] * 4,
        group=groups,
    )


def kernel_and_bias(weights: Weights, name: str, c_in: int, c_out: int, side: int) -> tuple[FloatArray, FloatArray]:
    """Kernel (c_out, c_in, side, side) and bias (c_out,) of the convolution called `name`."""
    return weights.take(f"{name}.weight", c_out, c_in, side, side), weights.take(f"{name}.bias", c_out)


def leaky_relu(graph: GraphBuilder, x: str, leak: float) -> str:
    """x where positive, `leak` times x elsewhere."""
    return graph.op("LeakyRelu", x, alpha=leak)


def max_pool(graph: GraphBuilder, x: str, side: int, stride: int) -> str:
    """The largest value of each window; the border counts as minus infinity."""
    return graph.op("MaxPool", x, kernel_shape=[side, side], strides=[stride, stride], pads=[side // 2] * 4)


def upsample_linear(graph: GraphBuilder, x: str) -> str:
    """Twice the size, bilinear, half-pixel centres."""
    scales = graph.constant([1, 1, 2, 2])
    return graph.op("Resize", x, "", scales, mode="linear", coordinate_transformation_mode="half_pixel")


def halve_linear(graph: GraphBuilder, x: str) -> str:
    """Half the size, bilinear with half-pixel centres: there, exactly the mean of each 2 x 2 cells."""
    return graph.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])


def upsample_nearest(graph: GraphBuilder, x: str) -> str:
    """Twice the size, each cell four times."""
    scales = graph.constant([1, 1, 2, 2])
    return graph.op("Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def concatenate(graph: GraphBuilder, *parts: str) -> str:
    """The channels of all parts, in order."""
    return graph.op("Concat", *parts, axis=1)


def cells_first(graph: GraphBuilder, x: str) -> str:
    """(B, C, H, W) as (B, H W, C): one row a cell."""
    rows = graph.op("Reshape", x, graph.integers(0, 0, -1))
    return graph.op("Transpose", rows, perm=[0, 2, 1])


def scalar(graph: GraphBuilder, value: Any, dtype: Any = np.float32) -> str:
    """A 0-d constant."""
    return graph.constant(value, dtype)
