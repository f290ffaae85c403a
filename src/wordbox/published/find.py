"""From a published name to a file on this machine: beside the user, or in the cache. Nothing is downloaded."""

import difflib
import hashlib
import os
import sys
from pathlib import Path

from wordbox import variants
from wordbox.errors import WeightsError
from wordbox.published.entries import ENTRIES, Entry

CACHE_VARIABLE = "WORDBOX_CACHE"
"""The environment variable that names another cache folder."""


def find(name: str) -> Entry:
    """The published file called `name`, "yolov5s" or "yolov5s@v3.1", in any case.

    Raises WeightsError with the nearest names where there is none.
    """
    wanted = name.lower()
    if wanted in ENTRIES:
        return ENTRIES[wanted]
    plain, _, tag = wanted.partition("@")
    if tag and plain in ENTRIES:
        tags = ", ".join(entry.tag for key, entry in ENTRIES.items() if key == f"{plain}@{entry.tag}")
        raise WeightsError(f"found no published weights {plain} of {tag!r}; there are those of {tags}")
    if wanted in map(str.lower, variants.names()):
        raise WeightsError(
            f"the network {name} is known, but no weights of it were published; name a file (wordbox info {name} describes it)"
        )
    near = ", ".join(difflib.get_close_matches(wanted, [*ENTRIES, "wordbox-nano"], 3, 0.6))
    raise WeightsError(
        f"found no published weights called {name!r}; {f'the nearest are {near}' if near else 'expected one such as yolov5s'}"
    )


def cache_folder() -> Path:
    """Where downloaded files are kept: $WORDBOX_CACHE, or the folder "wordbox" in the platform's place for caches."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser()
    match sys.platform:
        case "win32":
            above = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
        case "darwin":
            above = Path.home() / "Library" / "Caches"
        case _:
            given = os.environ.get("XDG_CACHE_HOME", "")
            above = given if os.path.isabs(given) else Path.home() / ".cache"  # the XDG specification ignores relative ones
    return Path(above) / "wordbox"


def places(entry: Entry) -> tuple[Path, Path]:
    """Where the file of an entry is looked for: in the current folder, then in the cache, where releases have folders."""
    return Path(entry.file), cache_folder() / entry.family / entry.tag / entry.file


def locate(entry: Entry) -> Path | None:
    """The file of an entry on this machine, or None. Raises WeightsError where a file has its name and is another one.

    In the current folder a file whose size and checksum nobody stated counts for the plain name alone, not for one tag of several.
    """
    beside, kept = places(entry)
    if beside.is_file() and (ENTRIES[Path(entry.file).stem.lower()] == entry or entry.bytes or entry.sha256):
        _check(entry, beside)
        return beside
    if kept.is_file():
        _check(entry, kept)
        return kept
    return None


def path_of(name: str) -> Path:
    """The file of the published weights called `name` on this machine.

    Raises WeightsError that says where it can be had and where it was looked for where it is not there.
    """
    entry = find(name)
    found = locate(entry)
    if found is not None:
        return found
    beside, kept = places(entry)
    size = f", {entry.bytes:,} bytes" if entry.bytes else ""
    doubt = f"; the {beside} there may be another release's, and is used under its path {_as_path(beside)}" if beside.is_file() else ""
    raise WeightsError(
        f"{entry.name}: its file {entry.file} is neither in this folder ({beside.resolve().parent}) nor at {kept}{doubt}; "
        f"download {entry.address} to {kept if doubt else 'one of them'} (licence: {entry.licence}{size})"
    )


def checksum(path: Path) -> str:
    """The sha256 of a file, of which little is held at a time. Raises OSError."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            found.update(chunk)
    return found.hexdigest()


def _check(entry: Entry, path: Path) -> None:
    """Raise WeightsError where the file at `path` is not that of `entry`, as far as size and checksum are known."""
    others = [other for other in ENTRIES.values() if other.file == entry.file and other.sha256 not in (None, entry.sha256)]
    try:
        size = path.stat().st_size
        digest = checksum(path) if others or entry.sha256 or entry.begins else None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); looked for {path.resolve()}") from error
    owner = next((other.name for other in others if other.sha256 == digest), None)
    if owner is None and entry.bytes in (None, size) and entry.sha256 in (None, digest) and (digest or "").startswith(entry.begins):
        return
    found = f"the file of {owner}" if owner else f"a file of {size:,} bytes with the sha256 {digest}"
    size_known = "" if entry.bytes is None else f"{entry.bytes:,} bytes"
    begins = entry.begins and f"a sha256 that begins with {entry.begins}"
    known = " and ".join(filter(None, (size_known, entry.sha256 and f"the sha256 {entry.sha256}", begins)))
    wanted = f"that of {entry.name}" + (f" with {known}" if known else "")
    cut = f"if its download broke off, fetch {entry.address} again; " if owner is None and size < (entry.bytes or 0) else ""
    raise WeightsError(
        f"{path}: found {found}, expected {wanted} at {path.resolve()}; {cut}to use it as it is, name its path: {_as_path(path)}"
    )


def _as_path(path: Path) -> str:
    """The path as somebody writes it who means a file and not a name."""
    return str(path) if path.is_absolute() else os.path.join(os.curdir, path)
