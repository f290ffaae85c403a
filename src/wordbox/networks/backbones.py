"""Backbones: a picture becomes features at strides 4, 8, 16 and so on."""

from collections.abc import Sequence

from torch import Tensor, nn

from wordbox.networks.attention import C3TR
from wordbox.networks.blocks import C3, SPP, SPPF, BottleneckCSP, C2f, ConvNorm, Focus, style_of
from wordbox.specs import Yolov5Spec, Yolov8Spec, YoloWorldSpec


class Stage(nn.Module):
    """Half the size, then a CSP block."""

    def __init__(self, down: nn.Module, csp: nn.Module) -> None:
        super().__init__()
        self.down = down
        self.csp = csp

    def forward(self, x: Tensor, between: nn.Module | None = None) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H / 2, W / 2), through `between` before the CSP block where given."""
        x = self.down(x)
        found: Tensor = self.csp(x if between is None else between(x))
        return found


class Backbone(nn.Module):
    """Stem, stages and pools."""

    def __init__(self, stem: nn.Module, stages: Sequence[Stage], pool: nn.Module, *, levels: int, pool_first: bool = False) -> None:
        """`levels` is how many of the stages give features. With `pool_first` the pools come before the last CSP block, else behind it."""
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.pool = pool
        self.levels = levels
        self.pool_first = pool_first

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of `images` (B, 3, H, W), finest first."""
        x = self.stem(images)
        found = []
        for stage in self.stages[:-1]:
            x = stage(x)
            found.append(x)
        last = self.stages[-1]
        found.append(last(x, self.pool) if self.pool_first else self.pool(last(x)))
        return found[-self.levels :]


def yolov5_backbone(spec: Yolov5Spec) -> Backbone:
    """YOLOv5's: CSPDarknet with the stem, blocks and pools of its generation."""
    style, last = style_of(spec), spec.widths[-1]
    first = spec.widths[0]
    stem = Focus(3, first, style=style) if spec.stem == "focus" else ConvNorm(3, first, 6, 2, style=style)
    stages = []
    for i, repeats in enumerate(spec.repeats):
        c_in, c_out = spec.widths[i : i + 2]
        is_last = i == len(spec.repeats) - 1
        if spec.transformer and is_last:
            csp: nn.Module = C3TR(c_out, c_out, repeats, style=style)
        else:
            block = C3 if spec.csp == "C3" else BottleneckCSP
            csp = block(c_out, c_out, repeats, shortcut=not (is_last and spec.pool_first), style=style)
        stages.append(Stage(ConvNorm(c_in, c_out, 3, 2, style=style), csp))
    pool = SPPF(last, spec.pool_sides[0], style=style) if spec.pool == "SPPF" else SPP(last, spec.pool_sides, style=style)
    return Backbone(stem, stages, pool, levels=len(spec.strides), pool_first=spec.pool_first)


def yolov8_backbone(spec: Yolov8Spec | YoloWorldSpec) -> Backbone:
    """YOLOv8's, which YOLO-World has too."""
    style = style_of(spec)
    stages = []
    for i, repeats in enumerate(spec.repeats):
        c_in, c_out = spec.widths[i : i + 2]
        stages.append(Stage(ConvNorm(c_in, c_out, 3, 2, style=style), C2f(c_out, c_out, repeats, shortcut=True, style=style)))
    stem = ConvNorm(3, spec.widths[0], 3, 2, style=style)
    return Backbone(stem, stages, SPPF(spec.widths[-1], spec.pool_sides[0], style=style), levels=len(spec.strides))
