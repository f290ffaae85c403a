"""What the tests of the graph writer share."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.specs import NanoSpec, Stage


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def twin():
    """The NumPy twin of wordbox-nano."""
    return load(Path(__file__).with_name("numpy_nano.py"))


@pytest.fixture(scope="session")
def yolos():
    """Random weights of YOLOs and their decoding, in NumPy."""
    return load(Path(__file__).with_name("numpy_yolo.py"))


@pytest.fixture(scope="session")
def golden():
    """YOLO-World full of noise, and what was measured of it."""
    return load(Path(__file__).parents[1] / "golden_world.py")


@pytest.fixture(scope="session")
def small_spec():
    """wordbox-nano, narrow."""
    stages = ((8, 1, 1), (8, 1, 2), (16, 2, 2), (16, 1, 2))
    return NanoSpec(
        stem=8, stages=tuple(Stage(width=width, blocks=blocks, stride=stride) for width, blocks, stride in stages), neck=16, embedding=12
    )


@pytest.fixture(scope="session")
def published(shared):
    """NanoDet-G's published arrays under our names: everything but the classes, and the classes."""
    nanodet = load(Path(__file__).parents[2] / "training" / "nano" / "nanodet.py")
    return nanodet.transplanted(nanodet.read_nanodet(shared / "data" / "nanodet-g"))


@pytest.fixture(scope="session")
def engine():
    """An engine over a drawn graph."""
    return lambda model: OnnxRuntimeEngine(model.SerializeToString(), where="a test's graph", threads=1)


@pytest.fixture
def rng():
    return np.random.default_rng(7)
