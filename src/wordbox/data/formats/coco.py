"""Labels in COCO's JSON, as people really write it: ids are only keys, and what cannot be used is left out by name."""

import json
import math
from collections import defaultdict
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, TypeGuard

from wordbox.data.notes import counted, told
from wordbox.data.pictures import find_pictures, place
from wordbox.data.records import FARTHEST, Dataset, Mark, Record, record
from wordbox.errors import DatasetError
from wordbox.vocabulary.words import word_key

Key = int | float | str
Entry = dict[str, Any]


def read(path: Path) -> Dataset:
    """The pictures and boxes of one COCO JSON file.

    Ids of any kind (0, sparse, text) are only keys. Pictures stand in the order of their ids, as pycocotools takes them. Annotations
    that cannot be used (unknown picture or category, a box without area) are left out and named in `notes`; a missing area is width
    times height, a missing iscrowd is 0; of segmentations nothing is used. Raises DatasetError where the file cannot be read, is not
    of this form, gives one id to two things, or where a picture cannot be found.
    """
    content = _parsed(path)
    names, label_of, name_notes = _classes(_entries(content, "categories", path), path)
    images, image_notes = _images(_entries(content, "images", path), path)
    marks, mark_notes = _marks(_entries(content, "annotations", path), images, label_of, path)
    paths, path_notes = find_pictures(path, [entry["file_name"] for entry in images.values()])
    records = tuple(_record(picture, entry, marks[key]) for picture, (key, entry) in zip(paths, images.items(), strict=True))
    return Dataset(source=path, names=names, records=records, notes=(*name_notes, *image_notes, *mark_notes, *path_notes))


def _parsed(path: Path) -> Entry:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{place(path)}: the labels cannot be read: {error.strerror or error}") from error
    except json.JSONDecodeError as error:
        raise DatasetError(
            f"{place(path)}, line {error.lineno}, column {error.colno}: this is not valid JSON ({error.msg}); expected an object with "
            "images, annotations and categories"
        ) from error
    except (ValueError, RecursionError) as error:  # no text at all, numbers of thousands of digits, brackets without end
        raise DatasetError(f"{place(path)}: this cannot be read as JSON: {error}") from error
    if not isinstance(content, dict):
        hint = " (a list of results? give the file with the labels)" if isinstance(content, list) else ""
        raise DatasetError(f"{place(path)}: found {_kind(content)}{hint}; expected an object with images, annotations and categories")
    return content


def _entries(content: Entry, section: str, path: Path) -> list[Entry]:
    """The objects of one of the three lists."""
    found = content.get(section)
    if not isinstance(found, list):
        has = f"has no {section}" if found is None else f"has {_kind(found)} as {section}"
        raise DatasetError(f"{place(path)}: this file {has}; expected lists of images, annotations and categories")
    for position, entry in enumerate(found):
        if not isinstance(entry, dict):
            raise DatasetError(f"{place(path)}: {section}[{position}] is {_kind(entry)}; expected an object")
    return found


def _classes(entries: list[Entry], path: Path) -> tuple[tuple[str, ...], dict[Key, int], list[str]]:
    """The names, the position of each category id among them, and notes on entries that share a name."""
    names: list[str] = []
    label_of: dict[Key, int] = {}
    position_of: dict[str, int] = {}
    notes = []
    for position, entry in enumerate(entries):
        key = _id_of(entry, f"categories[{position}]", path)
        name = str(entry.get("name") or "")
        if not name.strip():
            raise DatasetError(f"{place(path)}: category {_short(key)} has no name; expected a text under name")
        if name.encode("utf-8", "replace").decode() != name:
            raise DatasetError(f"{place(path)}: category {_short(key)} has a name that is no valid text: {_short(name)}; correct it")
        label = position_of.setdefault(word_key(name), len(names))
        if label_of.setdefault(key, label) != label:
            earlier = names[label_of[key]]
            raise DatasetError(
                f"{place(path)}: category id {_short(key)} stands for both {earlier!r} and {name!r}; give each an id of its own"
            )
        if label < len(names):
            notes.append(f"{path}: category {_short(key)} is called {name!r} as an earlier one is; both are read as one class")
        else:
            names.append(name)
    return tuple(names), label_of, notes


def _images(entries: list[Entry], path: Path) -> tuple[dict[Key, Entry], list[str]]:
    """The image entries by id, in pycocotools' order: sorted where all ids are numbers or all are text, else as written."""
    images: dict[Key, Entry] = {}
    twice: list[str] = []
    for position, entry in enumerate(entries):
        key = _id_of(entry, f"images[{position}]", path)
        name = entry.get("file_name")
        if not isinstance(name, str) or not name.strip():
            raise DatasetError(f"{place(path)}: image {_short(key)} has no file_name; expected the name of its picture")
        earlier = images.setdefault(key, entry)["file_name"]
        if earlier != name:
            raise DatasetError(
                f"{place(path)}: image id {_short(key)} stands for both {earlier!r} and {name!r}, so its annotations cannot be told apart; "
                "give each picture an id of its own"
            )
        if images[key] is not entry:
            twice.append(_short(key))
    keys: list[Any] = list(images)
    if len({isinstance(key, str) for key in keys}) == 1:
        keys.sort()
    return {key: images[key] for key in keys}, [f"{path}: {counted(twice, 'image')} listed again; counted once"] if twice else []


def _marks(entries: list[Entry], images: Container[Key], label_of: dict[Key, int], path: Path) -> tuple[dict[Key, list[Mark]], list[str]]:
    """The usable annotations of each image, and a note for each way in which others are odd."""
    marks: dict[Key, list[Mark]] = defaultdict(list)
    odd: dict[str, list[str]] = defaultdict(list)
    seen: set[Key] = set()
    for position, entry in enumerate(entries):
        key, image, category = entry.get("id"), entry.get("image_id"), entry.get("category_id")
        called = _short(key) if _is_key(key) else f"number {position} of the list"
        if _is_key(key):
            if key in seen:
                odd["with the id of an earlier one; ids are only keys, so each counts"].append(called)
            seen.add(key)
        sides = _sides(entry.get("bbox"))
        if not _is_key(image) or image not in images:
            odd["left out: their image is not listed"].append(f"{called} of image {_short(image)}")
        elif not _is_key(category) or category not in label_of:
            odd["left out: their category is not listed"].append(f"{called} of category {_short(category)}")
        elif sides is None:
            odd["left out: bbox is not left, top, width, height in pixels"].append(f"{called} with {_short(entry.get('bbox'))}")
        elif not (mark := _mark(entry, sides, label_of[category])).has_area:
            odd["left out: the box has no area (zero or negative width or height)"].append(f"{called} with {_short(entry['bbox'])}")
        else:
            area = _number(entry.get("area"))
            if entry.get("area") is not None and (area is None or area <= 0):
                odd["without a positive area; width x height is taken"].append(f"{called} with {_short(entry['area'])}")
            marks[image].append(mark)
    return marks, told(path, "annotation", odd)


def _mark(entry: Entry, sides: tuple[float, float, float, float], label: int) -> Mark:
    left, top, width, height = sides
    area = _number(entry.get("area"))
    crowd = bool(_number(entry.get("iscrowd"))) or entry.get("iscrowd") is True
    own = area if area is not None and area > 0 else width * height
    return Mark((left, top, left + width, top + height), label, crowd, own)


def _record(picture: Path, entry: Entry, marks: Sequence[Mark]) -> Record:
    height, width = _number(entry.get("height")) or 0, _number(entry.get("width")) or 0
    return record(picture, (int(height), int(width)) if height > 0 and width > 0 else (0, 0), marks)


def _id_of(entry: Entry, where: str, path: Path) -> Key:
    key = entry.get("id")
    if not _is_key(key):
        raise DatasetError(f"{place(path)}: {where} has the id {_short(key)}; expected a number or a text")
    return key


def _is_key(value: object) -> TypeGuard[Key]:
    # NaN is no key: it does not even equal itself.
    return isinstance(value, int | float | str) and not isinstance(value, bool) and value == value


def _number(value: object) -> float | None:
    """A finite number, also one written as text; None for anything else."""
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _sides(bbox: object) -> tuple[float, float, float, float] | None:
    """Left, top, width and height; None where these are not four places in a picture."""
    if not isinstance(bbox, list) or len(bbox) != 4:
        return None
    numbers = [number for number in map(_number, bbox) if number is not None and abs(number) <= FARTHEST]
    return (numbers[0], numbers[1], numbers[2], numbers[3]) if len(numbers) == 4 else None


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
