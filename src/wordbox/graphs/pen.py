"""What every block of a YOLO is drawn with, and the block they all consist of: convolution, BatchNorm, activation."""

from dataclasses import dataclass

import numpy as np

from wordbox.graphs.blocks import convolution
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.fold import Norm, fold_focus, fold_norm
from wordbox.graphs.weights import FloatArray, Weights
from wordbox.specs import Activation, YoloSpec

_PIXEL = 255.0  # networks see 0 to 1, canvases hold 0 to 255


@dataclass(frozen=True, eq=False)
class Pen:
    """A graph, the arrays it takes, and what is the same in every block of the network."""

    graph: GraphBuilder
    weights: Weights
    activation: Activation
    leak: float
    epsilon: float

    @classmethod
    def of(cls, spec: YoloSpec, graph: GraphBuilder, weights: Weights) -> "Pen":
        """The pen that the spec asks for."""
        return cls(graph, weights, spec.activation, spec.leak, spec.norm_epsilon)


def conv_norm(
    pen: Pen,
    x: str,
    name: str,
    c_in: int,
    c_out: int,
    side: int = 1,
    stride: int = 1,
    *,
    depthwise: bool = False,
) -> str:
    """Convolution without bias, BatchNorm folded into it, activation: "Conv" of the published tables (section 1.1)."""
    kernel = pen.weights.take(f"{name}.conv.weight", c_out, 1 if depthwise else c_in, side, side)
    kernel, bias = folded(pen, kernel, name)
    groups = c_in if depthwise else 1
    return activate(pen, convolution(pen.graph, x, kernel, bias, f"{name}.conv", stride, groups=groups))


def stem(pen: Pen, x: str, name: str, c_out: int, kind: str) -> str:
    """The first convolution, which halves the picture (B, 3, H, W) of values 0 to 255; their scaling is folded into it.

    `kind` is "small" (3x3), "conv" (6x6 with padding 2), or "focus", which is drawn as the 6x6 convolution that it equals.
    """
    if kind == "focus":
        kernel, name = fold_focus(pen.weights.take(f"{name}.conv.conv.weight", c_out, 12, 3, 3)), f"{name}.conv"
    else:
        side = 6 if kind == "conv" else 3
        kernel = pen.weights.take(f"{name}.conv.weight", c_out, 3, side, side)
    kernel, bias = folded(pen, kernel, name)
    padding = 1 if kind == "small" else 2
    return activate(pen, convolution(pen.graph, x, (kernel / _PIXEL).astype(np.float32), bias, f"{name}.conv", 2, padding=padding))


def folded(pen: Pen, kernel: FloatArray, name: str) -> tuple[FloatArray, FloatArray]:
    """Kernel and bias with the BatchNorm of the block `name` folded in."""
    return fold_norm(kernel, np.zeros(len(kernel), np.float32), norm(pen, f"{name}.norm", len(kernel)))


def norm(pen: Pen, name: str, channels: int) -> Norm:
    """The BatchNorm called `name`."""
    gain, shift, mean, variance = (pen.weights.take(f"{name}.{part}", channels) for part in ("weight", "bias", "mean", "variance"))
    return Norm(gain, shift, mean, variance, pen.epsilon)


def activate(pen: Pen, x: str, activation: Activation | None = None) -> str:
    """x through `activation`, the network's own where None."""
    graph = pen.graph
    match activation or pen.activation:
        case "SiLU":
            return graph.op("Mul", x, graph.op("Sigmoid", x))
        case "Hardswish":
            return graph.op("HardSwish", x)
        case "LeakyReLU":
            return graph.op("LeakyRelu", x, alpha=pen.leak)
        case "Mish":
            return graph.op("Mul", x, graph.op("Tanh", graph.op("Softplus", x)))
        case "ReLU":
            return graph.op("Relu", x)
