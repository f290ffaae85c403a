"""The rows of one YOLO label file, each read by itself: a bad row costs that row, and is named."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

from wordbox.data.records import Mark, cut

PIXELS = 2.0
"""A coordinate beyond this is no share of a picture but, probably, in pixels."""
BORDER = 1.0
"""Boxes may reach this many pixels beyond the picture before it is said: that much is rounding."""


class Oddity(NamedTuple):
    """What is odd about a row."""

    what: str
    row: int
    """From 1."""
    shown: str


def read_rows(text: str, label_of: Mapping[int, int], size: tuple[int, int]) -> tuple[list[Mark], list[Oddity]]:
    """The boxes of a label file for a picture of `size` (height, width), and the rows that are odd.

    A row is a class and centre x, centre y, width, height as shares of the picture, or a class and at least three corners of a polygon,
    of which the tight box is taken. `label_of` gives the label of each class. What reaches beyond the picture is cut.
    """
    marks: list[Mark] = []
    odd: list[Oddity] = []
    seen: set[tuple[float, ...]] = set()
    for number, line in enumerate(re.split(r"\r\n|\n|\r", text), 1):
        fields = line.split()
        if not fields:
            continue
        numbers = _numbers(fields)
        fault = _fault(fields, numbers, label_of)
        if fault is None and numbers in seen:
            fault = ("counted once: the same row stands above them", "")
        if fault is not None:
            odd.append(Oddity(fault[0], number, fault[1]))
            continue
        seen.add(numbers)
        mark, lost = cut(_mark(numbers, label_of[int(numbers[0])], size), size)
        if not mark.has_area:
            odd.append(Oddity("left out: nothing of the box lies inside the picture", number, _short(fields)))
            continue
        if lost > BORDER:
            odd.append(Oddity("cut at the border of the picture, which they reach beyond", number, f"{lost:.0f} pixels"))
        marks.append(mark)
    return marks, odd


def _numbers(fields: list[str]) -> tuple[float, ...]:
    """The row as finite numbers; empty where one is none."""
    try:
        numbers = tuple(float(field) for field in fields)
    except ValueError:
        return ()
    return numbers if all(map(math.isfinite, numbers)) and "_" not in "".join(fields) else ()


def _fault(fields: list[str], numbers: tuple[float, ...], label_of: Mapping[int, int]) -> tuple[str, str] | None:
    """Why a row cannot be used, and what to show of it; None where it can."""
    shown = _short(fields)
    if len(fields) == 6:
        return "left out: six columns (a saved score?), expected a class and four numbers", shown
    if len(fields) != 5 and (len(fields) < 7 or len(fields) % 2 == 0):
        return "left out: expected a class and four numbers, or a class and the corners of a polygon", shown
    if not numbers:
        return "left out: not everything in them is a number", shown
    label, *values = numbers
    if not label.is_integer() or int(label) not in label_of:
        return "left out: their class has no name in names", f"class {fields[0][:20]}"
    if max(map(abs, values)) > PIXELS or (len(values) == 4 and min(values[2:]) < 0):
        return "left out: expected shares of the picture from 0 to 1, not pixels", shown
    return None


def _mark(numbers: tuple[float, ...], label: int, size: tuple[int, int]) -> Mark:
    height, width = size
    if len(numbers) == 5:
        x, y, wide, high = numbers[1:]
        left, top, right, bottom = x - wide / 2, y - high / 2, x + wide / 2, y + high / 2
    else:
        xs, ys = numbers[1::2], numbers[2::2]
        left, top, right, bottom = min(xs), min(ys), max(xs), max(ys)
    return Mark((left * width, top * height, right * width, bottom * height), label, crowd=False, area=0.0)


def _short(fields: list[str]) -> str:
    text = " ".join(fields)
    return text if len(text) <= 60 else text[:57] + "..."
