"""YOLOv8, drawn.

images ── stem ── stage ── stage ── stage ── stage ── pool           backbone
                  4        8 │    16 │          32 │
                            cat ◂─up─ cat ◂─up────┤                  neck: down the pyramid
                            C2f ─3x3▸ cat C2f ─3x3▸ cat C2f                and up again
                             │         │             │
                           box and label towers a level              head
"""

from torch import Tensor, nn

from wordbox.networks.backbones import yolov8_backbone
from wordbox.networks.blocks import style_of
from wordbox.networks.distribution_head import DistributionHead
from wordbox.networks.necks import Yolov8Neck
from wordbox.specs import Yolov8Spec


class Yolov8(nn.Module):
    """YOLOv8 with three or four levels."""

    def __init__(self, spec: Yolov8Spec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone: nn.Module = yolov8_backbone(spec)
        self.neck: nn.Module = Yolov8Neck(spec)
        self.head: nn.Module = DistributionHead(spec.widths[-len(spec.strides) :], spec.classes, spec.head, spec.strides, style_of(spec))

    def forward(self, images: Tensor) -> list[Tensor]:
        """Raw maps (B, 4 R + K, h, w) of RGB `images` (B, 3, H, W), 0 to 1, finest level first."""
        found: list[Tensor] = self.head(self.neck(self.backbone(images)))
        return found
