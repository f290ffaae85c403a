"""YOLO-World's head, version 2, on one width: what a cell shows becomes a vector, and its product with a word's a logit."""

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from wordbox.networks.blocks import MOMENTUM
from wordbox.specs import NanoSpec


class ContrastiveHead(nn.Module):
    """Raw maps of wordbox-nano: 4 R channels of distances (left, top, right, bottom; R bins each), then a logit a word."""

    def __init__(self, spec: NanoSpec) -> None:
        super().__init__()
        levels, width, embedding = range(len(spec.strides)), spec.neck, spec.embedding
        self.stem = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in levels)
        self.region = nn.ModuleList(nn.Conv2d(width, embedding, 1) for _ in levels)
        epsilon = max(spec.norm_epsilon, torch.finfo(torch.float32).tiny)  # PyTorch to 2.11 refuses 0; this much changes no variance
        self.norm = nn.ModuleList(nn.BatchNorm2d(embedding, epsilon, MOMENTUM) for _ in levels)
        self.scale = nn.ParameterList(nn.Parameter(torch.tensor(0.0)) for _ in levels)
        self.offset = nn.ParameterList(nn.Parameter(torch.tensor(0.0)) for _ in levels)
        self.distance = nn.ModuleList(nn.Conv2d(width, 4 * spec.bins, 1) for _ in levels)
        self.leak = spec.leak

    def forward(self, levels: list[Tensor], words: Tensor, words_mask: Tensor | None = None) -> list[Tensor]:
        """Levels (B, C, h, w), finest first, and `words` (B or 1, K, D) to raw maps (B, 4 R + K, h, w).

        Where `words_mask` (B or 1, K) is False, the logit is minus infinity.
        """
        found = []
        for i, level in enumerate(levels):
            x = leaky_relu(self.stem[i](level), self.leak)
            region = self.norm[i](self.region[i](x))  # (B, D, h, w)
            alike = (words @ region.flatten(2)).unflatten(2, x.shape[2:])  # (B, K, h, w)
            logits = alike * self.scale[i].exp() + self.offset[i]
            if words_mask is not None:
                logits = logits.masked_fill(~words_mask[:, :, None, None], -torch.inf)
            found.append(torch.cat([self.distance[i](x), logits], 1))
        return found


class BakedHead(nn.Module):
    """The same with words folded in: its last convolution answers for each phrase, and a label for the best of its phrases."""

    def __init__(self, spec: NanoSpec) -> None:
        super().__init__()
        levels, width = range(len(spec.strides)), spec.neck
        self.stem = nn.ModuleList(nn.Conv2d(width, width, 3, 1, 1) for _ in levels)
        self.label = nn.ModuleList(nn.Conv2d(width, sum(spec.phrases), 1) for _ in levels)
        self.distance = nn.ModuleList(nn.Conv2d(width, 4 * spec.bins, 1) for _ in levels)
        self.leak = spec.leak
        self.phrases = spec.phrases

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Levels (B, C, h, w), finest first, to raw maps (B, 4 R + K, h, w)."""
        found = []
        for i, level in enumerate(levels):
            x = leaky_relu(self.stem[i](level), self.leak)
            found.append(torch.cat([self.distance[i](x), best_phrases(self.label[i](x), self.phrases)], 1))
        return found


def best_phrases(logits: Tensor, phrases: tuple[int, ...]) -> Tensor:
    """Logits (B, P, h, w) of phrases to those of labels (B, K, h, w): the largest of each; `phrases` says how many each has."""
    if sum(phrases) == len(phrases):
        return logits
    return torch.stack([of_label.amax(1) for of_label in torch.split(logits, list(phrases), 1)], 1)
