"""Labels in Pascal VOC's form: an XML file for each picture, in the folders of the challenge or beside the pictures."""

import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wordbox.data.formats.voc_xml import Annotation, UnusableXml
from wordbox.data.formats.voc_xml import read as read_xml
from wordbox.data.formats.yolo_splits import spellings_of
from wordbox.data.notes import told
from wordbox.data.pictures import listed, place, upright_size
from wordbox.data.records import Dataset, Mark, Record, cut, record
from wordbox.errors import DatasetError
from wordbox.images.folders import natural_key, pictures_below
from wordbox.vocabulary.words import word_key

BORDER = 1.0
"""Boxes may reach this many pixels beyond the picture before it is said: that much is how corners are counted."""

Oddities = dict[str, list[str]]


class _Labelled(NamedTuple):
    picture: Path
    xml: Path | None
    annotation: Annotation


def is_layout(folder: Path) -> bool:
    """Whether a folder looks like a set in this form."""
    below = [folder, *(folder / name for name in ("Annotations", *spellings_of("val"), *spellings_of("test"), *spellings_of("train")))]
    return (folder / "ImageSets" / "Main").is_dir() or any(next(one.glob("*.xml"), None) is not None for one in below)


def read(folder: Path, split: str = "val") -> Dataset:
    """The pictures and boxes of one split of a folder with `Annotations` and `JPEGImages`, or with XML files beside their pictures.

    The split is `ImageSets/Main/<split>.txt`, or the subfolder of that name; where there is neither, everything is read, and a note says
    so. The classes are the sorted names of the objects in it. Corners count as edges, as they are: no pixel is added or taken.
    Objects marked difficult count neither way (`crowd`). Raises DatasetError where the split or its pictures are not there, or no file of
    the split can be read.
    """
    inner = None if (folder / "ImageSets" / "Main").is_dir() or (folder / "Annotations").is_dir() else _subfolder(folder, split)
    home = inner or folder
    stems, notes = _stems(home, split, chosen=inner is not None)
    odd: Oddities = defaultdict(list)
    labelled = list(_labelled(home, stems, odd))
    if not labelled:
        reason = next(iter(odd.values()), [f"no XML file in {place(home)}"])[0]
        raise DatasetError(f"{place(folder)}: no annotation of {split} can be read; found {reason}; expected Pascal VOC's XML")
    names, label_of = _classes([one.annotation for one in labelled], odd)
    records = tuple(_record(one, label_of, odd) for one in labelled)
    hard = sum(int(one.crowd.sum()) for one in records)
    if hard:
        notes.append(f"{folder}: {hard} objects are marked difficult: they count neither way, as COCO's crowds do, found or not")
    return Dataset(source=folder, names=names, records=records, notes=(*notes, *told(folder, "item", odd)))


def _subfolder(folder: Path, split: str) -> Path | None:
    return next((folder / one for one in spellings_of(split) if next((folder / one).glob("*.xml"), None) is not None), None)


def _stems(home: Path, split: str, *, chosen: bool) -> tuple[list[str], list[str]]:
    """What the pictures of a split are called, without suffixes, and notes."""
    sets = home / "ImageSets" / "Main"
    if sets.is_dir():
        path = next((sets / f"{one}.txt" for one in spellings_of(split) if os.path.isfile(sets / f"{one}.txt")), None)
        if path is None:
            there = sorted(one.stem for one in sets.glob("*.txt"))
            raise DatasetError(f"{place(sets)}: has no {split}.txt; found {listed(there) or 'no list'}; choose one of these splits")
        return _listed_stems(path), []
    below = _annotations(home)
    found = sorted((str(one.relative_to(below).with_suffix("")) for one in below.rglob("*.xml")), key=natural_key)
    known = {os.path.basename(stem) for stem in found}
    pictured = [
        os.path.splitext(os.path.relpath(path, folder))[0] for folder in _picture_folders(home) for path in pictures_below(str(folder))[0]
    ]
    bare = [stem for stem in dict.fromkeys(pictured) if os.path.basename(stem) not in known]
    notes = [] if chosen else [f"{home}: has no ImageSets/Main and no folder {split}, so all of its pictures are read"]
    return [*found, *bare], notes


def _listed_stems(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DatasetError(f"{place(path)}: the list cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{place(path)}: the list is no text in UTF-8 ({error.reason} at byte {error.start})") from error
    stems = []
    for line in filter(None, map(str.strip, lines)):
        name, _, flag = line.rpartition(" ")
        name = name.strip() if name.strip() and flag in ("-1", "0", "1") else line  # lists of one class say whether it is there
        stem, suffix = os.path.splitext(name)
        stems.append(stem if suffix.lower() in (".jpg", ".jpeg", ".png", ".xml") else name)
    if not stems:
        raise DatasetError(f"{place(path)}: the list names nothing; expected a picture's name a line")
    return list(dict.fromkeys(stems))


def _labelled(home: Path, stems: Sequence[str], odd: Oddities) -> Iterator[_Labelled]:
    """Each picture with its annotation; those whose file cannot be read are left out and named."""
    below, pictures = _annotations(home), _pictures(home)
    by_name = _index(pictures, os.path.basename)
    by_stem = _index(pictures, lambda path: os.path.splitext(os.path.basename(path))[0])
    by_place = {os.path.splitext(path)[0]: path for path in reversed(pictures)}
    lost: list[str] = []
    for stem in stems:
        xml = below / f"{stem}.xml"
        try:
            annotation = read_xml(xml) if os.path.isfile(xml) else None
        except UnusableXml as error:
            odd["left out with their pictures: they cannot be read"].append(f"{xml}: {error}")
            continue
        plain = os.path.basename(stem)
        stated = "" if annotation is None else os.path.basename(annotation.filename.replace("\\", "/"))
        exact = by_name.get(stated) if os.path.splitext(stated)[0] == plain else None
        near = next((by_place[str(one / stem)] for one in _picture_folders(home) if str(one / stem) in by_place), None)
        picture = exact or near or by_stem.get(plain) or by_name.get(stated)
        if picture is None:
            lost.append(stem)
        elif annotation is None:
            odd["without an XML file: counted as pictures without objects"].append(picture)
            yield _Labelled(Path(picture), None, Annotation("", (0, 0), [], []))
        else:
            yield _Labelled(Path(picture), xml, annotation)
    if lost:
        raise DatasetError(
            f"{place(home)}: {len(lost)} of {len(stems)} pictures cannot be found: {listed(lost)}; looked in the folders "
            f"{', '.join(map(str, _picture_folders(home)))}; put them there"
        )


def _annotations(home: Path) -> Path:
    return home / "Annotations" if (home / "Annotations").is_dir() else home


def _picture_folders(home: Path) -> list[Path]:
    """Where pictures lie: in the challenge's folder, or else anywhere below."""
    named = [home / name for name in ("JPEGImages", "images") if (home / name).is_dir()]
    return named or [home]


def _pictures(home: Path) -> list[str]:
    return [path for folder in _picture_folders(home) for path in pictures_below(str(folder))[0]]


def _index(pictures: Sequence[str], key_of: Callable[[str], str]) -> dict[str, str | None]:
    """Path by key; None where several share one, since each would be taken for the other."""
    found: dict[str, str | None] = {}
    for path in pictures:
        key = key_of(path)
        found[key] = None if key in found else path
    return found


def _classes(annotations: Sequence[Annotation], odd: Oddities) -> tuple[tuple[str, ...], dict[str, int]]:
    """The sorted names, and the label of each spelling."""
    spellings = sorted({thing.name for annotation in annotations for thing in annotation.things})
    names: list[str] = []
    position_of: dict[str, int] = {}
    for name in spellings:
        if position_of.setdefault(word_key(name), len(names)) == len(names):
            names.append(name)
        else:
            odd["among the names: read as one class with an earlier one, case and spaces aside"].append(name)
    return tuple(names), {name: position_of[word_key(name)] for name in spellings}


def _record(one: _Labelled, label_of: Mapping[str, int], odd: Oddities) -> Record:
    annotation, size = one.annotation, upright_size(one.picture)
    for what, which in annotation.odd:
        odd[what].append(f"{one.xml} {which}")
    marks = []
    for thing in annotation.things:
        left, top, right, bottom = thing.box
        mark, lost = Mark(thing.box, label_of[thing.name], thing.difficult, (right - left) * (bottom - top)), 0.0
        called = f"{one.xml} {thing.name[:40]} at {', '.join(f'{side:g}' for side in thing.box)}"
        if size is not None:
            mark, lost = cut(mark, size)
        if not mark.has_area:
            odd["left out: nothing of the box lies inside the picture"].append(called)
            continue
        if lost > BORDER:
            odd["cut at the border of the picture, which they reach beyond"].append(f"{called}, {lost:.0f} pixels")
        marks.append(mark)
    return record(one.picture, annotation.size, marks)
