"""The blocks that YOLO networks are drawn from, each as its article draws it (spec yolov5-yolov8.md, sections 1.1 and 4.1)."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wordbox.specs import Activation, YoloSpec, Yolov5Spec

MOMENTUM = 0.03
"""Share of a new batch in the running statistics of every BatchNorm."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What all convolutions of a network have in common."""

    activation: Activation = "SiLU"
    csp_activation: Activation = "LeakyReLU"
    """The one behind the concatenation inside BottleneckCSP."""
    leak: float = 0.1
    """Slope of LeakyReLU below zero."""
    epsilon: float = 0.001
    """Epsilon of every BatchNorm."""


def style_of(spec: YoloSpec) -> Style:
    """The style that `spec` asks for."""
    csp = spec.csp_activation if isinstance(spec, Yolov5Spec) else spec.activation
    return Style(activation=spec.activation, csp_activation=csp, leak=spec.leak, epsilon=spec.norm_epsilon)


def activation(name: Activation, leak: float) -> nn.Module:
    """The activation called `name`; `leak` is the slope of LeakyReLU below zero."""
    match name:
        case "SiLU":
            return nn.SiLU()
        case "Hardswish":
            return nn.Hardswish()
        case "LeakyReLU":
            return nn.LeakyReLU(leak)
        case "Mish":
            return nn.Mish()
        case "ReLU":
            return nn.ReLU()


class ConvNorm(nn.Module):
    """Convolution without bias, BatchNorm, activation; padded so that stride 1 keeps the size of odd windows."""

    def __init__(self, c_in: int, c_out: int, side: int, stride: int = 1, *, style: Style, groups: int = 1, active: bool = True) -> None:
        """Without an activation where not `active`."""
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, side, stride, (side - 1) // 2, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(c_out, style.epsilon, MOMENTUM)
        self.act = activation(style.activation, style.leak) if active else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / stride, W / stride)."""
        found: Tensor = self.act(self.norm(self.conv(x)))
        return found


class Focus(nn.Module):
    """The four pixels of each 2 x 2 cell beside each other, then a 3x3 convolution; equal to one 6x6 convolution of stride 2."""

    def __init__(self, c_in: int, c_out: int, *, style: Style) -> None:
        super().__init__()
        self.conv = ConvNorm(4 * c_in, c_out, 3, style=style)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / 2, W / 2)."""
        upper, lower = x[..., ::2, :], x[..., 1::2, :]  # rows first: the pixels come as 00, 10, 01, 11
        found: Tensor = self.conv(torch.cat([upper[..., ::2], lower[..., ::2], upper[..., 1::2], lower[..., 1::2]], 1))
        return found


class Bottleneck(nn.Module):
    """Two convolutions, the second 3x3, and the input added where `shortcut`."""

    def __init__(self, width: int, *, first: int, shortcut: bool, style: Style) -> None:
        """`first` is the side of the first convolution: 1 in YOLOv5, 3 in YOLOv8."""
        super().__init__()
        self.first = ConvNorm(width, width, first, style=style)
        self.second = ConvNorm(width, width, 3, style=style)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        found: Tensor = self.second(self.first(x))
        return x + found if self.shortcut else found


class C3(nn.Module):
    """One path through bottlenecks, one past them, joined (YOLOv5 from v4.0)."""

    def __init__(self, c_in: int, c_out: int, repeats: int, *, shortcut: bool, style: Style) -> None:
        super().__init__()
        width = c_out // 2
        self.main = ConvNorm(c_in, width, 1, style=style)
        self.side = ConvNorm(c_in, width, 1, style=style)
        self.join = ConvNorm(2 * width, c_out, 1, style=style)
        self.blocks = nn.Sequential(*(Bottleneck(width, first=1, shortcut=shortcut, style=style) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        found: Tensor = self.join(torch.cat([self.blocks(self.main(x)), self.side(x)], 1))
        return found


class BottleneckCSP(nn.Module):
    """As C3, but both paths end in a bare 1x1 convolution and share the norm and activation behind the concatenation (to v3.1)."""

    def __init__(self, c_in: int, c_out: int, repeats: int, *, shortcut: bool, style: Style) -> None:
        super().__init__()
        width = c_out // 2
        self.main = ConvNorm(c_in, width, 1, style=style)
        self.exit = nn.Conv2d(width, width, 1, bias=False)
        self.side = nn.Conv2d(c_in, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(2 * width, style.epsilon, MOMENTUM)
        self.act = activation(style.csp_activation, style.leak)
        self.join = ConvNorm(2 * width, c_out, 1, style=style)
        self.blocks = nn.Sequential(*(Bottleneck(width, first=1, shortcut=shortcut, style=style) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        both = torch.cat([self.exit(self.blocks(self.main(x))), self.side(x)], 1)
        found: Tensor = self.join(self.act(self.norm(both)))
        return found


class C2f(nn.Module):
    """One convolution split in two halves, a chain of bottlenecks on the second, everything on the way joined (YOLOv8)."""

    def __init__(self, c_in: int, c_out: int, repeats: int, *, shortcut: bool, style: Style) -> None:
        super().__init__()
        width = c_out // 2
        self.split = ConvNorm(c_in, 2 * width, 1, style=style)
        self.join = ConvNorm((2 + repeats) * width, c_out, 1, style=style)
        self.blocks = nn.ModuleList(Bottleneck(width, first=3, shortcut=shortcut, style=style) for _ in range(repeats))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        found = list(self.split(x).chunk(2, 1))
        for block in self.blocks:
            found.append(block(found[-1]))
        joined: Tensor = self.join(torch.cat(found, 1))
        return joined


class C2(nn.Module):
    """One convolution split in two halves, bottlenecks on the first, both joined (YOLOv8's necks with four levels to stride 64)."""

    def __init__(self, c_in: int, c_out: int, repeats: int, *, shortcut: bool, style: Style) -> None:
        super().__init__()
        width = c_out // 2
        self.split = ConvNorm(c_in, 2 * width, 1, style=style)
        self.join = ConvNorm(2 * width, c_out, 1, style=style)
        self.blocks = nn.Sequential(*(Bottleneck(width, first=3, shortcut=shortcut, style=style) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        main, side = self.split(x).chunk(2, 1)
        found: Tensor = self.join(torch.cat([self.blocks(main), side], 1))
        return found


class SPP(nn.Module):
    """Max-pools of several sides beside each other, joined with what they pooled."""

    def __init__(self, width: int, sides: Sequence[int], *, style: Style) -> None:
        super().__init__()
        self.enter = ConvNorm(width, width // 2, 1, style=style)
        self.join = ConvNorm((1 + len(sides)) * (width // 2), width, 1, style=style)
        self.pools = nn.ModuleList(nn.MaxPool2d(side, 1, side // 2) for side in sides)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        x = self.enter(x)
        found: Tensor = self.join(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return found


class SPPF(nn.Module):
    """One max-pool three times in series, joined: what SPP does with sides 5, 9 and 13, sooner."""

    def __init__(self, width: int, side: int, *, style: Style) -> None:
        super().__init__()
        self.enter = ConvNorm(width, width // 2, 1, style=style)
        self.join = ConvNorm(4 * (width // 2), width, 1, style=style)
        self.pool = nn.MaxPool2d(side, 1, side // 2)

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        found = [self.enter(x)]
        for _ in range(3):
            found.append(self.pool(found[-1]))
        joined: Tensor = self.join(torch.cat(found, 1))
        return joined
