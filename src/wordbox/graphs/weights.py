"""Named arrays handed to a drawing, strictly: whatever is missing, misshapen or left over is told at once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError

FloatArray = NDArray[np.float32]


class Weights:
    """The arrays of one network. Blocks take what they need by name and shape; `finish` says what did not fit."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Wrap `arrays`, whose names are attribute paths such as `backbone.stem.weight`."""
        self._arrays = arrays
        self.shapes: dict[str, tuple[int, ...]] = {}
        """What the drawing asked for, in order: the network's names and shapes."""

    def take(self, name: str, *shape: int) -> FloatArray:
        """The array `name` as float32, or zeros where it is missing or misshapen (which `finish` then reports)."""
        self.shapes[name] = shape
        array = self._arrays.get(name)
        if array is None or array.shape != shape:
            return np.zeros(shape, np.float32)
        return array.astype(np.float32)

    def finish(self, where: str) -> None:
        """Raise WeightsError with every missing, misshapen and unexpected array of `where`, if there are any."""
        faults = [f"missing {name} {list(shape)}" for name, shape in self.shapes.items() if name not in self._arrays]
        faults += [
            f"{name} is {list(self._arrays[name].shape)}, expected {list(shape)}"
            for name, shape in self.shapes.items()
            if name in self._arrays and self._arrays[name].shape != shape
        ]
        faults += [f"unexpected {name} {list(array.shape)}" for name, array in self._arrays.items() if name not in self.shapes]
        if faults:
            raise WeightsError(f"{where}: {len(faults)} arrays do not fit the network: {'; '.join(faults)}")
