"""The text encoder protocol: phrases in, unit vectors out, whatever makes them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class TextEncoder(Protocol):
    """Turns phrases into vectors. It may be called from several threads at once."""

    @property
    def width(self) -> int:
        """D, the length of a vector."""

    def encode(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (K, D) float32 of K phrases, in any language and of any length."""

    def unknown(self, phrases: Sequence[str]) -> list[str]:
        """The phrases that the encoder knows nothing of; their vectors mean nothing."""
