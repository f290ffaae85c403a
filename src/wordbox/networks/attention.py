"""Self-attention between the cells of a feature map: the last stage of YOLOv5's transformer variant."""

import torch
from torch import Tensor, nn

from wordbox.networks.blocks import ConvNorm, Style

HEADS = 4
"""Heads of every attention (spec yolov5-yolov8.md, section 1.1)."""


class TransformerLayer(nn.Module):
    """Attention and two linear layers, each added to its input; no norm and no activation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.attention = nn.MultiheadAttention(width, HEADS)
        self.first = nn.Linear(width, width, bias=False)
        self.second = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (T, B, width) to the same shape."""
        mixed, _ = self.attention(self.query(x), self.key(x), self.value(x), need_weights=False)
        x = x + mixed
        found: Tensor = x + self.second(self.first(x))
        return found


class Transformer(nn.Module):
    """The cells of a map as tokens, a learned function of each added as its position, then the layers."""

    def __init__(self, width: int, repeats: int) -> None:
        super().__init__()
        self.position = nn.Linear(width, width)
        self.layers = nn.Sequential(*(TransformerLayer(width) for _ in range(repeats)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        tokens = x.flatten(2).permute(2, 0, 1)  # (T, B, width)
        found: Tensor = self.layers(tokens + self.position(tokens))
        return found.permute(1, 2, 0).reshape(x.shape)


class C3TR(nn.Module):
    """As C3, with attention in place of bottlenecks."""

    def __init__(self, c_in: int, c_out: int, repeats: int, *, style: Style) -> None:
        super().__init__()
        width = c_out // 2
        self.main = ConvNorm(c_in, width, 1, style=style)
        self.side = ConvNorm(c_in, width, 1, style=style)
        self.join = ConvNorm(2 * width, c_out, 1, style=style)
        self.transformer = Transformer(width, repeats)

    def forward(self, x: Tensor) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W)."""
        found: Tensor = self.join(torch.cat([self.transformer(self.main(x)), self.side(x)], 1))
        return found
