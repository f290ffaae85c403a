"""A labelled picture and a set of them, whatever format they were written in."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FARTHEST = 2.0**20
"""The largest coordinate that is taken for a place in a picture: OpenCV reads no longer side."""


class Mark(NamedTuple):
    """One usable box of a picture's labels."""

    box: tuple[float, float, float, float]
    """xyxy, pixels of the upright image."""
    label: int
    crowd: bool
    area: float

    @property
    def has_area(self) -> bool:
        """Whether anything is left of width and height in float32, in which boxes are kept."""
        left, top, right, bottom = map(np.float32, self.box)
        return bool(right > left and bottom > top)


@dataclass(frozen=True, kw_only=True, eq=False)
class Record:
    """One picture and what people marked in it."""

    path: Path
    """Where the picture lies."""
    size: tuple[int, int]
    """(height, width) as the labels say; (0, 0) where they say nothing."""
    boxes: NDArray[np.float32]
    """(M, 4) float32, xyxy, pixels of the upright image."""
    labels: NDArray[np.int64]
    """(M,) int64, positions in the dataset's names."""
    crowd: NDArray[np.bool_]
    """(M,) bool: regions that hold many things; a find inside counts neither way."""
    areas: NDArray[np.float64]
    """(M,) float64: the object's area in pixels, by which COCO calls it small, medium or large."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """Labelled pictures in a fixed order, with the names of their classes."""

    source: Path
    """The file or folder that the labels came from."""
    names: tuple[str, ...]
    """One name a class; no two are equal, case and spaces aside."""
    records: tuple[Record, ...]
    """One a picture, in the order that decides between equal scores."""
    notes: tuple[str, ...] = ()
    """What was odd in the labels and how it was read, a line each."""


def record(path: Path, size: tuple[int, int], marks: Sequence[Mark]) -> Record:
    """The record of one picture with these marks."""
    return Record(
        path=path,
        size=size,
        boxes=np.array([mark.box for mark in marks], np.float32).reshape(-1, 4),
        labels=np.array([mark.label for mark in marks], np.int64),
        crowd=np.array([mark.crowd for mark in marks], np.bool_),
        areas=np.array([mark.area for mark in marks], np.float64),
    )


def cut(mark: Mark, size: tuple[int, int]) -> tuple[Mark, float]:
    """The part of a mark inside a picture of `size` (height, width), its area that of the box, and how many pixels were cut at most."""
    height, width = size
    left, top, right, bottom = mark.box
    box = (min(max(left, 0.0), width), min(max(top, 0.0), height), max(min(right, width), 0.0), max(min(bottom, height), 0.0))
    lost = max(abs(before - after) for before, after in zip(mark.box, box, strict=True))
    return mark._replace(box=box, area=max(box[2] - box[0], 0.0) * max(box[3] - box[1], 0.0)), lost
