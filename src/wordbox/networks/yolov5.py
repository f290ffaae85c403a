"""YOLOv5 of any generation, drawn.

images ── stem ── stage ── stage ── stage ── stage ── pool           backbone
                  4        8 │    16 │          32 │
                            cat ◂─up─ cat ◂─up─── 1x1                neck: down the pyramid
                             CSP ─3x3▸ cat CSP ─3x3▸ cat CSP               and up again
                             │         │             │
                            1x1       1x1           1x1              head
"""

from torch import Tensor, nn

from wordbox import specs
from wordbox.networks.anchor_head import AnchorHead
from wordbox.networks.backbones import yolov5_backbone
from wordbox.networks.blocks import style_of
from wordbox.networks.distribution_head import DistributionHead
from wordbox.networks.necks import Yolov5Neck


class Yolov5(nn.Module):
    """YOLOv5; with a DistributionHead in its spec, YOLOv5u."""

    def __init__(self, spec: specs.Yolov5Spec) -> None:
        super().__init__()
        self.spec = spec
        self.backbone: nn.Module = yolov5_backbone(spec)
        self.neck: nn.Module = Yolov5Neck(spec)
        self.head: nn.Module = yolov5_head(spec)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Raw maps of RGB `images` (B, 3, H, W), 0 to 1, finest level first; AnchorHead or DistributionHead says their channels."""
        found: list[Tensor] = self.head(self.neck(self.backbone(images)))
        return found


def yolov5_head(spec: specs.Yolov5Spec) -> nn.Module:
    """The head that `spec` names."""
    widths = spec.widths[-len(spec.strides) :]
    match spec.head:
        case specs.AnchorHead(anchors=anchors):
            return AnchorHead(widths, spec.classes, anchors, spec.strides)
        case specs.DistributionHead():
            return DistributionHead(widths, spec.classes, spec.head, spec.strides, style_of(spec))
