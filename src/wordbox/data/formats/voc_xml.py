"""One annotation file of Pascal VOC's form: its objects, with nothing in it expanded or fetched."""

import math
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple
from xml.parsers import expat

from wordbox.data.records import FARTHEST

MAX_BYTES = 64_000_000
"""Larger files are refused."""


class UnusableXml(ValueError):
    """A file that is no annotation; the message says why, without the file's name."""


class Thing(NamedTuple):
    """One object."""

    name: str
    box: tuple[float, float, float, float]
    """xmin, ymin, xmax, ymax as written."""
    difficult: bool


class Annotation(NamedTuple):
    """What a file says."""

    filename: str
    """The picture's name; empty where it is not told, and often stale."""
    size: tuple[int, int]
    """(height, width) as written; (0, 0) where it is not told."""
    things: list[Thing]
    odd: list[tuple[str, str]]
    """What is wrong with other objects, and which they are."""


def read(path: Path) -> Annotation:
    """The annotation in a file. Only an object's own name and box count, not those of its parts. Raises UnusableXml."""
    root = _parsed(path)
    if root.tag != "annotation":
        raise UnusableXml(f"found <{root.tag[:40]}>, expected <annotation>")
    things: list[Thing] = []
    odd: list[tuple[str, str]] = []
    for number, element in enumerate(root.findall("object"), 1):
        name, box = " ".join((element.findtext("name") or "").split()), _box(element.find("bndbox"))
        if not name or not name.isprintable():
            odd.append(("left out: they have no name", f"object {number}"))
        elif box is None:
            odd.append(("left out: bndbox is not xmin, ymin, xmax, ymax in pixels", f"object {number}, {name[:40]}"))
        elif box[2] <= box[0] or box[3] <= box[1]:
            odd.append(("left out: the box has no area", f"object {number}, {name[:40]} at {', '.join(f'{side:g}' for side in box)}"))
        else:
            things.append(Thing(name, box, _flag(element.findtext("difficult"))))
    return Annotation((root.findtext("filename") or "").strip(), _size(root.find("size")), things, odd)


def _parsed(path: Path) -> ElementTree.Element:
    """The root element. A document type is refused: entities are how small files grow, and no annotation needs one."""
    builder = ElementTree.TreeBuilder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise UnusableXml(f"found more than {MAX_BYTES} bytes")
        parser.Parse(data, True)
    except OSError as error:
        raise UnusableXml(error.strerror or str(error)) from error
    except expat.ExpatError as error:
        raise UnusableXml(f"line {error.lineno}, column {error.offset + 1}: {expat.ErrorString(error.code)}") from error
    except (ValueError, LookupError) as error:  # an encoding that nobody knows
        raise error if isinstance(error, UnusableXml) else UnusableXml(str(error)) from error
    root: ElementTree.Element = builder.close()
    return root


def _refuse(name: str, *_: object) -> None:
    raise UnusableXml("it declares a document type (<!DOCTYPE>), which could define entities; take that out")


def _box(element: ElementTree.Element | None) -> tuple[float, float, float, float] | None:
    if element is None:
        return None
    found = [_number(element.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
    sides = [side for side in found if side is not None and abs(side) <= FARTHEST]
    return (sides[0], sides[1], sides[2], sides[3]) if len(sides) == 4 else None


def _size(element: ElementTree.Element | None) -> tuple[int, int]:
    if element is None:
        return 0, 0
    height, width = (_number(element.findtext(name)) or 0 for name in ("height", "width"))
    return (int(height), int(width)) if min(height, width) >= 1 else (0, 0)


def _flag(text: str | None) -> bool:
    return (text or "").strip().lower() in ("1", "true", "yes")


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None
