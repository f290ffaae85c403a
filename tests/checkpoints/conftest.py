"""What the tests of checkpoints share."""

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def yolos():
    """YOLOs as published names and as pickled networks."""
    path = Path(__file__).with_name("pickled_yolos.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
