"""YOLO-World's head: YOLOv8's towers, but what a cell shows is a vector, and its product with a word's a logit."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from wordbox.networks.blocks import MOMENTUM, ConvNorm, style_of
from wordbox.networks.contrastive_head import best_phrases
from wordbox.networks.distribution_head import CANVAS, DepthwisePair, Tower
from wordbox.specs import YoloWorldSpec

START_SCALE = {"v1": math.log(1 / 0.07), "v2": -1.0}
"""Logarithm of what products are multiplied by, before training (spec yolo-world.md, trap 4)."""
START_WORDS = 80
"""Words for which first guesses of scores are set (trap 5)."""
LEAST = 1e-12
"""The least length that a vector is divided by (section 1.6)."""


class YoloWorldHead(nn.Module):
    """Raw maps of YOLO-World: 4 R channels of distances (left, top, right, bottom; R bins each), then a logit a word or label.

    Version 2 with words folded in is YOLOv8's head, with a class a phrase. A label's logit is the largest of its phrases'.
    """

    def __init__(self, spec: YoloWorldSpec) -> None:
        super().__init__()
        style, head, widths = style_of(spec), spec.head, spec.widths[-len(spec.strides) :]
        compares = spec.version == "v1" or not spec.phrases
        outputs = spec.embedding if compares else sum(spec.phrases)
        pair = DepthwisePair if head.depthwise else ConvNorm
        self.box = nn.ModuleList(Tower(ConvNorm, width, head.box_width, 4 * head.bins, style) for width in widths)
        self.label = nn.ModuleList(Tower(pair, width, head.label_width, outputs, style) for width in widths)
        self.contrast = nn.ModuleList(Contrast(spec) for _ in widths) if compares else None
        self.bins = nn.Parameter(torch.arange(head.bins, dtype=torch.float32).reshape(1, -1, 1, 1), requires_grad=False)
        self.phrases = spec.phrases
        self._start(spec)

    def forward(self, levels: list[Tensor], words: Tensor | None, words_mask: Tensor | None = None) -> list[Tensor]:
        """Levels (B, C, h, w), finest first, and `words` (B or 1, K, D) of any length to raw maps (B, 4 R + K, h, w).

        Where `words_mask` (B or 1, K) is False, the logit is minus infinity. With words folded in, K are the labels.
        """
        found = []
        for i, x in enumerate(levels):
            logits = self.label[i](x)
            if self.contrast is not None:
                logits = self.contrast[i](logits, words)
            if words_mask is not None:
                logits = logits.masked_fill(~words_mask[:, :, None, None], -torch.inf)
            found.append(torch.cat([self.box[i](x), best_phrases(logits, self.phrases)], 1))
        return found

    @torch.no_grad()
    def _start(self, spec: YoloWorldSpec) -> None:
        """Begin with 5 objects a picture (section 1.6)."""
        for i, stride in enumerate(spec.strides):
            cells = (CANVAS / stride) ** 2
            self.get_parameter(f"box.{i}.predict.bias").fill_(1)
            if self.contrast is None:
                self.get_parameter(f"label.{i}.predict.bias").fill_(math.log(5 / sum(spec.phrases) / cells))
            else:
                self.get_parameter(f"label.{i}.predict.bias").fill_(0)
                self.get_parameter(f"contrast.{i}.offset").fill_(math.log(5 / START_WORDS / cells))


class Contrast(nn.Module):
    """Vectors of cells and words compared. Version 1 gives both the length 1, version 2 words alone, and cells a BatchNorm."""

    def __init__(self, spec: YoloWorldSpec) -> None:
        super().__init__()
        self.norm: nn.Module | None = nn.BatchNorm2d(spec.embedding, spec.norm_epsilon, MOMENTUM) if spec.version == "v2" else None
        self.scale = nn.Parameter(torch.tensor(START_SCALE[spec.version]))
        self.offset = nn.Parameter(torch.tensor(0.0))

    def forward(self, cells: Tensor, words: Tensor) -> Tensor:
        """Cells (B, D, h, w) and `words` (B or 1, K, D) to logits (B, K, h, w)."""
        shown = unit(cells, 1) if self.norm is None else self.norm(cells)
        alike = unit(words, 2) @ shown.flatten(2)  # (B, K, h w)
        found: Tensor = torch.unflatten(alike, 2, cells.shape[2:]) * self.scale.exp() + self.offset
        return found


def unit(x: Tensor, axis: int) -> Tensor:
    """`x` with vectors of length 1 along `axis`, in float32 at least, since half precision has no number as small as LEAST."""
    return normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=axis, eps=LEAST)
