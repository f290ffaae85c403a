"""What the tests of checkpoints share."""

import importlib.util
from pathlib import Path

import pytest

from wordbox.checkpoints import foreign


@pytest.fixture(scope="session")
def yolos():
    """YOLOs as published names and as pickled networks."""
    path = Path(__file__).with_name("pickled_yolos.py")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def read(monkeypatch):
    """Reads a network as though it came out of the pickle at `path`."""

    def read(network, path=Path("runs/best.pt"), **options):
        monkeypatch.setattr(foreign.torch_archive, "read", lambda path: None)
        monkeypatch.setattr(foreign.modules, "find_network", lambda tree, where: network)
        return foreign.read(path, **options)

    return read
