"""Attention: between the cells of a map, in YOLOv5's transformer variant, and of words to a picture, in YOLO-World's version 1."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_max_pool2d

from wordbox.networks.blocks import ConvNorm, Style
from wordbox.specs import GATE_HEAD

HEADS = 4
"""Heads of a transformer's attention (spec yolov5-yolov8.md, section 1.1)."""
PATCHES = 3
"""Patches a side that words look at (spec yolo-world.md, section 1.6)."""


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


class NormLinear(nn.Module):
    """A LayerNorm, then a linear layer."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(c_in)
        self.linear = nn.Linear(c_in, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """(..., c_in) to (..., c_out)."""
        found: Tensor = self.linear(self.norm(x))
        return found


class ImagePooling(nn.Module):
    """Words look at the largest of each patch of every level, and take on what they see (I-Pooling attention)."""

    def __init__(self, widths: Sequence[int], embedding: int, width: int) -> None:
        """`widths` are the channels of each level, `width` those inside, in heads of 32."""
        super().__init__()
        self.projections = nn.ModuleList(nn.Conv2d(c_in, width, 1) for c_in in widths)
        self.query = NormLinear(embedding, width)
        self.key = NormLinear(width, width)
        self.value = NormLinear(width, width)
        self.out = nn.Linear(width, embedding)

    def forward(self, words: Tensor, levels: Sequence[Tensor]) -> Tensor:
        """`words` (B or 1, K, D) and levels (B, C, h, w), finest first, to words (B, K, D); each word by itself."""
        patches = [adaptive_max_pool2d(project(x), PATCHES).flatten(2) for project, x in zip(self.projections, levels, strict=True)]
        x = torch.cat(patches, 2).transpose(1, 2)  # (B, T, width)
        q, k, v = heads(self.query(words)), heads(self.key(x)), heads(self.value(x))
        likely = (q @ k.transpose(2, 3) / GATE_HEAD**0.5).softmax(3)  # (B, heads, K, T)
        found: Tensor = words + self.out((likely @ v).transpose(1, 2).flatten(2))
        return found


def heads(x: Tensor) -> Tensor:
    """Tokens (B, T, C) to (B, heads, T, 32): consecutive channels are a head."""
    return torch.unflatten(x, 2, (-1, GATE_HEAD)).transpose(1, 2)
