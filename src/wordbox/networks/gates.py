"""YOLO-World's gates: how much of each place passes, by its likeness to the word that suits it best."""

import torch
from torch import Tensor, nn

from wordbox.networks.attention import heads
from wordbox.networks.blocks import Bottleneck, ConvNorm, Style, style_of
from wordbox.specs import GATE_HEAD, YoloWorldSpec


class Gate(nn.Module):
    """Max-sigmoid attention (spec yolo-world.md, section 1.6): in each head of 32 channels, the largest product with a word opens the gate.

    With words folded in it holds what its linear layer made of them.
    """

    def __init__(self, width: int, embedding: int, folded: int, *, style: Style) -> None:
        """`folded` is how many words the gate holds; 0 where they are an input."""
        super().__init__()
        if folded:
            self.words = nn.Parameter(torch.randn(folded, width) * embedding**-0.5)
        else:
            self.guide = nn.Linear(embedding, width)
        self.bias = nn.Parameter(torch.zeros(width // GATE_HEAD))
        self.project = ConvNorm(width, width, 3, style=style, active=False)
        self.folded = folded

    def forward(self, x: Tensor, words: Tensor | None, words_mask: Tensor | None = None) -> Tensor:
        """(B, width, H, W) to the same shape, by `words` (B or 1, K, D), or by its own.

        Where `words_mask` (B or 1, K) is False, a word counts for nothing; without a word nothing passes.
        """
        guides = heads(self.words[None] if self.folded else self.guide(words))  # (B or 1, m, K, 32)
        alike = guides @ torch.unflatten(x, 1, (-1, GATE_HEAD)).flatten(3)  # (B, m, K, H W)
        if words_mask is not None:
            alike = alike.masked_fill(~words_mask[:, None, :, None], -torch.inf)
        opening = (alike.amax(2) / GATE_HEAD**0.5 + self.bias[:, None]).sigmoid()  # (B, m, H W)
        passed: Tensor = self.project(x).unflatten(1, (-1, GATE_HEAD)) * opening.unflatten(2, x.shape[2:])[:, :, None]
        return passed.flatten(1, 2)


class C2fGated(nn.Module):
    """As C2f without shortcuts, and what passes the gate behind the last bottleneck joined as well (T-CSP)."""

    def __init__(self, c_in: int, c_out: int, spec: YoloWorldSpec) -> None:
        super().__init__()
        width, repeats, style = c_out // 2, spec.neck_repeats, style_of(spec)
        self.split = ConvNorm(c_in, 2 * width, 1, style=style)
        self.join = ConvNorm((3 + repeats) * width, c_out, 1, style=style)
        self.blocks = nn.ModuleList(Bottleneck(width, first=3, shortcut=False, style=style) for _ in range(repeats))
        self.gate = Gate(width, spec.embedding, spec.folded if spec.version == "v2" else 0, style=style)

    def forward(self, x: Tensor, words: Tensor | None, words_mask: Tensor | None = None) -> Tensor:
        """(B, c_in, H, W) to (B, c_out, H, W), with words and their mask as `Gate` has them."""
        found = list(self.split(x).chunk(2, 1))
        for block in self.blocks:
            found.append(block(found[-1]))
        found.append(self.gate(found[-1], words, words_mask))
        joined: Tensor = self.join(torch.cat(found, 1))
        return joined
