"""Named arrays as the zip archive that PyTorch's loader reads, written without PyTorch.

The pickle inside is made of a dozen opcodes: one dictionary of tensors, each a view of a storage of its own, so that
`torch.load(path, weights_only=True)` takes it.
"""

import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.checkpoints.storages import STORAGES
from wordbox.checkpoints.whole import whole
from wordbox.errors import WeightsError

_STORAGES = {dtype: kind.removeprefix("torch.") for kind, dtype in reversed(list(STORAGES.items())) if not kind.startswith("torch.cuda.")}
_ALIGNED = 64  # bytes: as PyTorch lays storages out, so that they can be mapped
_HEADER = 30  # bytes of a zip entry before its name
_EPOCH = (1980, 1, 1, 0, 0, 0)  # equal contents give equal bytes


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a `.pt` or `.pth` file of one dictionary, in the order given. Equal contents give equal bytes.

    Raises WeightsError where PyTorch has no number of an array's type, OSError where the file cannot be written.
    """
    root = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in path.stem) or "archive"
    stored = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    foreign = [f"{name} {array.dtype}" for name, array in stored.items() if array.dtype.name not in _STORAGES]
    if foreign:
        raise WeightsError(f"{path}: PyTorch has no numbers of the type of {', '.join(foreign[:5])}; store them as float32")
    with whole(path) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_STORED) as archive:
        _entry(archive, f"{root}/data.pkl", _pickle(stored))
        _entry(archive, f"{root}/byteorder", b"little")
        for key, array in enumerate(stored.values()):
            little = array.astype(array.dtype.newbyteorder("<"), copy=False)
            _entry(archive, f"{root}/data/{key}", little.reshape(-1).view(np.uint8).data)
        _entry(archive, f"{root}/version", b"3\n")


def _entry(archive: zipfile.ZipFile, name: str, data: bytes | memoryview) -> None:
    info = zipfile.ZipInfo(name, _EPOCH)
    at = archive.fp.tell() if archive.fp is not None else 0
    wide = len(data) >= 2**31 - 1  # beyond this an entry has a longer header
    begin = at + _HEADER + len(name.encode()) + (20 if wide else 0)
    padding = -(begin + 4) % _ALIGNED
    info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    info.file_size = len(data)
    with archive.open(info, "w", force_zip64=wide) as entry:
        entry.write(data)


def _pickle(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    parts = [b"\x80\x02", _ORDERED, b")R("]  # protocol 2; OrderedDict(); its entries
    for key, (name, array) in enumerate(arrays.items()):
        strides, step = list[int](), 1
        for side in reversed(array.shape):
            strides.insert(0, step)
            step *= side
        kind = f"ctorch\n{_STORAGES[array.dtype.name]}\n".encode()
        reference = b"(" + _text("storage") + kind + _text(str(key)) + _text("cpu") + _number(array.size) + b"tQ"
        place = _number(0) + _numbers(array.shape) + _numbers(strides)
        parts += [_text(name), _REBUILD, b"(", reference, place, b"\x89", _ORDERED, b")RtR"]
    return b"".join([*parts, b"u."])


_ORDERED = b"ccollections\nOrderedDict\n"
_REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def _text(text: str) -> bytes:
    raw = text.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def _number(number: int) -> bytes:
    if 0 <= number < 2**31:
        return b"J" + struct.pack("<i", number)
    raw = number.to_bytes((number.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def _numbers(numbers: Any) -> bytes:
    return b"(" + b"".join(map(_number, numbers)) + b"t"
