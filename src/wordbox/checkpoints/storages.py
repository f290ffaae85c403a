"""Arrays as windows into a stored run of numbers, each checked against its bounds."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import WeightsError

_BFLOAT16 = "bfloat16"  # NumPy lacks it: widened to float32, which holds each of its values exactly
# Number types by the names of PyTorch's storage classes.
_NAMES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": _BFLOAT16, "Long": "int64", "Int": "int32", "Short": "int16",
    "Char": "int8", "Byte": "uint8", "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip
STORAGES: Mapping[str, str] = {
    **{f"torch.{name}Storage": dtype for name, dtype in _NAMES.items()},
    **{f"torch.cuda.{name}Storage": dtype for name, dtype in _NAMES.items()},
    "torch.storage.UntypedStorage": "uint8",
}
# Number types that have no storage class: their numbers are stored as bytes.
DTYPES: Mapping[str, str] = {f"torch.{dtype}": dtype for dtype in ("uint16", "uint32", "uint64")}


class Shelf:
    """All storages of one file, and how many bytes of arrays it may still ask for."""

    __slots__ = ("_left", "order", "where")

    def __init__(self, where: str, size: int, order: str = "<") -> None:
        self.where = where
        self.order = order  # "<" or ">": how the file writes numbers
        self._left = 4 * size + 2**20  # a tied weight is asked for twice; nobody needs each byte a hundred times

    @property
    def swapped(self) -> bool:
        """Whether the file writes numbers in another order than this machine."""
        return (self.order == "<") != (sys.byteorder == "little")

    def fault(self, text: str) -> WeightsError:
        """The error for `text`, with the file's name."""
        return WeightsError(f"{self.where}: {text}")

    def charge(self, size: int) -> None:
        """Count `size` bytes of arrays. Raises WeightsError when they go far beyond what the file holds."""
        self._left -= size
        if self._left < 0:
            raise self.fault("its tensors claim far more numbers than the file holds; it is damaged or forged")


class Storage:
    """A run of numbers of one type, 1-D; several tensors may look into it. `data` is None where only its size is of interest."""

    __slots__ = ("count", "data", "dtype", "key", "shelf")

    def __init__(self, shelf: Shelf, key: str, dtype: str, count: int, data: NDArray[Any] | None) -> None:
        self.shelf = shelf
        self.key = key
        self.dtype = dtype  # a value of STORAGES
        self.count = count
        self.data = data

    def of(self, kind: str) -> "Storage":
        """The same bytes as numbers of the type `kind`, a key of DTYPES: a view."""
        size = itemsize(DTYPES[kind])
        if self.dtype != "uint8" or self.count % size or self.shelf.swapped:
            raise self.shelf.fault(f"storage {self.key} holds {self.count} x {self.dtype}, which cannot be read as {kind}")
        return Storage(self.shelf, self.key, DTYPES[kind], self.count // size, None if self.data is None else self.data.view(DTYPES[kind]))


def itemsize(dtype: str) -> int:
    """Bytes of one stored number."""
    return 2 if dtype == _BFLOAT16 else np.dtype(dtype).itemsize


def decoded(raw: NDArray[np.uint8], dtype: str, shelf: Shelf) -> NDArray[Any]:
    """The numbers in `raw`, which are written as in the files of `shelf`; a view of it where nothing has to change."""
    numbers = raw.view(np.uint16 if dtype == _BFLOAT16 else np.dtype(dtype))
    if shelf.swapped:
        numbers = numbers.byteswap()
    if dtype == _BFLOAT16:
        wide: NDArray[np.float32] = np.left_shift(numbers, 16, dtype=np.uint32).view(np.float32)
        return wide
    return numbers


def window(storage: Storage, offset: Any, size: Any, stride: Any) -> NDArray[Any]:
    """The tensor of shape `size` at `offset`, both `offset` and `stride` in numbers: a view. Raises WeightsError unless it lies within."""
    shelf = storage.shelf
    sides = (size, stride)
    if type(offset) is not int or any(type(side) is not tuple or len(side) > 32 or not all(type(n) is int for n in side) for side in sides):
        raise shelf.fault(f"a tensor in storage {storage.key} has a place or shape that is not made of at most 32 whole numbers")
    if len(size) != len(stride) or offset < 0 or min((*size, *stride), default=0) < 0:
        raise shelf.fault(
            f"a tensor in storage {storage.key} has offset {offset}, shape {_shown(size)}, strides {_shown(stride)}: impossible"
        )
    count = math.prod(size) if max(size, default=0) < 2**40 else 2**40
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True)) if count else 0
    # an axis of step 0 repeats the same numbers: torch expands so, and YOLOv5 leaves such grids in its files
    own = math.prod(n for n, step in zip(size, stride, strict=True) if step) if count else 0
    if last >= storage.count + (not count) or own > storage.count:
        raise shelf.fault(
            f"a tensor of shape {_shown(size)} with strides {_shown(stride)} at {offset} does not fit into storage {storage.key}, "
            f"which holds {storage.count} numbers; the file is damaged or forged"
        )
    data = storage.data
    if data is None:
        return _NOTHING
    shelf.charge(count * data.itemsize)
    try:
        view: NDArray[Any] = np.ndarray(size, data.dtype, data, offset * data.itemsize, [step * data.itemsize for step in stride])
        return view
    except (ValueError, TypeError, OverflowError) as error:  # no numbers, along with sides beyond what NumPy counts
        raise shelf.fault(f"a tensor in storage {storage.key} has the impossible shape {_shown(size)}") from error


def _shown(sides: tuple[int, ...]) -> str:
    short = ", ".join(str(side) if abs(side) < 10**18 else "huge" for side in sides[:8])
    return f"({short}{', ...' if len(sides) > 8 else ''})"


_NOTHING = np.empty(1, np.uint8)[:0]  # a view: only whole arrays can be given an inside by a pickle
