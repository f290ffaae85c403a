"""Settings: refused by name where they make no sense, and the source of the command line's options."""

from dataclasses import fields
from typing import get_args, get_type_hints

import numpy as np
import pytest

from wordbox.errors import InputError
from wordbox.settings import DetectSettings, EvaluateSettings


@pytest.mark.parametrize("kind", [DetectSettings, EvaluateSettings])
def test_every_knob_has_its_sentence(kind):
    hints = get_type_hints(kind, include_extras=True)
    for field in fields(kind):
        _, sentence = get_args(hints[field.name])
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    "wrong",
    [
        {"conf": -0.1},
        {"conf": 2},
        {"iou": 1.1},
        {"iou": float("nan")},
        {"size": 0},
        {"size": 1.5},
        {"max_detections": -1},
        {"max_candidates": 0},
    ],
)
def test_what_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        DetectSettings(**wrong)


def test_the_ends_of_the_range_are_fine():
    assert DetectSettings(conf=0, iou=1, size=1, max_detections=1, max_candidates=1).conf == 0


@pytest.mark.parametrize(
    ("classes", "entries"),
    [
        ("person, bus,", ("person", "bus")),
        ("person\nbus", ("person", "bus")),
        (["salt, pepper", 5], ("salt, pepper", 5)),
        (np.int64(3), (3,)),
        (("a", "a", 1, 1), ("a", 1)),
        (iter([2]), (2,)),
        (None, ()),
    ],
)
def test_classes_are_names_and_positions(classes, entries):
    assert DetectSettings(classes=classes).entries == entries


@pytest.mark.parametrize("classes", ["", " , ", [], [""], [None], [True], 1.5, b"person", [["person"]]])
def test_classes_that_are_neither_are_refused(classes):
    with pytest.raises(InputError, match="classes"):
        DetectSettings(classes=classes)


def test_agnostic_is_yes_or_no():
    with pytest.raises(InputError, match="agnostic is 1"):
        DetectSettings(agnostic=1)
