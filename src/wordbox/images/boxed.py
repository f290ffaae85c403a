"""The nested boxes that AVIF and JPEG 2000 files are made of (ISO/IEC 14496-12): size, depth, turning, frames."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AvifFacts:
    """What an AVIF file says of its main picture."""

    size: tuple[int, int]
    """(height, width) as stored."""
    bits: int
    """Of a sample: 8, 10 or 12."""
    orientation: int
    """The file's turning and mirroring, as EXIF would count it; AVIF's EXIF tag itself carries no weight."""
    frames: int


def avif(data: bytes) -> AvifFacts:
    """The facts of an AVIF file. Raises ValueError or struct.error where it holds no picture."""
    meta = _inside(data, b"meta")[4:]
    main = _item(_inside(meta, b"pitm"))
    properties = list(_boxes(_inside(_inside(meta, b"iprp"), b"ipco")))
    size, bits, quarter_turns, mirror = (0, 0), 8, 0, -1
    for index in _associated(_inside(_inside(meta, b"iprp"), b"ipma"), main):
        if not 0 < index <= len(properties):
            continue
        name, body = properties[index - 1]
        if name == b"ispe" and size == (0, 0):
            size = (int.from_bytes(body[8:12], "big"), int.from_bytes(body[4:8], "big"))
        elif name == b"av1C":
            bits = 8 if not body[2] & 0x40 else 12 if body[2] & 0x20 else 10
        elif name == b"irot":
            quarter_turns = body[0] & 3
        elif name == b"imir":
            mirror = body[0] & 1
    if size == (0, 0):
        raise ValueError("it names no size")
    return AvifFacts(size=size, bits=bits, orientation=_ORIENTATIONS[quarter_turns, mirror], frames=_samples(data))


def jpeg2000(data: bytes) -> tuple[tuple[int, int], int]:
    """(height, width) and bits of a sample of a JPEG 2000 file or bare stream. Raises ValueError or struct.error."""
    stream = data if data.startswith(_SIZE_SEGMENT) else _inside(data, b"jp2c")
    if not stream.startswith(_SIZE_SEGMENT):
        raise ValueError("its codestream names no size")
    right, bottom, left, top = struct.unpack(">4I", stream[8:24])
    return (bottom - top, right - left), (stream[42] & 0x7F) + 1


_SIZE_SEGMENT = b"\xff\x4f\xff\x51"  # how a codestream starts (ISO/IEC 15444-1, A.5.1)

# Turned anticlockwise by so many quarters, then mirrored (-1: not, 0: top and bottom exchanged, 1: left and right exchanged).
_ORIENTATIONS = {
    (0, -1): 1, (1, -1): 8, (2, -1): 3, (3, -1): 6,
    (0, 0): 4, (1, 0): 5, (2, 0): 2, (3, 0): 7,
    (0, 1): 2, (1, 1): 7, (2, 1): 4, (3, 1): 5,
}  # fmt: skip


def _item(body: bytes) -> int:
    return int.from_bytes(body[4:8] if body[:1] == b"\1" else body[4:6], "big")


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(name, body) of every box that lies in `data`, not of those inside them."""
    at = 0
    while at + 8 <= len(data):
        length, name = struct.unpack(">I4s", data[at : at + 8])
        start = at + 8
        if length == 1:
            length, start = int.from_bytes(data[start : start + 8], "big"), at + 16
        end = at + length if length else len(data)
        if end < start:
            raise ValueError(f"a box {name!r} is shorter than its own header")
        yield name, data[start:end]
        at = end


def _inside(data: bytes, name: bytes) -> bytes:
    for found, body in _boxes(data):
        if found == name:
            return body
    raise ValueError(f"it has no box {name.decode()!r}")


def _associated(body: bytes, item: int) -> list[int]:
    """Positions (from 1) of the properties that belong to an item."""
    wide_item, wide_index = body[0] >= 1, body[3] & 1
    at, item_size, index_size = 8, 4 if wide_item else 2, 2 if wide_index else 1
    for _ in range(int.from_bytes(body[4:8], "big")):
        found, count = int.from_bytes(body[at : at + item_size], "big"), body[at + item_size]
        start = at + item_size + 1
        at = start + count * index_size
        if found == item:
            essential = 0x8000 if wide_index else 0x80
            return [int.from_bytes(body[i : i + index_size], "big") & (essential - 1) for i in range(start, at, index_size)]
    raise ValueError(f"nothing is said of its main item {item}")


def _samples(data: bytes) -> int:
    """Frames of the first track of an image sequence; 1 where there is none."""
    try:
        table = data
        for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz"):
            table = _inside(table, name)
    except ValueError:
        return 1
    return max(int.from_bytes(table[8:12], "big"), 1)
