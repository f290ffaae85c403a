"""What a picture's own header says, before any pixel is decoded: size, frames, orientation, and whether the file is all there."""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

from wordbox.images import boxed, kinds, tagged
from wordbox.images.kinds import Kind


@dataclass(frozen=True, kw_only=True)
class Header:
    """What is known of an encoded picture without decoding it."""

    size: tuple[int, int]
    """(height, width) as stored, before any turning."""
    frames: int = 1
    """Pictures in the file: pages, or steps of an animation."""
    orientation: int = 1
    """EXIF's 1 to 8: what is left to do once the decoder has given its pixels."""
    alpha: bool = True
    """Whether the decoder is asked for transparency."""
    premultiplied: bool = False
    """Whether the decoder's colours are multiplied by alpha already."""
    inverted: bool = False
    """Whether 16-bit samples come with 0 as white."""
    white: int | None = None
    """The largest sample, where it is neither 255 (of 8 bits) nor 65535 (of 16)."""
    clear_grey: int | None = None
    """The grey sample that stands for "transparent"."""
    complete: bool = True
    """False where a JPEG lacks its end marker: the pixels may be all there, or not."""
    stream: bytes | None = None
    """What the decoder is given, where that is not the whole file."""
    notes: tuple[str, ...] = ()


class CutOff(ValueError):
    """The data end before the picture does."""


def header_of(kind: Kind, data: bytes) -> Header:
    """The header of a picture of a readable kind.

    Raises CutOff where the data end too early, ValueError or struct.error where they contradict themselves.
    """
    return _PARSERS[kind](data)


def _jpeg(data: bytes) -> Header:
    """Walks the marker segments (ITU-T T.81, B.1.1) to the first end marker: thumbnails lie inside segments, later views behind it."""
    size, orientation, components, shown, at = None, 1, 0, 0, 2
    strict = False  # whether only the end marker can tell that all pixels are there
    while (found := _JPEG_MARKER.search(data, at)) is not None:
        code, at = data[found.end() - 1], found.end()
        if code == 0xD9:
            break
        length = int.from_bytes(data[at : at + 2], "big")
        body, at = data[at + 2 : at + length], at + max(length, 2)
        if code in _JPEG_FRAMES and size is None and len(body) >= 6:
            size, components = (int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big")), body[5]
            strict |= code not in (0xC0, 0xC1)  # scans of a progressive file refine each other
        elif code == 0xDD:
            strict |= any(body)  # a decoder fills lost restart intervals without a word
        elif code == 0xDA and body:
            shown += body[0]
        elif code == 0xE1 and body.startswith(b"Exif\0\0") and orientation == 1:
            orientation = tagged.orientation(body[6:])
    if size is None or not shown:
        raise CutOff("it ends before its pixels begin")
    if found is None and (strict or shown < components):
        raise CutOff("its end marker is missing")
    return Header(size=size, orientation=orientation, alpha=False, complete=found is not None)


_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\x01\xd0-\xd8]")
_JPEG_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def _png(data: bytes) -> Header:
    """Walks the chunks. The decoder gets only those that make pixels, so that a broken colour profile cannot trouble it.

    That also makes an animated PNG the plain picture that every viewer shows.
    """
    at, kept, frames, orientation, clear_grey, shape = 8, [data[:8]], 1, 1, None, (0, 0, 0, 0)
    name = b""
    while name != b"IEND":
        if at + 12 > len(data):
            raise CutOff(f"more parts should follow after byte {at}")
        length, name = struct.unpack(">I4s", data[at : at + 8])
        end = at + 12 + length
        if end > len(data):
            raise CutOff(f"its part {name.decode('latin-1')!r} should end at byte {end}, the file at {len(data)}")
        body = data[at + 8 : end - 4]
        if name in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            kept.append(data[at:end])
        if name == b"IHDR":
            shape = struct.unpack(">IIBB", body[:10])
        elif name == b"acTL":
            frames = int.from_bytes(body[:4], "big")
        elif name == b"eXIf":
            orientation = tagged.orientation(body)
        elif name == b"tRNS" and shape[3] == 0:  # plain grey
            depth = shape[2]
            clear_grey = int.from_bytes(body[:2], "big") * (1 if depth == 16 else 255 // (2**depth - 1))
        at = end
    width, height = shape[:2]
    return Header(size=(height, width), frames=max(frames, 1), orientation=orientation, clear_grey=clear_grey, stream=b"".join(kept))


def _webp(data: bytes) -> Header:
    """Walks the RIFF chunks of WebP's container (RFC 9649)."""
    if int.from_bytes(data[4:8], "little") + 8 > len(data) + 1:  # writers forget the last padding byte
        raise CutOff(f"it should hold {int.from_bytes(data[4:8], 'little') + 8} bytes, and holds {len(data)}")
    at, size, frames, orientation = 12, (0, 0), 0, 1
    while at + 8 <= len(data):
        name, length = struct.unpack("<4sI", data[at : at + 8])
        head = data[at + 8 : at + 18]
        if name == b"VP8X":
            size = (int.from_bytes(head[7:10], "little") + 1, int.from_bytes(head[4:7], "little") + 1)
        elif name == b"VP8L" and size == (0, 0):
            bits = int.from_bytes(head[1:5], "little")
            size = ((bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1)
        elif name == b"VP8 " and size == (0, 0):
            width, height = struct.unpack("<HH", head[6:10])
            size = (height & 0x3FFF, width & 0x3FFF)
        elif name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            orientation = tagged.orientation(data[at + 8 : at + 8 + length].removeprefix(b"Exif\0\0"))
        at += 8 + length + length % 2
    return Header(size=size, frames=max(frames, 1), orientation=orientation)


def _gif(data: bytes) -> Header:
    """Walks the blocks to the trailer, counting pictures (GIF89a, appendix A)."""
    width, height, flags = struct.unpack("<HHB", data[6:11])
    at, frames = 13 + _palette(flags), 0
    while at < len(data) and data[at] != 0x3B:
        if data[at] == 0x2C and at + 10 < len(data):
            frames += 1
            at += 11 + _palette(data[at + 9])
        elif data[at] == 0x21:
            at += 2
        else:
            raise CutOff(f"no block begins at byte {at}")
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    if at >= len(data):
        raise CutOff(f"it ends in picture {frames or 1}")
    return Header(size=(height, width), frames=frames)


def _palette(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _bmp(data: bytes) -> Header:
    if int.from_bytes(data[14:18], "little") in (12, 16):
        width, height = struct.unpack("<HH", data[18:22]) if data[14] == 12 else struct.unpack("<II", data[18:26])
    else:
        width, height = struct.unpack("<ii", data[18:26])
    return Header(size=(abs(height), abs(width)))  # rows from the top: the height is negative


def _pnm(data: bytes) -> Header:
    """Reads the numbers of a netpbm header. The decoder does not scale binary samples to their stated maximum, so we do."""
    letter = int(data[1:2])
    found = _PNM_NUMBERS.match(data[:4096])
    if found is None:
        raise CutOff("its header names no size")
    width, height, maximum = int(found[1]), int(found[2]), 255
    if letter not in (1, 4):
        largest = _PNM_MAXIMUM.match(data[found.end() : 4096])
        maximum = int(largest[1]) if largest else 0
        if not 0 < maximum < 65536:
            raise ValueError("its header names no largest sample between 1 and 65535")
    scaled = letter in (1, 4) or (letter in (2, 3) and maximum < 256)
    return Header(size=(height, width), white=None if scaled else maximum)


_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_PNM_NUMBERS = re.compile(rb"P[1-6]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})\b")
_PNM_MAXIMUM = re.compile(_GAP + rb"(\d{1,9})\b")


def _tiff(data: bytes) -> Header:
    facts = tagged.tiff(data)
    grey = facts.photometric in (0, 1)
    return Header(
        size=facts.size,
        frames=facts.pages,  # the decoder turns TIFF pictures itself
        alpha=facts.alpha and not grey,
        premultiplied=facts.alpha_premultiplied or facts.bits <= 8,  # the decoder multiplies 8-bit colours itself
        inverted=facts.photometric == 0 and facts.bits > 8,
        notes=("its transparency was left out (grey TIFF)",) if facts.alpha and grey else (),
    )


def _avif(data: bytes) -> Header:
    facts = boxed.avif(data)
    return Header(size=facts.size, frames=facts.frames, orientation=facts.orientation, white=None if facts.bits == 8 else 2**facts.bits - 1)


def _jpeg2000(data: bytes) -> Header:
    size, bits = boxed.jpeg2000(data)
    return Header(size=size, white=2**bits - 1 if bits > 8 else None)


_PARSERS: dict[Kind, Callable[[bytes], Header]] = {
    kinds.JPEG: _jpeg,
    kinds.PNG: _png,
    kinds.WEBP: _webp,
    kinds.GIF: _gif,
    kinds.BMP: _bmp,
    kinds.PNM: _pnm,
    kinds.TIFF: _tiff,
    kinds.AVIF: _avif,
    kinds.JPEG2000: _jpeg2000,
    kinds.JPEG2000_STREAM: _jpeg2000,
}
