"""Random YOLO-Worlds that the ultralytics package saved, read by Wordbox, say of words what they say there: `world_twins.py` makes them.

Words are CLIP's features of the 1203 names of LVIS. The same arrays under the names of YOLO-World's authors give the same bits.
"""

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wordbox.checkpoints import foreign, layouts, torch_writer
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.graphs import ending, yolo_world
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.pen import Pen
from wordbox.graphs.weights import Weights
from wordbox.specs import YoloWorldSpec

RANGE = 1e-4  # how far apart distances and logits may be, as a part of their range at a level
WHOLE = ["yolov8s-world", "yolov8s-world-half", "yolov8s-worldv2", "yolov8s-worldv2-half", "yolov8m-worldv2-half", "yolov8l-worldv2-half"]
STATES = ["yolov8s-world-state", "yolov8s-worldv2-state"]
SIZES, COUNTS = ("640", "rect"), (1, 80, 1203)
Run = Callable[[NDArray[np.uint8], NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]
"""From a canvas (1, H, W, 3) and words (1, K, D) to distances (64, N) and logits (K, N)."""


@pytest.fixture(scope="session")
def twins(made_by: Callable[..., Path], shared: Path) -> Path:
    """The folder of twins, made by this version of their programs."""
    words = shared / "data" / "text_embeddings" / "detic_lvis_v1_clip_a+cname.npy"
    return made_by("world_twins.py", "twins.py", data=(words,))


def facts_of(twins: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((twins / "twins.json").read_text())[f"{name}.pt"]
    return found


def test_the_twins_are_those_listed_here(twins: Path) -> None:
    assert sorted(json.loads((twins / "twins.json").read_text())) == sorted(f"{name}.pt" for name in WHOLE + STATES)


@pytest.mark.parametrize("name", WHOLE)
def test_the_file_says_what_it_is(twins: Path, name: str) -> None:
    read, facts = foreign.read(twins / f"{name}.pt"), facts_of(twins, name)
    spec = read.manifest.spec
    assert isinstance(spec, YoloWorldSpec)
    assert (spec.version, spec.phrases) == (facts["version"], ())
    assert read.manifest.names == tuple(f"class {i}" for i in range(80))
    assert sum(array.size for key, array in read.arrays.items() if not key.endswith((".mean", ".variance"))) == facts["parameters"]
    assert read.words is not None
    with np.load(twins / facts["outputs"]) as said:
        assert np.array_equal(read.words.vectors, said["words"][:80])


@pytest.mark.parametrize("name", WHOLE)
def test_onnx_runtime_says_what_the_peer_says(twins: Path, name: str) -> None:
    read = foreign.read(twins / f"{name}.pt")
    compare(twins, name, by_graph(read, name))


@pytest.mark.skipif(find_spec("torch") is None, reason="needs the extra torch")
@pytest.mark.parametrize("name", WHOLE)
def test_pytorch_says_what_the_peer_says(twins: Path, name: str) -> None:
    import torch

    from wordbox.networks.build import build
    from wordbox.networks.weights import load_arrays

    read = foreign.read(twins / f"{name}.pt")
    assert isinstance(read.manifest.spec, YoloWorldSpec)
    network = build(read.manifest.spec)
    load_arrays(network, read.arrays, name)
    network.eval()

    def run(images: NDArray[np.uint8], words: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        with torch.inference_mode():
            maps = network(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(words))
        joined = torch.cat([level[0].flatten(1) for level in maps], 1).numpy()
        return joined[:64], joined[64:]

    compare(twins, name, run)


@pytest.mark.parametrize("name", STATES)
def test_tensors_alone_are_the_same_arrays(twins: Path, name: str) -> None:
    expected, found = foreign.read(twins / f"{name.removesuffix('-state')}.pt"), foreign.read(twins / f"{name}.pt")
    assert found.manifest.spec == expected.manifest.spec
    assert_equal(found, expected)


@pytest.mark.parametrize("name", ["yolov8s-world", "yolov8s-worldv2-half", "yolov8m-worldv2-half", "yolov8l-worldv2-half"])
def test_the_authors_layout_gives_the_same_outputs(twins: Path, name: str, tmp_path: Path) -> None:
    expected = foreign.read(twins / f"{name}.pt")
    assert isinstance(expected.manifest.spec, YoloWorldSpec)
    torch_writer.write(tmp_path / "theirs.pth", layouts.to_official(expected.manifest.spec, expected.arrays, {}, None, name))
    found = foreign.read(tmp_path / "theirs.pth")
    assert found.manifest.spec == expected.manifest.spec
    assert_equal(found, expected)
    with np.load(twins / facts_of(twins, name)["outputs"]) as said:
        images, words = said["input_rect"], said["words"][None, :80]
    for one, other in zip(by_graph(found, name)(images, words), by_graph(expected, name)(images, words), strict=True):
        assert np.array_equal(one, other)


def by_graph(read: foreign.Checkpoint, name: str) -> Run:
    """The network alone in ONNX Runtime, every cell of it, without the ending that deployed graphs have."""
    spec = read.manifest.spec
    assert isinstance(spec, YoloWorldSpec)
    graph = GraphBuilder()
    pen = Pen.of(spec, graph, Weights(read.arrays, name))
    images = graph.op("Transpose", graph.cast(ending.image_input(graph), np.float32), perm=[0, 3, 1, 2])
    distances, logits = yolo_world.predictions(pen, images, spec, *ending.word_inputs(graph, spec.embedding))
    pen.weights.take("head.bins", 1, spec.head.bins, 1, 1)
    pen.weights.finish()
    graph.output("distances", graph.op("Concat", *distances, axis=1), np.float32, ("B", "N", 4 * spec.head.bins))
    graph.output("logits", graph.op("Concat", *logits, axis=1), np.float32, ("B", "N", "K"))
    engine = OnnxRuntimeEngine(graph.model({}, spec.family).SerializeToString(), where=name, threads=2)

    def run(images: NDArray[np.uint8], words: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        found = engine.run({"images": images, "words": words, "words_mask": np.ones(words.shape[:2], np.bool_)})
        return found["distances"][0].T, found["logits"][0].T

    return run


def compare(twins: Path, name: str, run: Run) -> None:
    """Assert that `run` gives what the twin gave at both sizes, for one word, for 80 and for all."""
    with np.load(twins / facts_of(twins, name)["outputs"]) as said:
        for size in SIZES:
            images = said[f"input_{size}"]
            ends = np.cumsum([(images.shape[1] // stride) * (images.shape[2] // stride) for stride in (8, 16, 32)])[:-1]
            for count in COUNTS:
                boxes, logits = run(images, said["words"][None, :count])
                where = f"{size}, {count} words"
                alike(boxes, said[f"boxes_{size}_{count}"], ends, where)
                assert logits.shape == (count, boxes.shape[1])
                if f"best_{size}_{count}" in said:  # of so many words only the best is kept everywhere, and all of them at some cells
                    alike(logits.max(0)[None], said[f"best_{size}_{count}"][None], ends, where)
                    cells = said[f"cells_{size}"]
                    alike(logits[:, cells], said[f"scores_{size}_{count}"], np.searchsorted(cells, ends), where)
                else:
                    alike(logits, said[f"scores_{size}_{count}"], ends, where)


def alike(found: NDArray[np.float32], expected: NDArray[np.float32], ends: NDArray[np.int64], where: str) -> None:
    """Assert that (C, N) are equal level by level within `RANGE`; `ends` are the cells at which the second level and the third begin."""
    assert found.shape == expected.shape
    for level, (one, other) in enumerate(zip(np.split(found, ends, 1), np.split(expected, ends, 1), strict=True)):
        assert np.abs(one - other).max() <= RANGE * np.ptp(other), f"level {level} at {where}"


def assert_equal(found: foreign.Checkpoint, expected: foreign.Checkpoint) -> None:
    assert found.arrays.keys() == expected.arrays.keys()
    for key, array in expected.arrays.items():
        assert np.array_equal(found.arrays[key], array), key
        assert found.arrays[key].dtype == array.dtype or key == "head.bins", key  # constants that the authors do not store
