"""What is folded into weights before they are drawn: input scaling and norms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Norm:
    """A BatchNorm at rest: (C,) each, and its epsilon."""

    weight: FloatArray
    bias: FloatArray
    mean: FloatArray
    variance: FloatArray
    epsilon: float


def fold_norm(weight: FloatArray, bias: FloatArray, norm: Norm) -> tuple[FloatArray, FloatArray]:
    """Kernel (C, ...) and bias (C,) of a convolution with the BatchNorm behind it folded in, computed in float64."""
    gain = norm.weight.astype(np.float64) / np.sqrt(norm.variance.astype(np.float64) + norm.epsilon)
    folded = weight * gain.reshape(-1, *[1] * (weight.ndim - 1))
    return folded.astype(np.float32), (norm.bias + (bias - norm.mean) * gain).astype(np.float32)


def fold_scaling(weight: FloatArray, deviation: tuple[float, ...], *, swap_channels: bool) -> FloatArray:
    """Kernel (O, 3, h, w) that takes RGB minus its mean instead of (x - mean) / deviation.

    `deviation` is in RGB order. `swap_channels` says that the kernel was trained on BGR. The mean cannot be folded too:
    the border is padded with zeros *after* it was taken off.
    """
    rgb = weight[:, ::-1] if swap_channels else weight
    return np.ascontiguousarray(rgb / np.array(deviation).reshape(1, -1, 1, 1), np.float32)


def fold_focus(kernel: FloatArray) -> FloatArray:
    """The kernel (O, C, 6, 6) of stride 2 and padding 2 that does what Focus and its kernel (O, 4 C, 3, 3) do.

    Focus lays the four pixels of each 2 x 2 block on top of each other, by column and then by row: block dy + 2 dx
    (spec yolov5-yolov8.md, section 1.3).
    """
    c_out, stacked, side, _ = kernel.shape
    apart = kernel.reshape(c_out, 2, 2, stacked // 4, side, side)  # (O, dx, dy, C, a, b)
    return np.ascontiguousarray(apart.transpose(0, 3, 4, 2, 5, 1).reshape(c_out, stacked // 4, 2 * side, 2 * side))


def unfold_focus(kernel: FloatArray) -> FloatArray:
    """The other way: the kernel (O, 4 C, 3, 3) behind Focus for a kernel (O, C, 6, 6)."""
    c_out, c_in, side, _ = kernel.shape
    apart = kernel.reshape(c_out, c_in, side // 2, 2, side // 2, 2)  # (O, C, a, dy, b, dx)
    return np.ascontiguousarray(apart.transpose(0, 5, 3, 1, 2, 4).reshape(c_out, 4 * c_in, side // 2, side // 2))
