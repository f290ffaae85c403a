"""YOLO-World in every engine: a list of words a picture, and both graphs beside PyTorch's own drawing."""

from pathlib import Path

import cv2
import numpy as np
import pytest

import wordbox
from wordbox import api
from wordbox.arrays import arrays as every_array
from wordbox.exporting.difference import BOXES, SCORES, Found, difference
from wordbox.graphs import yolo
from wordbox.graphs.fold_words import fold_words
from wordbox.variants import yolo_world

PHOTOS = Path(wordbox.__file__).parent / "photos"
VERSIONS = ["v1", "v2"]
ENGINES = ["onnxruntime", "openvino", "torch"]
PIXELS, SCORE = 1e-3, 1e-4
"""What batches promise."""
EVERYTHING = 10_000_000
"""More candidates than there are."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def photos():
    """16 pieces of real photos, 96 pixels high and 160 wide, RGB."""
    read = [cv2.imread(str(path))[..., ::-1] for path in sorted(PHOTOS.glob("*.jpg"))]
    whole = [cv2.resize(pixels, (400, 300), interpolation=cv2.INTER_AREA) for pixels in read]
    return np.stack([whole[i % 2][10 * i : 10 * i + 96, 15 * i : 15 * i + 160] for i in range(16)])


@pytest.fixture(scope="module", params=VERSIONS)
def exported(request, worlds, tmp_path_factory):
    """A narrow network on file, and its open graph beside it."""
    folder = tmp_path_factory.mktemp(request.param)
    worlds.merges_in(folder)
    source = worlds.native_file(folder / "narrow.safetensors", request.param, text=worlds.tower())
    api.export(source, folder / "narrow.onnx")
    return folder


@pytest.fixture(params=ENGINES)
def detector(request, exported):
    """The exported graph in an engine, and PyTorch's drawing of the arrays that it was made from."""
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return wordbox.load(exported / ("narrow.safetensors" if request.param == "torch" else "narrow.onnx"), engine=request.param, threads=1)


def feeds(images, words, mask=None, conf=0.0):
    return {
        "images": images,
        "words": words,
        "words_mask": np.ones(words.shape[:2], np.bool_) if mask is None else mask,
        "conf": np.array(conf, np.float32),
        "max_candidates": np.array([EVERYTHING]),
    }


def found(run, row):
    count = int(run["count"][row])
    return Found(*(run[name][row, :count] for name in ("boxes", "scores", "labels")))


# -- a list of words a picture


def test_sixteen_pictures_with_a_list_each_are_as_sixteen_runs(detector, photos, worlds):
    lists = [worlds.vectors(count, seed=count) for count in range(1, 17)]
    words, mask = np.zeros((16, 16, worlds.WIDTH), np.float32), np.zeros((16, 16), np.bool_)
    for row, own in enumerate(lists):
        words[row, : len(own)], mask[row, : len(own)] = own, True
    together = detector.engine.run(feeds(photos, words, mask))
    cells = sum((96 // stride) * (160 // stride) for stride in (8, 16, 32))
    assert together["count"].tolist() == [cells * count for count in range(1, 17)]
    for row, own in enumerate(lists):
        one = difference(found(together, row), found(detector.engine.run(feeds(photos[row : row + 1], own[None])), 0), 0.0)
        assert (one.compared, one.unmatched) == (cells * len(own), 0)
        assert one.boxes <= PIXELS
        assert one.scores <= SCORE


def test_a_detector_does_so_with_words(detector, photos):
    lists = [[f"{'cat' if j % 2 else 'dog'} {j} {row}" for j in range(row + 1)] for row in range(16)]
    assert detector.manifest.background == " "
    options = {"conf": 0.01, "iou": 1.0, "size": 160, "max_candidates": 100_000, "max_detections": 100_000, "colour": "rgb"}
    together = detector.detect(list(photos), words=lists, **options)
    for picture, words, one in zip(photos, lists, together, strict=True):
        alone = detector.detect(picture, words=words, **options)
        assert one.words == alone.words == tuple(words)
        assert one.dropped.background > 0
        left, right = (Found(each.boxes, each.scores, each.labels) for each in (one, alone))
        between = difference(left, right, 0.01)
        assert between.compared > 100
        assert (between.boxes <= PIXELS, between.scores <= SCORE, between.unmatched) == (True, True, 0)


# -- beside PyTorch


def runtime(kind, graph):
    if kind == "openvino":
        pytest.importorskip("openvino", reason="OpenVINO is not installed")
        from wordbox.engines.openvino import OpenVinoEngine as Engine
    else:
        from wordbox.engines.onnxruntime import OnnxRuntimeEngine as Engine
    return Engine(graph.SerializeToString(), where="noise", threads=1)


def pytorch(spec, arrays):
    pytest.importorskip("torch", reason="PyTorch is not installed")
    from wordbox.networks.build import build
    from wordbox.networks.engine import TorchEngine
    from wordbox.networks.weights import load_arrays

    network = build(spec)
    load_arrays(network, arrays, "noise")
    return TorchEngine(network, {}, where="noise", threads=1)


def baked(spec, arrays, words):
    """The graph with `words` (K, D) in its weights."""
    folded, given = fold_words(spec, arrays, words, (1,) * len(words))
    return yolo.draw(folded, given, {}, "noise")


def dense(run, row, cells, count):
    """Boxes (N, 4) and scores (N, K) of all cells of a picture."""
    boxes, scores, labels = found(run, row)
    assert len(boxes) == cells * count
    halves = np.ascontiguousarray(boxes).view(np.uint64)
    _, first, place = np.unique(halves[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ halves[:, 1], return_index=True, return_inverse=True)
    assert len(first) == cells
    table = np.full((cells, count), np.nan, np.float32)
    table[place, labels] = scores
    return boxes[first], table


def assert_near(one, other, canvas, count):
    """Two runs, the same for every word at every cell, whatever their order."""
    cells = sum((canvas[0] // stride) * (canvas[1] // stride) for stride in (8, 16, 32))
    for row in range(len(one["count"])):
        (left, lefts), (right, rights) = (dense(run, row, cells, count) for run in (one, other))
        nearest = np.abs(left[:, None] - right[None]).max(2).argmin(1)
        assert len(set(nearest.tolist())) == cells
        assert np.abs(left - right[nearest]).max() <= BOXES
        assert np.abs(lefts - rights[nearest]).max() <= SCORES
        assert np.ptp(lefts) > 0.05


@pytest.fixture(scope="module", params=VERSIONS)
def narrow(request, worlds):
    """A narrow network, its arrays, and PyTorch over them."""
    spec = worlds.narrow(request.param)
    arrays = worlds.arrays(spec)
    return spec, arrays, pytorch(spec, arrays)


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def opened(request, narrow):
    """The open graph in a runtime, and the runtime's name."""
    spec, arrays, _ = narrow
    return request.param, runtime(request.param, yolo.draw(spec, arrays, {}, "noise"))


@pytest.mark.parametrize("count", [1, 80, 1203])
def test_open_and_baked_graphs_are_pytorchs_network(narrow, opened, worlds, count):
    spec, arrays, reference = narrow
    kind, engine = opened
    words = worlds.vectors(count) * np.linspace(0.5, 2, count, dtype=np.float32)[:, None]  # of any length
    fixed = runtime(kind, baked(spec, arrays, words))
    canvases = [(1, (32, 64)), (4, (32, 64)), (1, (96, 160))]
    canvases += [(4, (96, 160)), (1, (224, 352))] if count < 1203 else []  # a million pairs take their time
    for batch, canvas in canvases:
        images = np.stack([worlds.picture(seed, canvas) for seed in range(batch)])
        fed = feeds(images, words[None])
        expected = reference.run(fed)
        assert_near(engine.run(fed), expected, canvas, count)
        assert_near(fixed.run({name: fed[name] for name in fixed.inputs}), expected, canvas, count)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_s_is_pytorchs_network(worlds, version):
    spec = yolo_world("s", version=version)
    arrays = worlds.golden.filled(every_array(spec), version)
    words = np.random.default_rng(3).normal(size=(80, spec.embedding)).astype(np.float32)
    words /= np.linalg.norm(words, axis=1, keepdims=True)
    fed = feeds(worlds.picture(0, (96, 160))[None], words[None])
    expected = pytorch(spec, arrays).run(fed)
    for kind in ("onnxruntime", "openvino"):
        assert_near(runtime(kind, yolo.draw(spec, arrays, {}, "noise")).run(fed), expected, (96, 160), 80)
        closed = runtime(kind, baked(spec, arrays, words))
        assert_near(closed.run({name: fed[name] for name in closed.inputs}), expected, (96, 160), 80)
