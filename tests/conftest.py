"""What every test may ask for."""

import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

import wordbox
from wordbox.detection.detections import Detections
from wordbox.detection.detector import Detector
from wordbox.geometry.boxes import overlaps

# Machines are shared and slow at times: no example fails by the clock. In CI every run draws the same examples.
settings.register_profile("wordbox", deadline=None, derandomize=bool(os.environ.get("CI")), suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wordbox")

ROOT = Path(__file__).parents[1]
PIXELS = 1e-3  # what batches promise (docs/promises.md): canvas pixels and score
SCORE = 1e-4


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data that developers and CI have beside the checkout."""
    named = os.environ.get("WORDBOX_SHARED")
    folder = Path(named or ROOT.parent / "shared")
    if not (folder / "data").is_dir():
        if named:
            pytest.fail(f"WORDBOX_SHARED names {folder}, which holds no reference data")
        pytest.skip(f"no reference data at {folder}; set WORDBOX_SHARED to the folder that holds it")
    return folder


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def photo() -> Path:
    """The photo that ships with the documentation."""
    return ROOT / "docs" / "coffee.jpg"


@pytest.fixture(scope="session")
def detector() -> Detector:
    """The model in the package."""
    return wordbox.load()


@pytest.fixture(scope="session")
def worlds() -> ModuleType:
    """Narrow YOLO-Worlds and text towers, and files of both."""
    spec = importlib.util.spec_from_file_location("small_worlds", Path(__file__).with_name("small_worlds.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def assert_same() -> Callable[..., None]:
    """Compare two answers for one picture; see `_assert_same`."""
    return _assert_same


def _assert_same(one: Detections, other: Detections, *, pixels: float = PIXELS, score: float = SCORE, conf: float = 0.0) -> None:
    """The same boxes, labels and scores within the tolerances, near ties in any order.

    `pixels` are of the canvas at a scale of about one; what stands within `score` of the threshold `conf` may be missing on one side.
    """
    assert one.words == other.words
    left = [(d, box) for d, box in zip(one, one.boxes, strict=True) if d.score > conf + score]
    right = list(zip(other, other.boxes, strict=True))
    for detection, box in left:
        fits = [
            i
            for i, (d, b) in enumerate(right)
            if d.label == detection.label and abs(d.score - detection.score) <= score and np.abs(b - box).max() <= pixels
        ]
        assert fits, (
            f"{detection} of {one.source} is not in the other answer: {[d for d, _ in right if overlaps(box[None], _[None])[0, 0] > 0.5]}"
        )
        del right[fits[0]]
    assert not [d for d, _ in right if d.score > conf + score]
