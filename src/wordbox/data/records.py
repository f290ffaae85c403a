"""A labelled picture and a set of them, whatever format they were written in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


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
