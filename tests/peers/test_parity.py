"""Random networks of the peer packages, saved by them and read by Wordbox, say what they say there: `twins.py` makes them.

conftest.py keeps them.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wordbox.checkpoints import foreign
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.graphs import yolo

RANGE = 1e-4  # how far apart raw outputs may be, as a part of the range of a level's
WHOLE = [
    *("yolov5n", "yolov5n-half", "yolov5s", "yolov5n6", "yolov5s-transformer", "yolov5s-LeakyReLU"),
    *("yolov8n", "yolov8n-half", "yolov8s", "yolov8m", "yolov8n-p2", "yolov8n-p6", "yolov5nu"),
]
FORMS = [f"{name}-{form}" for name in ("yolov5n", "yolov8n") for form in ("training", "state", "legacy")]


@pytest.fixture(scope="session")
def twins(made_by: Callable[..., Path]) -> Path:
    """The folder of twins, made by this version of their program."""
    return made_by("twins.py")


def facts_of(twins: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((twins / "twins.json").read_text())[f"{name}.pt"]
    return found


def test_the_twins_are_those_listed_here(twins: Path) -> None:
    assert sorted(json.loads((twins / "twins.json").read_text())) == sorted(f"{name}.pt" for name in WHOLE + FORMS)


@pytest.mark.parametrize("name", WHOLE)
def test_the_file_says_what_it_is(twins: Path, name: str) -> None:
    read, facts = foreign.read(twins / f"{name}.pt"), facts_of(twins, name)
    assert read.manifest.names == tuple(f"class {i}" for i in range(facts["classes"]))
    assert list(read.manifest.spec.strides) == facts["strides"]
    assert sum(array.size for key, array in read.arrays.items() if not key.endswith((".mean", ".variance"))) == facts["parameters"]


@pytest.mark.parametrize("name", WHOLE)
def test_onnx_runtime_says_what_the_peer_says(twins: Path, name: str) -> None:
    read = foreign.read(twins / f"{name}.pt")
    graph = yolo.draw_raw(read.manifest.spec, read.arrays, name)
    engine = OnnxRuntimeEngine(graph.SerializeToString(), where=name, threads=2)
    compare(twins, name, lambda images: list(engine.run({"images": images}).values()))


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra torch")
@pytest.mark.parametrize("name", WHOLE)
def test_pytorch_says_what_the_peer_says(twins: Path, name: str) -> None:
    import torch

    from wordbox.networks.build import build
    from wordbox.networks.weights import load_arrays

    read = foreign.read(twins / f"{name}.pt")
    network = build(read.manifest.spec)
    load_arrays(network, read.arrays, name)
    network.eval()

    def run(images: np.ndarray) -> list[np.ndarray]:
        with torch.inference_mode():
            return [level.numpy() for level in network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255)]

    compare(twins, name, run)


def compare(twins: Path, name: str, run: Any) -> None:
    """Assert that `run`, from canvases to raw maps, gives what the twin gave at both sizes."""
    strides = facts_of(twins, name)["strides"]
    with np.load(twins / facts_of(twins, name)["outputs"]) as said:
        for size in ("640", "rect"):
            levels = run(said[f"input_{size}"])
            assert len(levels) == len(strides)
            for i, level in enumerate(levels):
                expected = said[f"raw_{size}_{i}"]
                assert level.shape == expected.shape
                assert np.abs(level - expected).max() <= RANGE * np.ptp(expected), f"level {i} at {size}"


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_file_gives_the_same_arrays(twins: Path, name: str) -> None:
    whole, _, form = name.rpartition("-")
    expected = foreign.read(twins / f"{whole}.pt")
    found = foreign.read(twins / f"{name}.pt", spec=whole if form == "state" else None)
    assert found.manifest.spec == expected.manifest.spec
    assert {key: array.dtype for key, array in found.arrays.items()} == {key: array.dtype for key, array in expected.arrays.items()}
    assert all(np.array_equal(found.arrays[key], array) for key, array in expected.arrays.items())
