"""Named arrays handed to a drawing, strictly: whatever is missing, misshapen or left over is told at once."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError

FloatArray = NDArray[np.float32]

_SPARE = 1 << 26  # numbers stood in for what is missing, at most: a small file that describes a huge network fills no memory


class Weights:
    """The arrays of one network. Blocks take what they need by name and shape; `finish` says what did not fit."""

    def __init__(self, arrays: Mapping[str, NDArray[Any]], where: str, called: Mapping[str, str] | None = None) -> None:
        """Wrap the `arrays` of the file `where`; their names are attribute paths such as `backbone.stem.weight`.

        `called` gives the names that the file itself has for them, which errors then use.
        """
        self._arrays = arrays
        self._where = where
        self._called = called or {}
        self._stood_in = 0
        self._endless: list[str] = []
        self.shapes: dict[str, tuple[int, ...]] = {}
        """What the drawing asked for, in order: the network's names and shapes."""

    def take(self, name: str, *shape: int) -> FloatArray:
        """The array `name` as float32, or ones where it is missing or misshapen (which `finish` then reports).

        Raises WeightsError at once where the stand-ins would fill the memory.
        """
        self.shapes[name] = shape
        array = self._arrays.get(name)
        if array is not None and array.shape == shape:
            found = array.astype(np.float32)
            if not np.isfinite(found).all():
                self._endless.append(name)
            return found
        self._stood_in += math.prod(shape)
        if self._stood_in > _SPARE:
            self.finish()
        return np.ones(shape, np.float32)

    def finish(self) -> None:
        """Raise WeightsError with every array that is missing, misshapen, unexpected or not finite, if there are any."""
        asked, given, called = self.shapes, self._arrays, self._called
        faults = [f"missing {called.get(name, name)} {list(shape)}" for name, shape in asked.items() if name not in given]
        faults += [
            f"{called.get(name, name)} is {list(given[name].shape)}, expected {list(shape)}"
            for name, shape in asked.items()
            if name in given and given[name].shape != shape
        ]
        faults += [f"{called.get(name, name)} holds numbers that are not finite" for name in self._endless]
        faults += [f"unexpected {called.get(name, name)} {list(array.shape)}" for name, array in given.items() if name not in asked]
        if faults:
            many = "1 array does" if len(faults) == 1 else f"{len(faults)} arrays do"
            raise WeightsError(f"{self._where}: {many} not fit the network: {'; '.join(faults)}")
