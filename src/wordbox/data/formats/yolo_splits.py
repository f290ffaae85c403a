"""Which pictures a data.yaml means by train, val or test, wherever the folder has been moved to since it was written."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wordbox.data.formats.yaml_text import Value, kind
from wordbox.data.notes import told
from wordbox.data.pictures import listed, place
from wordbox.errors import DatasetError
from wordbox.images.folders import matches, pictures_below
from wordbox.images.kinds import PICTURE_EXTENSIONS

SPELLINGS = (("val", "valid", "validation"), ("test", "testing"), ("train", "training"))
"""Keys that mean the same split."""
_NOTHING = ("", "null", "~", "Null", "NULL")
_EXPECTED = "a folder, a pattern, or a .txt file with a picture a line"


class Split(NamedTuple):
    """The pictures of one split, in order, each once."""

    pictures: list[Path]
    folders: bool
    """Whether whole folders were named, so that labels without a picture are odd."""
    notes: list[str]


def pictures_of(content: Mapping[str, Value], split: str, path: Path) -> Split:
    """The pictures that `content`, read from `path`, names under `split`.

    Entries are looked for below `path:` (itself relative to the file's folder), then beside the file; where they are there in neither
    place, parts are taken off their left end (`../valid/images`, `/home/me/set/valid/images`), and a note says so. Raises DatasetError
    where the split is not named, or one of its entries or pictures is not there. `download:` is never run.
    """
    key, entries = _entries(content, split, path)
    search = _Search(path, key, _roots(content, path))
    found: list[Path] = []
    for entry in entries:
        found += search.pictures(entry)
    once = {os.path.abspath(picture): picture for picture in reversed(found)}
    pictures = [picture for picture in found if once.pop(os.path.abspath(picture), None) is not None]
    if len(pictures) < len(found):
        search.notes.append(f"{path}: {len(found) - len(pictures)} pictures are named twice under {key}; each is counted once")
    return Split(pictures, search.folders, search.notes)


def spellings_of(split: str) -> tuple[str, ...]:
    """The names that a split may go by, its own first."""
    same = next((group for group in SPELLINGS if split in group), ())
    return tuple(dict.fromkeys([split, *same]))


def _entries(content: Mapping[str, Value], split: str, path: Path) -> tuple[str, list[str]]:
    """The key that names the split, and its entries."""
    for key in spellings_of(split):
        value = content.get(key, "")
        entries = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, str) for entry in entries):
            wrong = next(entry for entry in entries if not isinstance(entry, str))
            raise DatasetError(f"{place(path)}: found {kind(wrong)} under {key}; expected {_EXPECTED}, or a list of them")
        texts = [entry.strip() for entry in entries if isinstance(entry, str) and entry.strip() not in _NOTHING]
        if texts:
            return key, texts
    there = [key for group in SPELLINGS for key in group if content.get(key, "") not in ("", *_NOTHING)]
    raise DatasetError(
        f"{place(path)}: has no {split}; found {', '.join(there) or 'no split at all'}; expected {split}: with {_EXPECTED}, "
        "or choose another split"
    )


def _roots(content: Mapping[str, Value], path: Path) -> list[Path]:
    """The folders that entries are relative to, the likeliest first."""
    named = content.get("path", "")
    if not isinstance(named, str):
        raise DatasetError(f"{place(path)}: found {kind(named)} under path; expected the folder that train and val are relative to")
    if named.strip() in _NOTHING:
        return [path.parent]
    named = os.path.expanduser(named.strip())
    spellings = [named, named.replace("\\", "/")]
    base = next((path.parent / one for one in spellings if os.path.isdir(path.parent / one)), path.parent / spellings[1])
    return list(dict.fromkeys([base, path.parent]))


class _Search:
    """Finds the pictures of one split's entries."""

    def __init__(self, path: Path, key: str, roots: Sequence[Path]) -> None:
        self._path, self._key, self._roots = path, key, roots
        self.folders = True
        self.notes: list[str] = []

    def pictures(self, entry: str) -> list[Path]:
        """The pictures of one entry."""
        if re.match(r"[a-z]+://", entry, re.IGNORECASE):
            raise DatasetError(f"{self._where(entry)} is an address; fetch the pictures yourself and name {_EXPECTED}")
        place_of, moved = _located(entry, self._roots)
        if place_of is None:
            return self._matching(entry)
        if moved:
            self.notes.append(f"{self._path}: {self._key} {entry!r} is not there; read {place_of} instead")
        if place_of.is_dir():
            return self._below(place_of, entry)
        self.folders = False
        if place_of.suffix.lower() == ".txt":
            return self._listed(place_of)
        if place_of.suffix.lower() in PICTURE_EXTENSIONS:
            return [place_of]
        raise DatasetError(f"{self._where(entry)} is a file; expected {_EXPECTED}")

    def _where(self, entry: str) -> str:
        return f"{place(self._path)}: {self._key} {entry!r}"

    def _below(self, folder: Path, entry: str) -> list[Path]:
        pictures, skipped = pictures_below(str(folder))
        strange = [name for name in skipped if not _is_usual(name)]
        if strange:
            self.notes += told(self._path, "file", {f"in {folder} that are no pictures": strange})
        if not pictures:
            raise DatasetError(f"{self._where(entry)} is the folder {place(folder)}, in which there is no picture; expected some")
        return [Path(picture) for picture in pictures]

    def _matching(self, entry: str) -> list[Path]:
        for root in self._roots:
            for spelling in (entry, entry.replace("\\", "/")):
                found = matches(str(root / spelling))
                if found is not None and found[0]:
                    self.folders = False
                    return [Path(picture) for picture in found[0]]
        looked = ", ".join(place(root / entry.replace("\\", "/")) for root in self._roots)
        raise DatasetError(
            f"{self._where(entry)} is not there; expected {_EXPECTED}; looked for {looked}; correct it, or put the pictures there "
            "(nothing is downloaded)"
        )

    def _listed(self, path: Path) -> list[Path]:
        """The pictures that a list names, relative to itself or to the data's folder."""
        try:
            lines = path.read_bytes().decode("utf-8-sig").splitlines()
        except OSError as error:
            raise DatasetError(f"{place(path)}: the list cannot be read: {error.strerror or error}") from error
        except UnicodeDecodeError as error:
            raise DatasetError(
                f"{place(path)}: the list is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
            ) from error
        named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
        roots = list(dict.fromkeys([path.parent, *self._roots]))
        found = [_located(name, roots) for name in named]
        lost = [name for name, (picture, _) in zip(named, found, strict=True) if picture is None or picture.is_dir()]
        if lost or not named:
            raise DatasetError(
                f"{place(path)}: {len(lost)} of its {len(named)} pictures cannot be found: {listed(lost)}; looked in the folders "
                f"{', '.join(map(str, roots))}; put them there or correct the list"
            )
        moved = [name for name, (_, elsewhere) in zip(named, found, strict=True) if elsewhere]
        if moved:
            self.notes += told(path, "picture", {"found without the first folders of their names": moved})
        return [picture for picture, _ in found if picture is not None]


def _located(entry: str, roots: Sequence[Path]) -> tuple[Path | None, bool]:
    """Where an entry is, and whether parts of its left end had to be taken off; None where it is nowhere."""
    tails = [(entry, False), (entry.replace("\\", "/"), False), *((tail, True) for tail in _tails(entry))]
    for tail, moved in tails:
        for root in roots:
            if os.path.exists(root / tail):
                return root / tail, moved
    return None, False


def _tails(entry: str) -> Iterator[str]:
    """What is left of a path when it loses `..`, its root, and then folder after folder; never one name alone, which may be any."""
    parts = [part for part in re.split(r"[/\\]", os.path.expanduser(entry)) if part not in ("", ".")]
    ups = next((count for count, part in enumerate(parts) if part != ".."), len(parts))
    if ups and ups < len(parts):
        yield "/".join(parts[ups:])
    for start in range(ups, len(parts) - 1):
        yield "/".join(parts[start:])


def _is_usual(name: str) -> bool:
    """Whether a file that is no picture is nothing odd beside pictures: hidden, labels, or another tool's cache."""
    return any(part.startswith(".") for part in re.split(r"[/\\]", name)) or name.lower().endswith((".txt", ".cache", ".npy"))
