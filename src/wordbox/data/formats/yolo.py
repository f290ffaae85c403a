"""Labels in YOLO's form: a data.yaml with names and splits, and a text file of rows for each picture."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

from wordbox.data.formats import yaml_text
from wordbox.data.formats.yaml_text import Value, kind
from wordbox.data.formats.yolo_rows import read_rows
from wordbox.data.formats.yolo_splits import pictures_of
from wordbox.data.notes import told
from wordbox.data.pictures import place, upright_size
from wordbox.data.records import Dataset, Record, record
from wordbox.errors import DatasetError
from wordbox.vocabulary.words import word_key

UNKNOWN = (640, 640)
"""Taken for the size of a picture that cannot be read, so that its boxes still count as not found."""
MAX_BYTES = 64_000_000
"""Larger label files are refused."""


def read(path: Path, split: str = "val") -> Dataset:
    """The pictures and boxes of one split of a data.yaml.

    The labels of a picture lie beside it, or where the last folder `images` of its path is called `labels`. A picture without a label
    file has no objects. Rows that cannot be used are left out and named in `notes`; polygons count with their tight boxes. Raises
    DatasetError where the file cannot be read, names no such split, its pictures are not there, or none of them has labels.
    """
    content = yaml_text.read(path)
    names, label_of, notes = _classes(content, path)
    pictures, whole, more = pictures_of(content, split, path)
    odd: dict[str, list[str]] = defaultdict(list)
    used: dict[Path, Path] = {}
    records = []
    for picture in pictures:
        labels = next((place_of for place_of in label_places(picture) if place_of.is_file()), None)
        if labels is not None:
            used[picture] = labels
        records.append(_record(picture, labels, label_of, odd))
    if not used:
        looked = " and ".join(str(place_of) for place_of in label_places(pictures[0]))
        raise DatasetError(f"{place(path)}: none of the {len(pictures)} pictures of {split} has labels; looked for {looked}, and alike")
    bare = [str(picture) for picture in pictures if picture not in used]
    if bare:
        more += told(path, "picture", {"without a label file: counted as pictures without objects": bare})
    if whole:
        more += _orphans(used, path)
    return Dataset(source=path, names=names, records=tuple(records), notes=(*notes, *more, *told(path, "row", odd)))


def label_places(picture: Path) -> list[Path]:
    """Where the labels of a picture may lie, the likeliest first."""
    places = []
    for one in (picture, Path(os.path.abspath(picture))):
        parts = list(one.parent.parts)
        if "images" in parts:
            last = len(parts) - 1 - parts[::-1].index("images")
            places.append(Path(*parts[:last], "labels", *parts[last + 1 :], f"{picture.stem}.txt"))
            break
    return [*places, picture.with_suffix(".txt")]


def _record(picture: Path, labels: Path | None, label_of: Mapping[int, int], odd: dict[str, list[str]]) -> Record:
    size = upright_size(picture)
    if labels is None:
        return record(picture, size or (0, 0), [])
    marks, oddities = read_rows(_text(labels), label_of, size or UNKNOWN)
    for what, row, shown in oddities:
        odd[what].append(f"{labels} row {row}{': ' if shown else ''}{shown}")
    if size is None and marks:
        height, width = UNKNOWN
        odd[f"of pictures that cannot be read: counted, as if these had {width} x {height} pixels"].append(f"{labels}, {len(marks)} rows")
    return record(picture, size or (0, 0), marks)


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise DatasetError(f"{place(path)}: the labels cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise DatasetError(f"{place(path)}: the labels have more than {MAX_BYTES} bytes; expected a row an object")
    # What is no text is no number either, and each such row is named.
    return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")


def _orphans(used: Mapping[Path, Path], path: Path) -> list[str]:
    """A note on label files whose pictures are not there."""
    taken = set(used.values())
    folders = dict.fromkeys(labels.parent for picture, labels in used.items() if labels.parent != picture.parent)
    lone = [str(one) for folder in folders for one in sorted(folder.glob("*.txt")) if one not in taken and one.name != "classes.txt"]
    return told(path, "label file", {"without a picture: not counted": lone}) if lone else []


def _classes(content: Mapping[str, Value], path: Path) -> tuple[tuple[str, ...], dict[int, int], list[str]]:
    """The names, the position of each class number among them, and notes on what is odd."""
    names: list[str] = []
    label_of: dict[int, int] = {}
    position_of: dict[str, int] = {}
    again: list[str] = []
    for number, name in _named(content, path):
        if not name.strip() or not name.isprintable():
            raise DatasetError(f"{place(path)}: class {number} is called {kind(name)} in names; expected a name")
        label = position_of.setdefault(word_key(name), len(names))
        label_of[number] = label
        if label < len(names):
            again.append(f"{number} {name.strip()}")
        else:
            names.append(name.strip())
    notes = told(path, "name", {"alike to an earlier one: both are read as one class": again}) if again else []
    count = content.get("nc")
    if count is not None and not (isinstance(count, str) and count.strip() == str(len(label_of))):
        notes.append(f"{path}: nc is {kind(count)}, but names has {len(label_of)} classes; the {len(label_of)} names are taken")
    return tuple(names), label_of, notes


def _named(content: Mapping[str, Value], path: Path) -> Iterator[tuple[int, str]]:
    """(number, name) of every class."""
    found = content.get("names")
    expected = "expected a list, or a mapping from numbers to names"
    if found is None or isinstance(found, str) or not found:
        counted_only = "; nc alone names no class" if "nc" in content else ""
        raise DatasetError(f"{place(path)}: found {kind(found)} as names; {expected}{counted_only}")
    pairs = enumerate(found) if isinstance(found, list) else found.items()
    seen = set()
    for key, name in pairs:
        if isinstance(key, str) and not (key.strip().isdecimal() and key.isascii() and len(key) < 10):
            raise DatasetError(f"{place(path)}: found {kind(key)} as the number of a class in names; {expected}")
        if not isinstance(name, str):
            raise DatasetError(f"{place(path)}: found {kind(name)} as the name of class {key}; {expected}")
        number = int(key)
        if number in seen:
            raise DatasetError(f"{place(path)}: class {number} stands twice in names; give each class a number of its own")
        seen.add(number)
        yield number, name
