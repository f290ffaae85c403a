"""Where pictures come from: whatever a user names, as a list of named pictures that can be read later, one at a time."""

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from io import IOBase
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import SourceError
from wordbox.images.download import download
from wordbox.images.folders import matches, pictures_below
from wordbox.images.kinds import SNIFF_BYTES, kind_of
from wordbox.images.pixels import Colour
from wordbox.images.read import Picture, PillowImage, decode, from_array, from_pillow, read_file, read_stream

ImageInput = str | os.PathLike[str] | bytes | NDArray[Any] | PillowImage
"""One picture, or text that leads to many: a path, folder, pattern, list file, http(s) address, or "-" for standard input."""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A picture that can be read, now or later, again, and from any thread. Files and addresses are read anew each time."""

    name: str
    """Tells it from others: the path (a folder's, with what lies below) or address as written, "array 3", "bytes 0", "image 1", "-".

    The number counts the items of the call from 0.
    """
    _load: Callable[[], Picture] = field(repr=False)
    _file: str | None = None

    @property
    def path(self) -> Path | None:
        """The file it is read from, where there is one."""
        return None if self._file is None else Path(self._file)

    def read(self) -> Picture:
        """The picture. Raises SourceError where nothing is there, ImageError where it is no picture that can be read."""
        return self._load()

    @property
    def file_name(self) -> str:
        """A name for a file about it, without folders: "red bus.jpg" of ".../red%20bus.jpg?size=2"; sources may share it."""
        parts = urlsplit(self.name) if _is_address(self.name) else None
        text = (unquote(parts.path.rstrip("/").rpartition("/")[2]) or parts.hostname or "") if parts else os.path.basename(self.name)
        return re.sub(r'[\x00-\x1f<>:"/\\|?*]', "_", text).strip(". ") or "picture"


@dataclass(frozen=True)
class Sources:
    """All the pictures that an argument leads to, in order."""

    items: tuple[Source, ...]
    single: bool
    """Whether the argument was one picture, so that the answer is one too: a file, address, "-", bytes, one array, a Pillow image."""
    notes: tuple[str, ...] = ()
    """What was passed over: "photos: skipped 2 files that are hidden or no pictures: .DS_Store, notes.txt"."""


def find(images: ImageInput | Iterable[ImageInput], *, colour: Colour = "bgr", stdin: BinaryIO | None = None) -> Sources:
    """The pictures that `images` leads to, found but not read.

    One picture: a path, an http(s) or file address, "-" (standard input, or `stdin`, read at once and kept), encoded bytes, a NumPy array
    (H, W[, C]), a Pillow image. Many: a folder (searched in depth, in natural order; what is hidden or no picture by its content is skipped
    and noted), a pattern with * ? [ ] ** (where no file has that very name), a .txt file with a path or address a line (relative to
    itself; blank lines and lines that start with # do not count), an array (B, H, W, C), or a list of any of these. `colour` is the order
    of channels in arrays. Arrays and Pillow images are kept, not copied.

    Raises SourceError where a lone argument leads to no picture, or something is passed that cannot be one. In a list, what leads to no
    picture is an item whose `read` raises.
    """
    search = _Search(colour, stdin)
    if _is_many(images):
        for given in images:
            try:
                search.add(given)
            except SourceError as error:
                search.items.append(_failing(_named(given, len(search.items)), str(error)))
        if not search.items:
            raise SourceError("the list of pictures is empty; expected at least one")
        return Sources(tuple(search.items), single=False, notes=tuple(search.notes))
    single = search.add(images)
    return Sources(tuple(search.items), single=single, notes=tuple(search.notes))


def _is_many(images: object) -> TypeGuard[Iterable[Any]]:
    if isinstance(images, np.ndarray):
        return images.ndim == 1 and images.dtype.kind in "UO"
    return isinstance(images, Sequence | Iterator) and not isinstance(images, str | bytes | bytearray | memoryview | IOBase)


def _is_pillow(given: object) -> TypeGuard[PillowImage]:
    return any(kind.__module__.partition(".")[0] == "PIL" for kind in type(given).__mro__)


def _is_address(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


class _Search:
    """Collects the items of one call."""

    def __init__(self, colour: Colour, stdin: BinaryIO | None) -> None:
        self.colour = colour
        self.stdin = stdin
        self.piped: bytes | None = None
        self.items: list[Source] = []
        self.notes: list[str] = []

    def add(self, given: object) -> bool:
        """Adds what one argument leads to; says whether that is one picture by its nature. Raises SourceError, having added nothing."""
        place = len(self.items)
        if isinstance(given, str | os.PathLike):
            return self._add_text(os.fsdecode(given))
        if isinstance(given, bytes | bytearray | memoryview):
            return self._keep(f"bytes {place}", partial(decode, bytes(given), name=f"bytes {place}"))
        if _is_pillow(given):
            return self._keep(f"image {place}", partial(from_pillow, given, name=f"image {place}"))
        if isinstance(given, np.ndarray):
            if given.ndim != 4:
                return self._keep(f"array {place}", partial(from_array, given, colour=self.colour, name=f"array {place}"))
            if not len(given):
                raise SourceError(f"an array of shape {given.shape} holds no picture")
            for each in given:
                name = f"array {len(self.items)}"
                self._keep(name, partial(from_array, each, colour=self.colour, name=name))
            return False
        raise SourceError(
            f"cannot take a picture from {type(given).__module__}.{type(given).__qualname__}; expected a path, an address, bytes, "
            "a NumPy array or a Pillow image, or a flat list of them"
        )

    def _keep(self, name: str, load: Callable[[], Picture], file: str | None = None) -> bool:
        self.items.append(Source(name, load, file))
        return True

    def _add_text(self, text: str, *, inside: Path | None = None) -> bool:
        """`inside` is the list file that the text stands in: paths are relative to it, and it cannot name other lists."""
        if text == "-" and inside is None:
            return self._keep("-", partial(decode, self._read_stdin(), name="standard input (-)"))
        scheme = None if os.path.lexists(text) else re.match(r"([A-Za-z][A-Za-z0-9+.-]+):(?=//)|data:", text)
        if _is_address(text):
            return self._keep(_shown(text), partial(_read_address, text))
        if scheme and scheme[0].lower() == "file:":
            return self._add_path(_file_path(text), text, inside)
        if scheme:
            raise SourceError(f"{text[:200]!r} cannot be read; expected a path, or an address of http, https or file")
        written = str(inside.parent / text) if inside else text
        if written.startswith("~") and not os.path.lexists(written):
            written = os.path.expanduser(written)
        return self._add_path(written, written, inside)

    def _add_path(self, path_text: str, written: str, inside: Path | None) -> bool:
        try:
            return self._add_place(path_text, written, inside)
        except OSError as error:
            raise SourceError(f"{_shown(written)} cannot be read: {error.strerror or error}{_resolved(path_text)}") from error

    def _add_place(self, path_text: str, written: str, inside: Path | None) -> bool:
        if os.path.isdir(path_text):
            return self._add_found(written, *pictures_below(path_text))
        path = Path(path_text)
        name = _shown(written)
        if not os.path.exists(path_text):
            found = matches(path_text)
            if found is None:
                raise SourceError(_missing(path_text, written))
            return self._add_found(written, *found)
        if not path.is_file():  # a pipe, as bash's <(...): it can be read once
            with path.open("rb") as stream:
                return self._keep(name, partial(decode, read_stream(stream, name), name=name), path_text)
        if path.suffix.lower() == ".txt" and (lines := _list_lines(path, name)) is not None:
            if inside:
                raise SourceError(f"{inside} names another list, {name}; expected pictures, folders, patterns and addresses")
            return self._add_list(path, lines)
        return self._keep(name, partial(_read_file, path_text, name), path_text)

    def _add_found(self, written: str, paths: list[str], skipped: list[str]) -> bool:
        shown = _shown(written)
        if not paths:
            more = f"; found {_skipped(skipped)}" if skipped else "; nothing is there"
            raise SourceError(f"no picture at {shown!r}{_resolved(written)}{more}")
        for path in paths:
            name = _shown(path)
            self._keep(name, partial(_read_file, path, name), path)
        if skipped:
            self.notes.append(f"{shown}: skipped {_skipped(skipped)}")
        return False

    def _add_list(self, path: Path, lines: list[str]) -> bool:
        if not lines:
            raise SourceError(f"the list {path} names nothing; expected a path or an address a line")
        for line in lines:
            try:
                self._add_text(line, inside=path)
            except SourceError as error:
                self.items.append(_failing(_shown(line if _is_address(line) else str(path.parent / line)), f"{error} (named in {path})"))
        return False

    def _read_stdin(self) -> bytes:
        if self.piped is None:
            self.piped = read_stream(self.stdin or sys.stdin.buffer, "standard input (-)")
        return self.piped


def _read_file(path_text: str, name: str) -> Picture:
    return read_file(Path(path_text), name=name)


def _read_address(address: str) -> Picture:
    return decode(download(address), name=address)


def _failing(name: str, message: str) -> Source:
    return Source(name, partial(_refuse, message))


def _refuse(message: str) -> Picture:
    raise SourceError(message)


def _named(given: object, place: int) -> str:
    return _shown(os.fsdecode(given)) if isinstance(given, str | os.PathLike) else f"{type(given).__qualname__} {place}"


def _shown(text: str) -> str:
    """Text that can be printed whatever bytes a file's name has."""
    return text.encode("utf-8", "backslashreplace").decode()


def _file_path(address: str) -> str:
    parts = urlsplit(address)
    if parts.netloc not in ("", "localhost"):
        raise SourceError(f"{address!r} names the host {parts.netloc!r}; expected file:/// and a path of this machine")
    return url2pathname(parts.path)


def _list_lines(path: Path, name: str) -> list[str] | None:
    """The entries of a list file; None where the file is a picture in spite of its name. Raises SourceError where it is no text."""
    with path.open("rb") as stream:
        if kind_of(stream.read(SNIFF_BYTES)).picture:
            return None
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(f"the list {name} is no UTF-8 text ({error.reason} at byte {error.start}); save it as UTF-8") from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _missing(path_text: str, written: str) -> str:
    return f"no file, folder or match at {_shown(written)!r}{_resolved(path_text)}; check the path, or quote it if it holds spaces"


def _resolved(path_text: str) -> str:
    try:
        whole = os.path.abspath(path_text)
    except ValueError:  # a zero byte in it
        return ""
    return f" ({_shown(whole)})" if whole != path_text else ""


def _skipped(names: list[str], most: int = 5) -> str:
    what = "1 file that is hidden or no picture" if len(names) == 1 else f"{len(names)} files that are hidden or no pictures"
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{what}: {', '.join(_shown(name) for name in names[:most])}{more}"
