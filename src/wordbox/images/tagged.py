"""The tagged directories that TIFF files are made of, and that EXIF borrows: orientation, pages, kinds of samples."""

import struct
from dataclasses import dataclass
from typing import Literal

_WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _ORIENTATION = 256, 257, 258, 262, 274
_SUBFILE, _SUBDIRECTORIES, _EXTRA, _FORMAT, _DNG = 254, 330, 338, 339, 50706
_MAX_PAGES = 10_000
_TYPES = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
Tags = dict[int, tuple[int, ...]]
Order = Literal["little", "big"]


@dataclass(frozen=True, kw_only=True)
class TiffFacts:
    """What the first page of a TIFF file says of itself."""

    size: tuple[int, int]
    """(height, width) as stored."""
    pages: int
    """Pictures in the file; smaller copies and masks do not count."""
    bits: int
    photometric: int
    alpha: bool
    alpha_premultiplied: bool


def orientation(exif: bytes) -> int:
    """EXIF's orientation, 1 to 8, of a block that starts with a TIFF header; 1 where it names none or is broken."""
    try:
        order, _ = _order(exif)
        value = _directory(exif, int.from_bytes(exif[4:8], order), order, big=False)[0].get(_ORIENTATION, (1,))[0]
    except (ValueError, IndexError, struct.error):
        return 1
    return value if 1 <= value <= 8 else 1


def tiff(data: bytes) -> TiffFacts:
    """The facts of a TIFF or BigTIFF file. Raises ValueError or struct.error where it holds no picture that can be read."""
    order, big = _order(data)
    at = int.from_bytes(data[8:16] if big else data[4:8], order)
    first, following = _directory(data, at, order, big)
    if _DNG in first or (_SUBDIRECTORIES in first and first.get(_SUBFILE, (0,))[0] & 1):
        raise ValueError("it is a camera's raw picture; develop it, or convert it to JPEG or PNG first")
    if _WIDTH not in first or _HEIGHT not in first:
        raise ValueError("its first page names no size")
    bits, formats = max(first.get(_BITS, (1,))), first.get(_FORMAT, (1,))
    if bits > 16 or set(formats) != {1}:
        sort = {2: "signed", 3: "floating point"}.get(formats[0], "unsigned")
        raise ValueError(f"its samples are {bits}-bit {sort} numbers, of no agreed range; convert it to 8 or 16 unsigned bits first")
    pages, seen = 1, {at}
    while following and following not in seen and pages < _MAX_PAGES:
        seen.add(following)
        page, following = _directory(data, following, order, big)
        pages += not page.get(_SUBFILE, (0,))[0] & 5  # bit 0: a smaller copy; bit 2: a mask
    extra = first.get(_EXTRA, ())
    return TiffFacts(
        size=(first[_HEIGHT][0], first[_WIDTH][0]),
        pages=pages,
        bits=bits,
        photometric=first.get(_PHOTOMETRIC, (1,))[0],
        alpha=bool({1, 2} & set(extra[:1])),
        alpha_premultiplied=extra[:1] == (1,),
    )


def _order(data: bytes) -> tuple[Order, bool]:
    if data[:2] not in (b"II", b"MM"):
        raise ValueError("its byte order is neither II nor MM")
    order: Order = "little" if data[:2] == b"II" else "big"
    return order, int.from_bytes(data[2:4], order) == 43


def _directory(data: bytes, at: int, order: Order, big: bool) -> tuple[Tags, int]:
    """The whole-number tags of the directory at byte `at` (at most 16 values each), and where the next one is (0: nowhere)."""
    sign, count_size, entry_size, inline = ("<" if order == "little" else ">", *((8, 20, 8) if big else (2, 12, 4)))
    count = int.from_bytes(data[at : at + count_size], order)
    start, end = at + count_size, at + count_size + count * entry_size
    if not count or end > len(data):
        raise ValueError(f"a directory should end at byte {end}, the file at {len(data)}")
    tags: Tags = {}
    for entry in range(start, end, entry_size):
        tag, kind = struct.unpack(sign + "HH", data[entry : entry + 4])
        if kind not in _TYPES:
            continue
        values = min(int.from_bytes(data[entry + 4 : entry + 4 + inline], order), 16)
        form = f"{sign}{values}{_TYPES[kind]}"
        length, where = struct.calcsize(form), entry + 4 + inline
        if length > inline:
            where = int.from_bytes(data[where : where + inline], order)
        if values and where + length <= len(data):
            tags.setdefault(tag, struct.unpack(form, data[where : where + length]))  # of a tag given twice the decoder takes the first
    return tags, int.from_bytes(data[end : end + inline], order)
