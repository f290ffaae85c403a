"""The text encoder protocol: phrases in, unit vectors out, whatever makes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from wordbox.vocabulary.words import EmbeddedVocabulary

CLIP_TOWERS = {512: "clip-vit-base-patch32", 768: "clip-vit-large-patch14-336"}
"""What CLIP's text towers are called that YOLO-World was trained with, by the length of their vectors."""
CLIP_ADDRESS = "https://huggingface.co/openai/"
"""What leads to their folders, by those names."""
CLIP_FILES = ("model.safetensors", "pytorch_model.bin")
"""Weights of a tower in a folder of Hugging Face's, the first that is there."""
CLIP_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".onnx")
"""What the names of files end in that may hold a tower."""
LEARNED = "learned prompts of "
"""What leads the name of an encoder that is none: its vectors were trained for the labels of one model."""


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
        plain = PurePath(self.name).name == self.name and self.name not in ("", "..") and "\\" not in self.name
        if not plain or len(self.name.encode()) >= 200 or not f"{self.name}{self.sha256}".isprintable():
            # files are looked for under it, and messages say it
            raise ValueError(f"found {self.name[:40]!r} for a text encoder, expected a name of one line without folders")

    def same_as(self, other: "EncoderIdentity") -> bool:
        """Whether both are one encoder: by checksum where both are known, else by name."""
        return self.sha256 == other.sha256 if self.sha256 and other.sha256 else self.name == other.name

    @property
    def learned(self) -> bool:
        """Whether training made the vectors: then no text encoder gives others that go with them."""
        return self.name.startswith(LEARNED)

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


@runtime_checkable
class SparingEncoder(TextEncoder, Protocol):
    """A text encoder that has some vectors at hand, and opens another, at a price, for the rest."""

    def encode(self, phrases: Sequence[str], progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """As a text encoder's; `progress` is told, now and again, how many phrases are still to be read."""

    def at_hand(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, and nothing is opened for it. Raises VocabularyError where a phrase has no vector at hand."""

    def brought_by(self, phrases: Sequence[str]) -> "list[Brought | None]":
        """Where the vector of each phrase comes from; None where the text encoder gave or gives it."""


class Brought(NamedTuple):
    """Whose vector a phrase gets."""

    vocabulary: "EmbeddedVocabulary"
    stands_in: bool
    """Whether it is the vector of the phrase in another prompt."""
