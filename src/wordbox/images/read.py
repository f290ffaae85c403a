"""One picture from whatever holds it: encoded bytes, a file, a NumPy array, a Pillow image. Upright, RGB, 8 bits."""

import struct
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from wordbox.errors import ImageError, SourceError
from wordbox.images import kinds
from wordbox.images.headers import CutOff, Header, header_of
from wordbox.images.pixels import Colour, Pixels, eight_bits, rgb_on_white, upright

MAX_PIXELS = 178_956_970
"""Pictures of more pixels are refused before they are decoded (the limit at which Pillow refuses too: 0.5 GB as RGB)."""
MAX_BYTES = 2**31 - 1
"""Larger files are refused before they are read: the decoder counts bytes in 32 bits."""


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it is seen: turned upright, on white where it was transparent."""

    pixels: Pixels
    """(H, W, 3) RGB uint8."""
    notes: tuple[str, ...] = ()
    """What was left out on the way, such as further frames."""


class PillowImage(Protocol):
    """The part of `PIL.Image.Image` that is used here; Pillow itself need not be installed."""

    @property
    def mode(self) -> str:
        """Kind of its pixels, such as "RGB" or "P"."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""

    def load(self) -> Any:
        """Reads its pixels."""

    def convert(self, mode: str) -> "PillowImage":
        """The same picture in another mode."""

    def getexif(self) -> Mapping[int, Any]:
        """Its EXIF tags."""


def decode(data: bytes, *, name: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in the bytes of a JPEG, PNG, WebP, GIF, BMP, TIFF, AVIF, JPEG 2000 or PNM file; `name` stands in errors.

    The bytes decide what it is. EXIF orientation is applied once. 16-bit samples are scaled to 8. Of an animation or a file of many pages
    the first picture is taken, and a note says how many there are. Raises ImageError where the data are cut off, broken, of another
    kind, or announce more than `max_pixels` pixels (this is seen before anything is decoded).
    """
    kind = kinds.kind_of(data[: kinds.SNIFF_BYTES])
    if not kind.readable:
        raise ImageError(f"{name} is {kind.name}; {kind.advice}")
    try:
        header = header_of(kind, data)
    except CutOff as error:
        raise ImageError(f"{name} is {kind.name} that is cut off: {error}; copy or download it again") from error
    except (ValueError, IndexError, struct.error) as error:
        raise ImageError(f"{name} is {kind.name} that cannot be read: {error}") from error
    _check_size(header.size, name, max_pixels)
    whole = header.stream or data
    if not header.complete:
        whole = _closed_jpeg(data, header, name)
    pixels = _from_samples(_decoded(whole, header, f"{name} is {kind.name}"), header, name)
    return Picture(upright(pixels, header.orientation), (*_frames_note(header.frames), *header.notes))


def read_file(path: Path, *, name: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a file. Raises SourceError where there is no such file or it may not be read, else as `decode` does."""
    try:
        with path.open("rb") as stream:
            return decode(read_stream(stream, name), name=name, max_pixels=max_pixels)
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror or error} ({path.absolute()})") from error


def read_stream(stream: BinaryIO, name: str) -> bytes:
    """All bytes of a picture in an open binary file; only the first ones where they are no picture, so that `decode` can say so.

    Raises ImageError where there are more than MAX_BYTES.
    """
    head = stream.read(kinds.SNIFF_BYTES)
    if not kinds.kind_of(head).readable:
        return head
    parts, held = [head], len(head)
    while part := stream.read(1 << 20):
        parts.append(part)
        held += len(part)
        if held > MAX_BYTES:
            raise ImageError(f"{name} holds more than {MAX_BYTES} bytes; expected a picture's file of less")
    return b"".join(parts)


def from_array(array: NDArray[Any], *, colour: Colour = "bgr", name: str = "array") -> Picture:
    """The picture in a NumPy array of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), the last with transparency.

    uint8 is taken as it is, uint16 is scaled by 255/65535, booleans are black and white. `colour` is the order of the channels: "bgr" as
    OpenCV gives them, "rgb" as Pillow, imageio and matplotlib do. The pixels may share memory with the array. Raises ImageError for another
    shape or dtype; floats are refused, since 0 to 1 and 0 to 255 are both common.
    """
    if colour not in ("bgr", "rgb"):
        raise ImageError(f"colour {colour!r} is unknown; expected 'bgr' or 'rgb'")
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        hint = "; channels come last: pass array.transpose(1, 2, 0)" if array.ndim == 3 and array.shape[0] in (1, 3, 4) else ""
        raise ImageError(f"{name} has shape {array.shape}; expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4){hint}")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.dtype not in (np.uint8, np.uint16):
        hint = "; from 0..1: (array * 255).round().astype('uint8'), from 0..255: array.astype('uint8')" if array.dtype.kind == "f" else ""
        raise ImageError(f"{name} has dtype {array.dtype}; expected uint8 or uint16{hint}")
    native = np.ascontiguousarray(array, dtype=np.uint8 if array.dtype == np.uint8 else np.uint16)
    return Picture(rgb_on_white(eight_bits(native), colour=colour))


def from_pillow(image: PillowImage, *, name: str = "image", max_pixels: int = MAX_PIXELS) -> Picture:
    """The picture in a Pillow image of any mode, turned as its EXIF orientation says; of an animation, the frame it stands at.

    Raises ImageError where Pillow cannot load or convert it, or it has more than `max_pixels` pixels.
    """
    _check_size((image.size[1], image.size[0]), name, max_pixels)
    try:
        with _PILLOW:
            image.load()  # of a TIFF, Pillow turns the pixels and drops the tag while loading
            orientation = image.getexif().get(0x0112, 1)
            frames = 1 if getattr(image, "format", None) == "MPO" else getattr(image, "n_frames", 1)
            pixels = _pillow_pixels(image, name)
    except ImageError:
        raise
    except (OSError, ValueError, SyntaxError, EOFError) as error:  # what Pillow raises for broken files and impossible conversions
        raise ImageError(f"{name} is a Pillow image of mode {image.mode} that cannot be read: {error}") from error
    return Picture(upright(pixels, orientation if isinstance(orientation, int) else 1), _frames_note(frames))


_PILLOW = threading.Lock()  # Pillow opens lazily: one image passed to several threads would be read by all of them at once


def _check_size(size: tuple[int, int], name: str, max_pixels: int) -> None:
    height, width = size
    if min(size) < 1:
        raise ImageError(f"{name} is {width} x {height} pixels by its header; expected at least 1 x 1")
    if height * width > max_pixels:
        raise ImageError(
            f"{name} is {width} x {height} = {height * width} pixels by its header; the limit is {max_pixels}, so it was not decoded; "
            "make it smaller, or cut it into tiles"
        )


def _decoded(data: bytes, header: Header, what: str) -> NDArray[Any]:
    """The decoder's own samples: BGR or BGRA or grey, 8 or 16 bits. `what` begins the sentence of an error."""
    flags = cv2.IMREAD_UNCHANGED if header.alpha else cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        samples: NDArray[Any] | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error as error:
        raise ImageError(f"{what} that cannot be decoded: {' '.join(str(error.err).split())}") from error
    if samples is None:
        raise ImageError(f"{what} that is broken or cut off, or of a rare kind; save it again as JPEG or PNG, or copy it again")
    if sorted(samples.shape[:2]) != sorted(header.size):  # the decoder turns TIFF pictures
        raise ImageError(f"{what} that contradicts itself: {header.size} by its header, {samples.shape[:2]} when decoded")
    return samples


def _closed_jpeg(data: bytes, header: Header, name: str) -> bytes:
    """A JPEG without its end marker, with one, if all pixels are there. Raises ImageError where some are missing.

    What follows the last pixel is not looked at, so the picture stays the same whatever is put there; a missing pixel takes it up.
    """
    data = data.rstrip(b"\0")  # a download's space that was never filled
    if data.endswith(b"\xff"):
        data += b"\0"  # as JPEG writes this byte, so that it begins no marker
    what = f"{name} is a JPEG picture that is cut off, or"
    plain, *others = (_decoded(data + more + b"\xff\xd9", header, what) for more in (b"", b"\xaa" * 4096, b"\x55" * 4096))
    if not all(np.array_equal(plain, other) for other in others):
        raise ImageError(f"{name} is a JPEG picture that is cut off: some of its pixels are missing; copy or download it again")
    return data + b"\xff\xd9"


def _from_samples(samples: NDArray[Any], header: Header, name: str) -> Pixels:
    if samples.dtype not in (np.uint8, np.uint16):
        raise ImageError(f"{name} has samples of type {samples.dtype}; expected 8 or 16 unsigned bits")
    if header.inverted and samples.dtype == np.uint16:
        samples = 65535 - samples
    clear = samples == header.clear_grey if header.clear_grey is not None and samples.ndim == 2 else None
    pixels = rgb_on_white(eight_bits(samples, header.white), colour="bgr", premultiplied=header.premultiplied)
    if clear is not None:
        pixels[clear] = 255
    return pixels


def _pillow_pixels(image: PillowImage, name: str) -> Pixels:
    if image.mode.startswith("I;16"):
        return rgb_on_white(eight_bits(np.asarray(image).astype(np.uint16)), colour="rgb")
    if image.mode == "I":  # how Pillow gives some 16-bit greys
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() > 65535:
            raise ImageError(f"{name} is a Pillow image of mode I beyond 0..65535; scale it to mode L first")
        return rgb_on_white(eight_bits(samples.astype(np.uint16)), colour="rgb")
    if image.mode == "F":
        raise ImageError(f"{name} is a Pillow image of mode F, whose range is not agreed upon; scale it to mode L first")
    clear = image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in getattr(image, "info", {})
    if image.mode in ("RGBa", "La"):
        image = image.convert(image.mode.upper())
    return rgb_on_white(np.asarray(image.convert("RGBA" if clear else "RGB"), np.uint8), colour="rgb")


def _frames_note(frames: int) -> tuple[str, ...]:
    return (f"only one of its {frames} frames was taken",) if frames > 1 else ()
