"""YOLO-World, version 1 or 2, drawn.

images ── stem ── stage ── stage ── stage ── stage ── pool           backbone
                  4        8 │    16 │          32 │
                            cat ◂─up─ cat ◂─up────┤                  neck: down the pyramid,
words ──┬─────────────────▸ C2f       C2f          │                       with a gate in every C2f, which words open;
        ├── pooling ◂────────┼─────────┼───────────┤                       in version 1, words look at the picture
        └──────┴──────────▸  ├─3x3▸ cat C2f ─3x3▸ cat C2f                  and up again
                             │         │             │
                           box and label towers a level              head: labels' are compared with words as they came
"""

import torch
from torch import Tensor, nn

from wordbox.networks.backbones import yolov8_backbone
from wordbox.networks.necks import YoloWorldNeck
from wordbox.networks.yolo_world_head import YoloWorldHead, unit
from wordbox.specs import YoloWorldSpec


class YoloWorld(nn.Module):
    """YOLO-World with words as an input."""

    def __init__(self, spec: YoloWorldSpec) -> None:
        """`spec` has no phrases; BakedYoloWorld is for those that have."""
        super().__init__()
        self.spec = spec
        self.backbone: nn.Module = yolov8_backbone(spec)
        self.neck: nn.Module = YoloWorldNeck(spec)
        self.head: nn.Module = YoloWorldHead(spec)

    def forward(self, images: Tensor, words: Tensor, words_mask: Tensor | None = None) -> list[Tensor]:
        """Raw maps (B, 4 R + K, h, w) of RGB `images` (B, 3, H, W), 0 to 1, for `words` (B or 1, K, D), finest level first.

        Where `words_mask` (B or 1, K) is False, a word changes nothing and its logit is minus infinity.
        """
        found: list[Tensor] = self.head(self.neck(self.backbone(images), words, words_mask), words, words_mask)
        return found


class BakedYoloWorld(nn.Module):
    """YOLO-World with words folded in: into gates and head in version 2, where pooling forbids it, in version 1, beside them."""

    def __init__(self, spec: YoloWorldSpec) -> None:
        """`spec` has phrases."""
        super().__init__()
        self.spec = spec
        self.backbone: nn.Module = yolov8_backbone(spec)
        self.neck: nn.Module = YoloWorldNeck(spec)
        self.head: nn.Module = YoloWorldHead(spec)
        self.words = nn.Parameter(unit(torch.randn(spec.folded, spec.embedding), 1)) if spec.version == "v1" else None

    def forward(self, images: Tensor) -> list[Tensor]:
        """Raw maps (B, 4 R + K, h, w) of RGB `images` (B, 3, H, W), 0 to 1, finest level first, with a logit a label."""
        words = None if self.words is None else self.words[None]
        found = None if words is None else words[:, : sum(self.spec.phrases)]  # those of the background are in the gates alone
        maps: list[Tensor] = self.head(self.neck(self.backbone(images), words), found)
        return maps
