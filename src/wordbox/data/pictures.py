"""Where the pictures lie that a file of labels names, and how large they are."""

import os
import struct
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from wordbox.errors import DatasetError, WordboxError
from wordbox.images import kinds
from wordbox.images.headers import header_of
from wordbox.images.read import read_file

SHOWN = 3
"""How many names a message lists before it only counts them."""


def find_pictures(labels: Path, names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The path of each named picture, and a note where some were found by their plain names only.

    Names are tried as written, then with backslashes as folders, in each of the usual folders (see `folders_of`), then without
    their own folders in the same places. Raises DatasetError that counts and names the pictures that are nowhere, and says where they were
    looked for.
    """
    folders = folders_of(labels)
    found = [_first_file(folders, _spellings(name)) for name in names]
    plain: dict[int, Path] = {}
    for position, name in enumerate(names):
        if found[position] is None:
            path = _first_file(folders, [_plain(name)])
            if path is not None:
                plain[position] = path
    # A plain name that two pictures share says nothing: each would be taken for the other.
    used = Counter([*found, *plain.values()])
    plain = {position: path for position, path in plain.items() if used[path] == 1}
    found = [plain.get(position, path) for position, path in enumerate(found)]
    lost = [name for name, path in zip(names, found, strict=True) if path is None]
    if lost:
        raise DatasetError(
            f"{place(labels)}: {len(lost)} of {len(names)} pictures cannot be found: {listed(lost)}; looked in the folders "
            f"{', '.join(map(str, folders))}; put them there or correct file_name"
        )
    paths = [path for path in found if path is not None]
    if not plain:
        return paths, []
    moved = [names[position] for position in plain]
    return paths, [f"{labels}: {len(moved)} pictures found by their plain names, not in the folders of file_name: {listed(moved)}"]


def folders_of(labels: Path) -> list[Path]:
    """The existing folders where pictures of this file of labels usually lie, nearest first.

    Its own folder and `images` in it, the folder above and `images` in that, and in each of them a folder for the split that the
    file is named after (`annotations/instances_val2017.json` and `val2017`).
    """
    here = labels.parent
    above = here / ".." if here == Path() or here.name == ".." else here.parent
    split = labels.stem.rpartition("_")[2]
    places = [here, here / "images", above, above / "images"]
    return [folder for folder in dict.fromkeys([*places, *(folder / split for folder in places)]) if os.path.isdir(folder)]


def upright_size(path: Path) -> tuple[int, int] | None:
    """(height, width) of a picture as `images` reads it; None where it cannot be read.

    Of the usual kinds only the header is looked at: what lies behind it may still be broken.
    """
    try:
        data = path.read_bytes()
        kind = kinds.kind_of(data[: kinds.SNIFF_BYTES])
        if kind not in (kinds.JPEG, kinds.PNG, kinds.WEBP):  # of the others the header does not tell how they are turned
            height, width = read_file(path, name=str(path)).pixels.shape[:2]
            return height, width
        header = header_of(kind, data)
    except (OSError, WordboxError, ValueError, IndexError, struct.error):
        return None  # whoever reads it will say why
    if min(header.size) < 1:
        return None
    return header.size[::-1] if header.orientation >= 5 else header.size


def place(path: Path) -> str:
    """A path for a message: as written, and as resolved where that differs."""
    resolved = os.path.abspath(path)
    return str(path) if str(path) == resolved else f"{path} ({resolved})"


def listed(names: Sequence[str]) -> str:
    """The first names for a message, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    # Names that would break the line or the terminal are shown with their escapes.
    shown = [name if name.isprintable() else repr(name) for name in names[:SHOWN]]
    return f"{', '.join(shown)}{more}"


def _first_file(folders: Sequence[Path], spellings: Sequence[str]) -> Path | None:
    # os.path answers False for names that no file can have (too long, with a zero byte), where pathlib may raise.
    for folder in folders:
        for spelling in spellings:
            if os.path.isfile(folder / spelling):
                return folder / spelling
    return None


def _spellings(name: str) -> list[str]:
    return list(dict.fromkeys([name, name.replace("\\", "/")]))


def _plain(name: str) -> str:
    return name.replace("\\", "/").rpartition("/")[2]
