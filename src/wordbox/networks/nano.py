"""wordbox-nano, drawn: NanoDet-G's trunk (spec nano.md, section 2) under YOLO-World's contrastive head.

images ── scale ── stem ── pool ── stage ── stage ── stage ── stage        backbone
                                      8 │     16 │     32 │
                                     1x1        1x1       1x1              neck: sums down, sums up
                                     3x3        3x3       3x3              head: words ▸ logits, distances
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, leaky_relu, max_pool2d

from wordbox.networks.contrastive_head import BakedHead, ContrastiveHead
from wordbox.specs import NanoSpec, Stage

MEAN = (103.53, 116.28, 123.675)  # BGR; what NanoDet-G was trained with (spec nano.md, section 2)
DEVIATION = (57.375, 57.12, 58.395)


class Nano(nn.Module):
    """wordbox-nano with words as an input."""

    def __init__(self, spec: NanoSpec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone: nn.Module = NanoBackbone(spec)
        self.neck: nn.Module = NanoNeck(spec)
        self.head: nn.Module = ContrastiveHead(spec)

    def forward(self, images: Tensor, words: Tensor, words_mask: Tensor | None = None) -> list[Tensor]:
        """Raw maps (B, 4 R + K, h, w) of RGB `images` (B, 3, H, W), 0 to 1, for `words` (B or 1, K, D), finest level first.

        Where `words_mask` (B or 1, K) is False, the logit is minus infinity.
        """
        found: list[Tensor] = self.head(self.neck(self.backbone(images)), words, words_mask)
        return found


class BakedNano(nn.Module):
    """wordbox-nano with words folded in."""

    def __init__(self, spec: NanoSpec) -> None:
        """`spec` has phrases."""
        super().__init__()
        self.spec = spec
        self.backbone: nn.Module = NanoBackbone(spec)
        self.neck: nn.Module = NanoNeck(spec)
        self.head: nn.Module = BakedHead(spec)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Raw maps (B, 4 R + K, h, w) of RGB `images` (B, 3, H, W), 0 to 1, finest level first, with a logit a label."""
        found: list[Tensor] = self.head(self.neck(self.backbone(images)))
        return found


class NanoBackbone(nn.Module):
    """NanoDet-G's: stem, pool, stages."""

    def __init__(self, spec: NanoSpec) -> None:
        super().__init__()
        widths = [spec.stem, *(2 * stage.width for stage in spec.stages)]
        self.stem = nn.Conv2d(3, spec.stem, 3, 2, 1)
        self.stages = nn.ModuleList(NanoStage(c_in, stage, spec.leak) for c_in, stage in zip(widths, spec.stages, strict=False))
        self.leak = spec.leak
        self.levels = len(spec.strides)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Features of RGB `images` (B, 3, H, W), 0 to 1, finest first."""
        x = leaky_relu(self.stem(scaled(images)), self.leak)
        x = max_pool2d(x, 3, 2, 1)
        found = []
        for stage in self.stages:
            x = stage(x)
            found.append(x)
        return found[-self.levels :]


class NanoStage(nn.Module):
    """A strided convolution, a chain of blocks, and both paths joined."""

    def __init__(self, c_in: int, spec: Stage, leak: float) -> None:
        super().__init__()
        self.entry = nn.Conv2d(c_in, spec.width, 3, spec.stride, 1)
        self.blocks = nn.Sequential(*(NanoBlock(spec.width, leak) for _ in range(spec.blocks)))
        self.exit = nn.Conv2d(spec.width, spec.width, 3, 1, 1)
        self.leak = leak

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, 2 width, H / stride, W / stride)."""
        entry = leaky_relu(self.entry(x), self.leak)
        return torch.cat([leaky_relu(self.exit(self.blocks(entry)), self.leak), entry], 1)


class NanoBlock(nn.Module):
    """Two convolutions of half the width, the second behind the first, side by side."""

    def __init__(self, width: int, leak: float) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(width, width // 2, 3, 1, 1)
        self.expand = nn.Conv2d(width // 2, width // 2, 3, 1, 1)
        self.leak = leak

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        reduced = leaky_relu(self.reduce(x), self.leak)
        return torch.cat([leaky_relu(self.expand(reduced), self.leak), reduced], 1)


class NanoNeck(nn.Module):
    """Levels brought to one width; each takes on its coarser neighbour, then its finer one (PAN with sums, no convolution)."""

    def __init__(self, spec: NanoSpec) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(2 * stage.width, spec.neck, 1) for stage in spec.stages[-len(spec.strides) :])

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels of the backbone, finest first, to as many of one width."""
        found: list[Tensor] = [lateral(x) for lateral, x in zip(self.lateral, levels, strict=True)]
        for fine in reversed(range(len(found) - 1)):
            found[fine] = found[fine] + interpolate(found[fine + 1], scale_factor=2, mode="bilinear", align_corners=False)
        for coarse in range(1, len(found)):
            found[coarse] = found[coarse] + avg_pool2d(found[coarse - 1], 2)  # bilinear to half the size
        return found


def scaled(images: Tensor) -> Tensor:
    """RGB `images` (B, 3, H, W), 0 to 1, as BGR less their mean in units of their deviation."""
    mean, deviation = (images.new_tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return (images.flip(1) * 255 - mean) / deviation
