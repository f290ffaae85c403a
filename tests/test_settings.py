"""Settings: refused by name where they make no sense, and the source of the command line's options."""

from dataclasses import fields
from typing import get_args, get_type_hints

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
