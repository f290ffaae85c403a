"""PyTorch's two containers, zip and legacy stream, opened without PyTorch."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wordbox.checkpoints import stored_zip
from wordbox.checkpoints.pickles import LONGEST, Name, load, load_next
from wordbox.checkpoints.storages import STORAGES, Shelf, Storage, decoded, itemsize
from wordbox.errors import WeightsError

_MAGIC = 0x1950A86A20F9469CFC6C
_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20"  # how that number is pickled, near the beginning


def read(path: Path) -> Any:
    """The object tree of a `.pt` or `.pth` file: dicts, lists and Stubs; tensors are NumPy arrays of the stored type, bfloat16 as float32.

    Nothing in the file is executed. Raises WeightsError that names the file, its fault, and what was expected.
    """
    where = str(path) if str(path).isprintable() else ascii(str(path))
    try:
        if not path.is_file():
            what = "a folder" if path.is_dir() else "not a regular file" if path.exists() else "no such file"
            raise WeightsError(f"{where}: {what} (looked for {os.path.abspath(path)!r}); expected a PyTorch checkpoint")
        with path.open("rb", buffering=0) as raw:
            size = os.fstat(raw.fileno()).st_size
            head = raw.read(512)
            file: BinaryIO = raw
            if head.startswith(stored_zip.LOCAL) or head.startswith(b"PK\x05\x06"):
                return _zip(file, size, where)
            if head.startswith(b"\x80") and _LEGACY in head[:24]:
                return _stream(file, size, where)
    except OSError as error:
        raise WeightsError(f"{where}: cannot be read ({error.strerror or error})") from error
    raise WeightsError(f"{where}: {_kind(head, size)}; expected a PyTorch checkpoint, as torch.save writes it")


# -- zip


def _zip(file: BinaryIO, size: int, where: str) -> Any:
    try:
        entries = stored_zip.directory(file, size, where)
    except stored_zip.Damaged as error:
        raise WeightsError(_what_is_left(file, where) or str(error)) from error
    found = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    names = ", ".join(ascii(name[:40]) for name in list(entries)[:5]) or "nothing"
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in entries):
        raise WeightsError(
            f"{where}: a TorchScript archive (a program with its weights); expected the checkpoint it was made from, or its ONNX export"
        )
    if len(found) != 1:
        raise WeightsError(f"{where}: a zip archive with {len(found)} entries FOLDER/data.pkl (it holds {names}); expected PyTorch's one")
    root = found[0].removesuffix("data.pkl")
    order = "<"
    if f"{root}byteorder" in entries:
        written = stored_zip.contents(file, f"{root}byteorder", entries[f"{root}byteorder"], where)[:16].tobytes()
        if written not in (b"little", b"big"):
            raise WeightsError(f"{where}: its entry byteorder says {written!a}; expected little or big")
        order = ">" if written == b"big" else "<"
    if entries[found[0]].size > LONGEST:
        raise WeightsError(f"{where}: its data.pkl takes {entries[found[0]].size} bytes; expected at most {LONGEST}, weights apart")
    pickle = stored_zip.contents(file, found[0], entries[found[0]], where).tobytes()

    def fetch(key: str) -> NDArray[np.uint8]:
        name = f"{root}data/{key}"
        if name not in entries:
            raise WeightsError(f"{where}: the archive lacks {name[:80]!a}, the numbers of a tensor; the file is damaged, copy it anew")
        return stored_zip.contents(file, name, entries[name], where)

    return load(pickle, _storages(Shelf(where, size, order), fetch), where)


def _storages(shelf: Shelf, fetch: Callable[[str], NDArray[np.uint8] | None]) -> Callable[[Any], Storage]:
    """What a reference of the zip form stands for; `fetch` gives a key's bytes, or None where only their number is of interest."""
    known: dict[str, Storage] = {}

    def persistent(reference: Any) -> Storage:
        key, dtype, count = _reference(reference, shelf)
        storage = known.get(key)
        if storage is None:
            raw = fetch(key)
            if raw is not None and len(raw) != count * itemsize(dtype):
                raise shelf.fault(f"storage {key[:40]!a} has {len(raw)} bytes; expected {count} x {dtype}; copy the file anew")
            data = None if raw is None else decoded(raw, dtype, shelf)
            storage = known[key] = Storage(shelf, key, dtype, count, data)
        if (storage.dtype, storage.count) != (dtype, count):
            raise shelf.fault(f"storage {key[:40]!a} is said to be {storage.count} x {storage.dtype}, then {count} x {dtype}")
        return storage

    return persistent


def _reference(reference: Any, shelf: Shelf) -> tuple[str, str, int]:
    """Key, number type and number count of a reference to a storage."""
    match reference if type(reference) is tuple and len(reference) <= 6 else None:
        case (str() as tag, Name() as kind, str() as key, str(), count, *_) if (
            tag == "storage" and type(count) is int and 0 <= count < 2**48
        ):
            if kind.kind not in STORAGES:
                raise shelf.fault(f"storage {key[:40]!a} is of the kind {ascii(kind.kind)[1:-1]}, which NumPy cannot hold")
            return key, STORAGES[kind.kind], count
    raise shelf.fault("its pickle refers to something that is no storage of numbers; the file is damaged or forged")


def _what_is_left(file: BinaryIO, where: str) -> str | None:
    """What to say of an archive that is cut: how many of its arrays are whole. None if not even its description is."""
    file.seek(0)
    data = file.read()
    starts: dict[str, int] = {}
    at = data.find(stored_zip.LOCAL)
    while at >= 0 and at + stored_zip.HEADER.size <= len(data):
        *_, name_length, extra_length = stored_zip.HEADER.unpack_from(data, at)
        begin = at + stored_zip.HEADER.size
        if name_length < 200:
            starts.setdefault(data[begin : begin + name_length].decode("utf-8", "replace"), begin + name_length + extra_length)
        at = data.find(stored_zip.LOCAL, at + 4)
    name = next((name for name in starts if name.count("/") == 1 and name.endswith("/data.pkl")), None)
    if name is None:
        return None
    shelf = Shelf(where, len(data))
    needed: dict[str, int] = {}

    def persistent(reference: Any) -> Storage:
        key, dtype, count = _reference(reference, shelf)
        needed[key] = count * itemsize(dtype)
        return Storage(shelf, key, dtype, count, None)

    begin = starts[name]
    load(data[begin : begin + LONGEST], persistent, where)
    folder = name.removesuffix("data.pkl") + "data/"
    whole = sum(starts.get(folder + key, len(data)) + size <= len(data) for key, size in needed.items())
    return f"{where}: {_cut(whole, len(needed))}"


def _cut(there: int, described: int) -> str:
    there_are = (
        f"{there} of the {described} arrays that it describes are there"
        if there < described
        else "all its arrays are there, its end is not"
    )
    return f"the file is cut: {there_are}; copy or download it anew"


# -- legacy stream


def _stream(file: BinaryIO, size: int, where: str) -> Any:
    file.seek(0)
    head = file.read(min(LONGEST, size))
    shelf = Shelf(where, size)
    storages = _Deferred(shelf, size)
    magic, at = load_next(head, 0, storages.refuse, where)
    version, at = load_next(head, at, storages.refuse, where)
    system, at = load_next(head, at, storages.refuse, where)
    numbers = type(magic) is int and type(version) is int
    if not numbers or (magic, version) != (_MAGIC, 1001) or type(system) is not dict or type(system.get("little_endian")) is not bool:
        raise shelf.fault("begins as PyTorch's older stream, without its version 1001 and system facts; copy the file anew")
    shelf.order = "<" if system["little_endian"] else ">"
    tree, at = load_next(head, at, storages.persistent, where)
    keys, at = load_next(head, at, storages.refuse, where)
    if type(keys) is not list or not all(type(key) is str for key in keys):
        raise shelf.fault("the list of its storages is no list of texts; the file is damaged, copy it anew")
    storages.fill(file, at, size, keys)
    return tree


class _Deferred:
    """Storages whose numbers come after the pickle that refers to them."""

    def __init__(self, shelf: Shelf, size: int) -> None:
        self.shelf = shelf
        self._left = size
        self._whole: dict[str, Storage] = {}

    def refuse(self, reference: Any) -> Any:
        raise self.shelf.fault("refers to a storage where none can be; the file is damaged or forged")

    def persistent(self, reference: Any) -> Any:
        match reference:
            case (str() as tag, Name() as kind, *_) if tag == "module":  # with its source, which is of no interest
                return kind
        key, dtype, count = _reference(reference, self.shelf)
        storage = self._whole.get(key)
        if storage is None:
            self._left -= count * itemsize(dtype)
            if self._left < 0:
                raise self.shelf.fault(f"storage {key[:40]!a} claims {count} x {dtype}, more than the file holds; copy the file anew")
            data = np.empty(count, np.float32 if dtype == "bfloat16" else dtype)
            storage = self._whole[key] = Storage(self.shelf, key, dtype, count, data)
        if (storage.dtype, storage.count) != (dtype, count):
            raise self.shelf.fault(f"storage {key[:40]!a} is said to be {storage.count} x {storage.dtype}, then {count} x {dtype}")
        return self._view(storage, reference)

    def _view(self, storage: Storage, reference: Any) -> Storage:
        match reference[5:]:
            case () | (None,):
                return storage
            case ((str(), int() as offset, int() as count),) if 0 <= offset <= offset + count <= storage.count and storage.data is not None:
                offset, count = int(offset), int(count)  # True is a number to Python
                return Storage(self.shelf, storage.key, storage.dtype, count, storage.data[offset : offset + count])
        raise self.shelf.fault(f"a view into storage {storage.key[:40]!a} does not fit into its {storage.count} numbers")

    def fill(self, file: BinaryIO, at: int, size: int, keys: list[str]) -> None:
        """Read the numbers of all storages, which follow from byte `at` in the order of `keys`."""
        if len(set(keys)) != len(keys) or set(keys) != set(self._whole):
            raise self.shelf.fault(
                f"lists {len(keys)} storages, and its pickle refers to {len(self._whole)}; they are not the same; copy the file anew"
            )
        file.seek(at)
        for done, key in enumerate(keys):
            storage = self._whole[key]
            count = int.from_bytes(file.read(8), "little" if self.shelf.order == "<" else "big")
            raw = np.empty(storage.count * itemsize(storage.dtype), np.uint8)
            at += 8 + len(raw)
            if at > size:
                raise self.shelf.fault(_cut(done, len(keys)))
            if count != storage.count or file.readinto(raw) != len(raw):  # type: ignore[attr-defined]
                raise self.shelf.fault(f"storage {key[:40]!a} holds {count} numbers; expected {storage.count}; copy the file anew")
            assert storage.data is not None
            storage.data[:] = decoded(raw, storage.dtype, self.shelf)


# -- what else a file may be


def _kind(head: bytes, size: int) -> str:
    """What a file is that begins with `head` and is no checkpoint."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    header = int.from_bytes(head[:8], "little")
    kinds = (
        (size == 0, "an empty file"),
        (head.startswith(b"version https://git-lfs"), "a Git LFS pointer, which stands for a file that was not fetched (git lfs pull)"),
        (text.startswith((b"<!doctype html", b"<html", b"<?xml")), "a web page, as a download gives whose link has moved or needs a login"),
        (head[257:262] == b"ustar", "a tar archive, as PyTorch wrote before version 0.1.10, or of a whole folder"),
        (size > 9 and 2 <= header <= size - 8 and head[8:9] == b"{", "a safetensors file under another name; rename it to .safetensors"),
        (head[:1] == b"\x08" and head[2:3] in (b"\x12", b":", b"B"), "an ONNX graph under another name; rename it to .onnx"),
        (head.startswith(b"\x80") and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"), "a pickle outside PyTorch's containers"),
        (head.startswith(b"\x1f\x8b"), "gzip data; unpack it"),
        (head.startswith(b"\x89HDF"), "an HDF5 file, as Keras writes"),
        (head[4:8] == b"TFL3", "a TensorFlow Lite graph"),
        (head.startswith(b"\x93NUMPY"), "a NumPy array"),
        (head.startswith((b"{", b"[")), "JSON text"),
        (bool(head) and not head.strip(b"\0"), "zeros, as an unfinished download leaves"),
    )
    return next((name for fits, name in kinds if fits), f"a file that begins with {ascii(head[:8])[1:]}")
