"""YOLOv5's head: one 1x1 convolution a level says, at each cell and anchor, a box, its objectness and a score a class."""

import math

import torch
from torch import Tensor, nn

from wordbox.specs import Anchors

CANVAS = 640
"""Side of the canvas, in pixels, for which first guesses of scores are set."""


class AnchorHead(nn.Module):
    """Raw maps of YOLOv5; channel a (5 + K) + k is number k of anchor a: 4 of the box, objectness, K classes."""

    def __init__(self, widths: tuple[int, ...], classes: int, anchors: Anchors, strides: tuple[int, ...]) -> None:
        """`widths` are the channels of each level."""
        super().__init__()
        self.predict = nn.ModuleList(nn.Conv2d(width, len(anchors[0]) * (5 + classes), 1) for width in widths)
        self._start(len(anchors[0]), classes, strides)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels (B, C, h, w), finest first, to raw maps (B, A (5 + K), h, w)."""
        return [predict(x) for predict, x in zip(self.predict, levels, strict=True)]

    @torch.no_grad()
    def _start(self, anchors: int, classes: int, strides: tuple[int, ...]) -> None:
        """Begin with few objects a picture: 8 of them, 0.6 a class (spec yolov5-yolov8.md, section 1.10; Focal Loss, section 3.3)."""
        for predict, stride in zip(self.predict, strides, strict=True):
            bias = predict.get_parameter("bias").view(anchors, 5 + classes)
            bias[:, 4] += math.log(8 / (CANVAS / stride) ** 2)
            bias[:, 5:] += math.log(0.6 / (classes - 0.99999))
