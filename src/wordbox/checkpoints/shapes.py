"""Shapes of a file's arrays, asked for by name: what is missing is told all at once."""

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from wordbox.errors import WeightsError

Arrays = Mapping[str, NDArray[Any]]


class Shapes:
    """Shapes by name. Something stands in for what is missing, so that `finish` can say all of it at once."""

    def __init__(self, arrays: Arrays, where: str) -> None:
        self.arrays = arrays
        self.where = where
        self._faults: list[str] = []

    def out(self, name: str, axis: int = 0) -> int:
        """Output channels of the kernel `name`; with `axis` 1, its input channels."""
        array = self.arrays.get(name)
        if array is None or array.ndim <= axis or array.shape[axis] == 0:
            self._faults.append(f"{name} {'is missing' if array is None else f'has shape {list(array.shape)}'}")
            return 8
        return int(array.shape[axis])

    def finish(self) -> None:
        """Raise WeightsError with every kernel that was asked for in vain, if there are any."""
        if self._faults:
            raise WeightsError(f"{self.where}: the network cannot be told, since {', '.join(self._faults)}; the file is cut or modified")

    def count(self, prefix: str) -> int:
        """How many numbered parts stand below `prefix`; at least 1."""
        pattern = re.compile(re.escape(prefix) + r"\.([0-9]{1,4})\.")
        return max((int(found[1]) + 1 for found in map(pattern.match, self.arrays) if found), default=1)
