"""YOLOv8's head: a level has one tower for the distances to a box's sides, as distributions, and one for the classes."""

import math

import torch
from torch import Tensor, nn

from wordbox import specs
from wordbox.networks.blocks import ConvNorm, Style

CANVAS = 640
"""Side of the canvas, in pixels, for which first guesses of scores are set."""


class DistributionHead(nn.Module):
    """Raw maps of YOLOv8: 4 R channels of distances (left, top, right, bottom; R bins each), then K of classes."""

    def __init__(self, widths: tuple[int, ...], classes: int, spec: specs.DistributionHead, strides: tuple[int, ...], style: Style) -> None:
        """`widths` are the channels of each level."""
        super().__init__()
        pair = DepthwisePair if spec.depthwise else ConvNorm
        self.box = nn.ModuleList(Tower(ConvNorm, width, spec.box_width, 4 * spec.bins, style) for width in widths)
        self.label = nn.ModuleList(Tower(pair, width, spec.label_width, classes, style) for width in widths)
        self.bins = nn.Parameter(torch.arange(spec.bins, dtype=torch.float32).reshape(1, -1, 1, 1), requires_grad=False)
        self._start(classes, strides)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels (B, C, h, w), finest first, to raw maps (B, 4 R + K, h, w)."""
        return [torch.cat([box(x), label(x)], 1) for box, label, x in zip(self.box, self.label, levels, strict=True)]

    @torch.no_grad()
    def _start(self, classes: int, strides: tuple[int, ...]) -> None:
        """Begin with 5 objects a picture (spec yolov5-yolov8.md, section 4.4)."""
        for box, label, stride in zip(self.box, self.label, strides, strict=True):
            box.get_parameter("predict.bias").fill_(1)
            label.get_parameter("predict.bias").fill_(math.log(5 / classes / (CANVAS / stride) ** 2))


class DepthwisePair(nn.Module):
    """A depthwise 3x3 convolution and a 1x1 one in place of a whole 3x3."""

    def __init__(self, c_in: int, c_out: int, side: int, *, style: Style) -> None:
        super().__init__()
        self.depth = ConvNorm(c_in, c_in, side, style=style, groups=c_in)
        self.point = ConvNorm(c_in, c_out, 1, style=style)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        found: Tensor = self.point(self.depth(x))
        return found


class Tower(nn.Module):
    """Two convolutions of one kind, then a 1x1 one that predicts."""

    def __init__(self, kind: type[ConvNorm] | type[DepthwisePair], c_in: int, width: int, c_out: int, style: Style) -> None:
        super().__init__()
        self.first = kind(c_in, width, 3, style=style)
        self.second = kind(width, width, 3, style=style)
        self.predict = nn.Conv2d(width, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        found: Tensor = self.predict(self.second(self.first(x)))
        return found
