"""The pictures below a folder or behind a pattern, by their names and first bytes; nothing is decoded."""

import glob
import os
import re
import stat
from collections.abc import Iterator

from wordbox.images.kinds import PICTURE_EXTENSIONS, SNIFF_BYTES, kind_of

Found = tuple[list[str], list[str]]
"""Paths of pictures; paths of what was passed over (below the folder, or as matched)."""


def pictures_below(folder: str) -> Found:
    """The pictures in a folder and its subfolders, in natural order (img2 before img10), and what was skipped.

    Hidden files and folders (.name, ._name) are skipped, and files that are no picture by their content; a file with a picture's extension
    counts whatever it holds, so that a broken one is reported. So does what cannot be opened. Links are followed; a folder that is reached
    twice counts once.
    """
    pictures: list[str] = []
    skipped: list[str] = []
    for path, wanted in _walk(folder, set()):
        if wanted:
            pictures.append(path)
        else:
            skipped.append(os.path.relpath(path, folder))
    return pictures, skipped


def matches(pattern: str) -> Found | None:
    """The pictures that a pattern with * ? [ ] or ** leads to, in natural order, and what was skipped; None where it is no pattern.

    Leading folders that exist by that very name are taken literally. Folders that match are searched in depth, unless ** has done so.
    """
    if not glob.has_magic(pattern):
        return None
    pictures: list[str] = []
    skipped: list[str] = []
    for path in sorted(glob.glob(_literal_start(pattern), recursive=True), key=natural_key):
        if not os.path.isdir(path):
            (pictures if _is_picture(path) else skipped).append(path)
        elif "**" not in pattern:
            below, passed = pictures_below(path)
            pictures += below
            skipped += [os.path.join(path, name) for name in passed]
    return pictures, skipped


def natural_key(path: str) -> tuple[tuple[tuple[tuple[int, int, str], ...], str], ...]:
    """Sorts img2 before img10, a folder's parts one by one, case aside."""
    return tuple((_natural_part(part), part) for part in re.split(r"[/\\]", path))


def _natural_part(part: str) -> tuple[tuple[int, int, str], ...]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", part.casefold())
    return tuple((0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces)


def _walk(folder: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, bool]]:
    """(path, whether it is a picture) of everything below a folder, in natural order."""
    try:
        with os.scandir(folder) as entries:
            here = os.stat(folder)
            if (here.st_dev, here.st_ino) in seen and here.st_ino:
                return
            seen.add((here.st_dev, here.st_ino))
            inside = sorted(entries, key=lambda entry: natural_key(entry.name))
    except OSError:
        yield folder, True  # reading it will say why
        return
    for entry in inside:
        if entry.name.startswith("."):
            yield entry.path, False
        elif os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # is_dir raises for a link to itself
            yield from _walk(entry.path, seen)
        else:
            yield entry.path, _is_picture(entry.path)


def _is_picture(path: str) -> bool:
    """Whether a file counts as a picture: by its extension, or else by its first bytes."""
    named = os.path.splitext(path)[1].lower() in PICTURE_EXTENSIONS
    try:
        regular = stat.S_ISREG(os.stat(path).st_mode)
    except OSError:  # a link to nowhere
        return named
    if named or not regular:
        return regular  # a pipe or a device is left alone: opening it could wait for ever
    try:
        with open(path, "rb") as stream:
            return kind_of(stream.read(SNIFF_BYTES)).picture
    except OSError:
        return True  # reading it will say why


def _literal_start(pattern: str) -> str:
    """The pattern with the leading folders that exist by that very name escaped, up to the first one that does not."""
    parts = pattern.split("/")
    for count in range(len(parts) - 1, 0, -1):
        start = "/".join(parts[:count])
        if os.path.isdir(start):
            return glob.escape(start) + "/" + "/".join(parts[count:])
    return pattern
