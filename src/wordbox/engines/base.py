"""The engine protocol: whoever runs a graph takes named arrays and returns named arrays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class TensorInfo:
    """What an engine expects of one input, or promises of one output."""

    dtype: np.dtype[Any]
    shape: tuple[int | None, ...]
    """None stands for an axis of any length."""


class Engine(Protocol):
    """Runs one graph. It knows no boxes and no words; it may be called from several threads at once."""

    @property
    def name(self) -> str:
        """What computes, and its version: "ONNX Runtime 1.20.0"."""

    @property
    def inputs(self) -> Mapping[str, TensorInfo]:
        """Name, dtype and shape of every input."""

    @property
    def outputs(self) -> Mapping[str, TensorInfo]:
        """Name, dtype and shape of every output."""

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the graph's file says about itself, such as its Manifest."""

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every output for `feeds`, which must hold every input by name with its dtype and shape.

        Raises EngineError where the runtime refuses them.
        """
