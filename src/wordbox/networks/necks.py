"""Necks: features of several strides mixed, down the pyramid and up again (PAN, with concatenations)."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from wordbox.networks.attention import ImagePooling
from wordbox.networks.blocks import C2, C3, BottleneckCSP, C2f, ConvNorm, style_of
from wordbox.networks.gates import C2fGated
from wordbox.specs import Yolov5Spec, Yolov8Spec, YoloWorldSpec


class Yolov5Neck(nn.Module):
    """YOLOv5's: a 1x1 convolution before each step down, whose output comes back on the way up."""

    def __init__(self, spec: Yolov5Spec) -> None:
        super().__init__()
        style, repeats = style_of(spec), spec.neck_repeats
        widths = spec.widths[-len(spec.strides) :]
        steps = list(pairwise(widths))
        csp = C3 if spec.csp == "C3" else BottleneckCSP
        self.reduce = nn.ModuleList(ConvNorm(coarse, fine, 1, style=style) for fine, coarse in steps)
        self.top_down = nn.ModuleList(csp(2 * fine, fine, repeats, shortcut=False, style=style) for fine, _ in steps)
        self.down = nn.ModuleList(ConvNorm(fine, fine, 3, 2, style=style) for fine, _ in steps)
        self.bottom_up = nn.ModuleList(csp(2 * fine, coarse, repeats, shortcut=False, style=style) for fine, coarse in steps)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels of the backbone, finest first, to as many of the same shapes."""
        x, reduced = levels[-1], list[Tensor]()
        for i in reversed(range(len(levels) - 1)):
            reduced.insert(0, self.reduce[i](x))
            x = self.top_down[i](torch.cat([doubled(reduced[0]), levels[i]], 1))
        found = [x]
        for down, csp, side in zip(self.down, self.bottom_up, reduced, strict=True):
            found.append(csp(torch.cat([down(found[-1]), side], 1)))
        return found


class Yolov8Neck(nn.Module):
    """YOLOv8's: no convolution before a step down."""

    def __init__(self, spec: Yolov8Spec) -> None:
        super().__init__()
        style, repeats = style_of(spec), spec.neck_repeats
        widths = spec.widths[-len(spec.strides) :]
        steps = list(pairwise(widths))
        csp = C2f if spec.neck_csp == "C2f" else C2
        self.top_down = nn.ModuleList(csp(coarse + fine, fine, repeats, shortcut=False, style=style) for fine, coarse in steps)
        self.down = nn.ModuleList(ConvNorm(fine, fine, 3, 2, style=style) for fine, _ in steps)
        self.bottom_up = nn.ModuleList(csp(fine + coarse, coarse, repeats, shortcut=False, style=style) for fine, coarse in steps)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels of the backbone, finest first, to as many of the same shapes."""
        inner = [levels[-1]]
        for i in reversed(range(len(levels) - 1)):
            inner.insert(0, self.top_down[i](torch.cat([doubled(inner[0]), levels[i]], 1)))
        found = [inner[0]]
        for down, csp, side in zip(self.down, self.bottom_up, inner[1:], strict=True):
            found.append(csp(torch.cat([down(found[-1]), side], 1)))
        return found


class YoloWorldNeck(nn.Module):
    """YOLO-World's (RepVL-PAN): YOLOv8's with gated stages; in version 1, words look at the picture between the ways."""

    def __init__(self, spec: YoloWorldSpec) -> None:
        super().__init__()
        style = style_of(spec)
        widths = spec.widths[-len(spec.strides) :]
        steps = list(pairwise(widths))
        self.top_down = nn.ModuleList(C2fGated(coarse + fine, fine, spec) for fine, coarse in steps)
        self.pooling = ImagePooling(widths, spec.embedding, spec.pooled_width) if spec.version == "v1" else None
        self.down = nn.ModuleList(ConvNorm(fine, fine, 3, 2, style=style) for fine, _ in steps)
        self.bottom_up = nn.ModuleList(C2fGated(fine + coarse, coarse, spec) for fine, coarse in steps)

    def forward(self, levels: list[Tensor], words: Tensor | None, words_mask: Tensor | None = None) -> list[Tensor]:
        """Levels of the backbone, finest first, to as many of the same shapes, with `words` (B or 1, K, D) in sight.

        No words where gates hold their own. Where `words_mask` (B or 1, K) is False, a word changes nothing.
        """
        inner = [levels[-1]]
        for i in reversed(range(len(levels) - 1)):
            inner.insert(0, self.top_down[i](torch.cat([doubled(inner[0]), levels[i]], 1), words, words_mask))
        if self.pooling is not None:
            words = self.pooling(words, inner)
        found = [inner[0]]
        for down, csp, side in zip(self.down, self.bottom_up, inner[1:], strict=True):
            found.append(csp(torch.cat([down(found[-1]), side], 1), words, words_mask))
        return found


def doubled(x: Tensor) -> Tensor:
    """(B, C, H, W) to (B, C, 2 H, 2 W): each cell becomes four."""
    return interpolate(x, scale_factor=2, mode="nearest")
