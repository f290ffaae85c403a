"""The text encoder protocol: phrases in, unit vectors out, whatever makes them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

CLIP_TOWERS = {512: "clip-vit-base-patch32", 768: "clip-vit-large-patch14-336"}
"""What CLIP's text towers are called that YOLO-World was trained with, by the length of their vectors."""


@dataclass(frozen=True, kw_only=True)
class EncoderIdentity:
    """Which text encoder vectors come from: vectors of different encoders must not be compared."""

    name: str
    """Such as "clip-vit-base-patch32"."""
    sha256: str = ""
    """Checksum of its weights; empty where only the name is known."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.sha256, str):
            raise TypeError(f"found {self.name!r} with checksum {self.sha256!r} for a text encoder, expected text")

    def same_as(self, other: "EncoderIdentity") -> bool:
        """Whether both are one encoder: by checksum where both are known, else by name."""
        return self.sha256 == other.sha256 if self.sha256 and other.sha256 else self.name == other.name

    def __str__(self) -> str:
        return f"{self.name} (sha256 {self.sha256[:12]}...)" if self.sha256 else self.name


class TextEncoder(Protocol):
    """Turns phrases into vectors. It may be called from several threads at once."""

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder it is."""

    @property
    def width(self) -> int:
        """D, the length of a vector."""

    def encode(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (K, D) float32 of K phrases, in any language and of any length."""

    def unknown(self, phrases: Sequence[str]) -> list[str]:
        """The phrases that the encoder knows nothing of; their vectors mean nothing."""
