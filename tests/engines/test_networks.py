"""What every engine must do with every network: one suite, and a line for each engine and each network."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

import wordbox
from wordbox.arrays import arrays as every_array
from wordbox.checkpoints import native
from wordbox.engines.base import TensorInfo
from wordbox.errors import EngineError
from wordbox.exporting.difference import BOXES, SCORES, Found, difference
from wordbox.graphs import nano, yolo
from wordbox.images.letterbox import letterbox, place
from wordbox.specs import NanoSpec
from wordbox.variants import named

PACKAGE = Path(wordbox.__file__).parent
U8, F32, I64, BOOL = (np.dtype(kind) for kind in (np.uint8, np.float32, np.int64, np.bool_))
METADATA = {"wordbox": '{"name": "猫"}'}
ANY = None


def onnxruntime(spec, arrays):
    from wordbox.engines.onnxruntime import OnnxRuntimeEngine

    return OnnxRuntimeEngine(drawn(spec, arrays), where="the model", threads=1)


def openvino(spec, arrays):
    from wordbox.engines.openvino import OpenVinoEngine

    return OpenVinoEngine(drawn(spec, arrays), where="the model", threads=1)


def torch(spec, arrays):
    from wordbox.networks.build import build
    from wordbox.networks.engine import TorchEngine
    from wordbox.networks.weights import load_arrays

    network = build(spec)
    load_arrays(network, arrays, "the model")
    return TorchEngine(network, METADATA, where="the model", threads=1)


def drawn(spec, arrays):
    draw = nano.draw if isinstance(spec, NanoSpec) else yolo.draw
    return draw(spec, arrays, METADATA, "the model").SerializeToString()


def packaged():
    arrays, manifest = native.read(PACKAGE / "models" / "wordbox-nano.safetensors")
    return manifest.spec, arrays


def random(name, gain):
    """The network called `name` with random weights; by the `gain` of its convolutions its scores are neither all alike nor all 1."""
    spec, rng, found = named(name, classes=12), np.random.default_rng(4), {}
    for array in every_array(spec):
        if array.name == "head.bins":
            values = np.arange(spec.head.bins)
        elif len(array.shape) > 1:
            values = rng.normal(size=array.shape) * (0.1 if "predict" in array.name else gain) / np.sqrt(np.prod(array.shape[1:]))
        else:
            values = (
                rng.uniform(0.7, 1.3, array.shape) if array.name.endswith(("weight", "variance")) else rng.normal(size=array.shape) * 0.2
            )
        found[array.name] = values.astype(np.float32).reshape(array.shape)
    return spec, found


ENGINES = {"onnxruntime": onnxruntime, "openvino": openvino, "torch": torch}
NETWORKS = {"wordbox-nano": packaged, "yolov5n": partial(random, "yolov5n", 1.6), "yolov8n": partial(random, "yolov8n", 1.45)}


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


@pytest.fixture(scope="module", params=ENGINES)
def engine(request, network):
    pytest.importorskip(request.param, reason=f"{request.param} is not installed")
    return ENGINES[request.param](*network)


@pytest.fixture(scope="module")
def reference(network):
    """The engine that the others agree with."""
    return onnxruntime(*network)


@pytest.fixture(scope="module")
def photos():
    """Canvases (2, 160, 160, 3) of real photos."""
    read = [cv2.imread(str(path))[..., ::-1].copy() for path in sorted((PACKAGE / "photos").glob("*.jpg"))]
    return np.stack([letterbox(pixels, place(pixels.shape[:2], (160, 160), 32)) for pixels in read])


@pytest.fixture(scope="module")
def feed(network, photos):
    """Feeds for canvases, with K random unit vectors as words where the network takes any."""
    spec, _ = network

    def made(images=photos, conf=0.05, candidates=500, words=20, rows=1, seed=0):
        fed = {"images": images, "conf": np.array(conf, np.float32), "max_candidates": np.array([candidates])}
        if isinstance(spec, NanoSpec):
            vectors = np.random.default_rng(seed).normal(size=(rows, words, spec.embedding)).astype(np.float32)
            fed["words"] = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
            fed["words_mask"] = np.ones((rows, words), np.bool_)
        return fed

    return made


def found(shortlist, row, least=0.0):
    """What a picture's shortlist holds, and the score below which it may lack a box: where it is full, its own last."""
    count = int(shortlist["count"][row])
    boxes, scores, labels = (shortlist[name][row, :count] for name in ("boxes", "scores", "labels"))
    return Found(boxes, scores, labels), max(least, float(scores[-1]) if count == shortlist["scores"].shape[1] else 0.0)


def assert_near(one, other, conf, boxes=BOXES, scores=SCORES):
    """Two runs, the same within the tolerances, near ties in any order."""
    assert one["scores"].shape == other["scores"].shape
    compared = 0
    for row in range(len(one["count"])):
        (left, least), (right, also) = found(one, row, conf), found(other, row, conf)
        apart = difference(left, right, max(least, also))
        assert apart.boxes <= boxes
        assert apart.scores <= scores
        assert apart.unmatched == 0
        compared += apart.compared
    assert compared


def test_inputs_outputs_and_metadata_are_the_contracts(engine, network):
    spec, _ = network
    words = {}
    if isinstance(spec, NanoSpec):
        words = {"words": TensorInfo(F32, (ANY, ANY, spec.embedding)), "words_mask": TensorInfo(BOOL, (ANY, ANY))}
    assert engine.inputs == {
        "images": TensorInfo(U8, (ANY, ANY, ANY, 3)),
        **words,
        "conf": TensorInfo(F32, ()),
        "max_candidates": TensorInfo(I64, (1,)),
    }
    assert engine.outputs == {
        "boxes": TensorInfo(F32, (ANY, ANY, 4)),
        "scores": TensorInfo(F32, (ANY, ANY)),
        "labels": TensorInfo(I64, (ANY, ANY)),
        "count": TensorInfo(I64, (ANY,)),
        "rows_passed": TensorInfo(I64, (ANY,)),
    }
    assert engine.metadata == METADATA
    assert engine.name.rpartition(" ")[0] in {"ONNX Runtime", "OpenVINO", "PyTorch"}


@pytest.mark.parametrize(
    ("batch", "sides", "candidates", "words"), [(1, (256, 256), 500, 1), (3, (64, 160), 7, 40), (2, (32, 32), 9999, 3)]
)
def test_a_run_gives_what_the_contract_says(engine, network, feed, batch, sides, candidates, words):
    images = np.random.default_rng(1).integers(0, 256, (batch, *sides, 3), np.uint8)
    fed = feed(images, conf=0.02, candidates=candidates, words=words)
    labels = words if "words" in fed else network[0].classes
    kept = {name: value.copy() for name, value in fed.items()}
    run = engine.run(fed)
    assert all(np.array_equal(fed[name], kept[name]) for name in fed)
    places = run["scores"].shape[1]
    assert places <= candidates
    assert {name: (value.dtype, value.shape) for name, value in run.items()} == {
        "boxes": (F32, (batch, places, 4)),
        "scores": (F32, (batch, places)),
        "labels": (I64, (batch, places)),
        "count": (I64, (batch,)),
        "rows_passed": (I64, (batch,)),
    }
    for row in range(batch):
        count = int(run["count"][row])
        assert (np.diff(run["scores"][row]) <= 0).all()
        assert (run["scores"][row, :count] > 0.02).all()
        assert ((run["labels"][row, :count] >= 0) & (run["labels"][row, :count] < labels)).all()
        assert not run["boxes"][row, count:].any()
        assert not run["scores"][row, count:].any()
        assert (run["labels"][row, count:] == -1).all()
        assert count == places or run["rows_passed"][row] <= count


@pytest.mark.parametrize(("conf", "candidates"), [(0.05, 500), (0.001, 500), (0.2, 20)])
def test_engines_agree(engine, reference, feed, conf, candidates):
    fed = feed(conf=conf, candidates=candidates)
    assert_near(engine.run(fed), reference.run(fed), conf)


def test_the_same_question_has_the_same_answer(engine, feed):
    one, other = engine.run(feed()), engine.run(feed())
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_batch_gives_what_its_pictures_give_alone(engine, feed, photos):
    together = engine.run(feed())
    pixels = 1e-3 * max(1.0, np.abs(together["boxes"]).max() / photos.shape[1])  # random networks see boxes much larger than the canvas
    for row in range(len(photos)):
        alone = engine.run(feed(photos[row : row + 1]))
        assert_near({name: value[row : row + 1] for name, value in together.items()}, alone, 0.05, boxes=pixels, scores=1e-4)


def test_words_may_be_each_pictures_own_and_masked_ones_are_not_there(engine, feed, photos, network):
    if not isinstance(network[0], NanoSpec):
        pytest.skip("this network takes no words")
    fed = feed(rows=len(photos))
    fed["words_mask"][0, 5:] = False
    run = engine.run(fed)
    assert run["labels"][0].max() < 5 <= run["labels"][1].max()
    first = feed(photos[:1])
    first["words"], first["words_mask"] = fed["words"][:1, :5], fed["words_mask"][:1, :5]
    few = engine.run(first)
    assert_near({name: value[:1, : few["scores"].shape[1]] if value.ndim > 1 else value[:1] for name, value in run.items()}, few, 0.05)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("images", np.zeros((1, 64, 64, 3), np.float32)),
        ("images", np.zeros((64, 64, 3), np.uint8)),
        ("images", np.zeros((1, 64, 64, 4), np.uint8)),
        ("images", np.zeros((1, 40, 64, 3), np.uint8)),
        ("conf", np.zeros(1, np.float32)),
        ("conf", np.array(0.5)),
        ("max_candidates", np.zeros(1, np.int32)),
        ("words", np.zeros((1, 20, 3), np.float32)),
        ("words_mask", np.ones((1, 7), np.bool_)),
        ("words_mask", np.ones((1, 20), np.uint8)),
        ("unheard", np.zeros(1, np.float32)),
    ],
    ids=["floats", "no batch", "four colours", "stride", "conf of 1", "conf float64", "int32", "width", "mask", "mask uint8", "unheard"],
)
def test_what_does_not_fit_is_refused_in_one_line(engine, feed, name, value):
    fed = feed()
    if name.startswith("words") and name not in fed:
        pytest.skip("this network takes no words")
    with pytest.raises(EngineError, match=rf"^the model: [^\n]*{name} {value.dtype}"):
        engine.run(fed | {name: value})
    assert engine.run(fed)["count"].any()  # and the engine lives on


def test_eight_threads_at_once_get_the_answers_of_one(engine, feed, photos):
    fed = [feed(photos[:, :64, : 32 * words], words=words, seed=words) for words in (1, 2, 3, 4, 5, 1, 2, 3)]
    alone = [engine.run(one) for one in fed]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(engine.run, fed))
    for one, other in zip(alone, together, strict=True):
        assert all(np.array_equal(one[name], other[name]) for name in one)
