import re

import numpy as np
import onnx
import pytest

from wordbox.checkpoints import native
from wordbox.errors import WeightsError
from wordbox.geometry.suppress import suppress
from wordbox.graphs import nano
from wordbox.graphs.blocks import convolution, kernel_and_bias
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.weights import Weights
from wordbox.images.letterbox import letterbox, place
from wordbox.specs import NanoSpec

# spec nano.md, section 2; a level each
GOLDEN = {
    "shape": ((1, 124, 8, 12), (1, 124, 4, 6), (1, 124, 2, 3)),
    "mean": (-3.33581, -3.26834, -3.06691),
    "deviation": (2.65497, 2.52321, 2.32080),
    "largest": (7.21623, 6.57656, 5.25498),
    "first": (-4.29108, -4.87131, -4.77398),
    "last": (-1.05425, -1.12688, -1.37196),
}
GOLDEN_BUS = ((5, 0.778), (0, 0.749), (0, 0.655), (0, 0.605), (36, 0.363))  # bus, persons, a wrong skateboard


def closed(trunk, classes, spec):
    """The published network: 80 classes and 4 x 11 bins a cell, drawn by the same writer."""
    arrays = {name: array for name, array in trunk.items() if ".distance." not in name}
    for level in range(3):
        for part in ("weight", "bias"):
            rows = classes[f"head.region.{level}.{part}"], trunk[f"head.distance.{level}.{part}"]
            arrays[f"head.closed.{level}.{part}"] = np.concatenate(rows)
    graph, weights = GraphBuilder(), Weights(arrays, "nanodet-g")
    x = graph.input("x", np.float32, ("B", 3, "H", "W"))
    for level, feature in enumerate(nano.trunk(graph, weights, x, spec, scaled=True)):
        name = f"head.closed.{level}"
        logits = convolution(graph, feature, *kernel_and_bias(weights, name, spec.neck, 124, 1), name)
        graph.output(f"level{level}", logits, np.float32, ("B", 124, f"h{level}", f"w{level}"))
    weights.finish()
    return graph.model({})


def opened(trunk, classes, spec):
    """The published arrays in the open network: the word k is the unit vector k."""
    arrays = dict(trunk)
    for level in range(3):
        weight, bias = classes[f"head.region.{level}.weight"], classes[f"head.region.{level}.bias"]
        empty = spec.embedding - len(bias)
        arrays[f"head.region.{level}.weight"] = np.pad(weight, ((0, empty), (0, 0), (0, 0), (0, 0)))
        arrays[f"head.region.{level}.bias"] = np.pad(bias, (0, empty))
        for part, value in {"weight": 1, "bias": 0, "mean": 0, "variance": 1}.items():
            arrays[f"head.norm.{level}.{part}"] = np.full(spec.embedding, value, np.float32)
        arrays[f"head.scale.{level}"] = arrays[f"head.offset.{level}"] = np.zeros((), np.float32)
    return arrays


def feeds(images, words, mask=None, conf=0.1, cap=1000):
    mask = np.ones(words.shape[:2], np.bool_) if mask is None else mask
    limits = {"conf": np.array(conf, np.float32), "max_candidates": np.array([cap], np.int64)}
    return {"images": images, "words": words, "words_mask": mask, **limits}


def unit(rng, *shape):
    words = rng.normal(size=shape).astype(np.float32)
    return words / np.linalg.norm(words, axis=-1, keepdims=True)


def assert_same_finds(found, row, expected, conf, cap):
    """The graph's shortlist of one picture holds what the twin found, near ties and near the threshold aside."""
    boxes, scores, labels = expected
    count = int(found["count"][row])
    mine = [found[name][row, :count] for name in ("boxes", "scores", "labels")]
    assert np.all(np.diff(mine[1]) <= 1e-6)  # sorted by logits; the runtime's sigmoid wavers in its last bit
    floor = max(conf, scores[cap - 1] if len(scores) >= cap else 0)
    surely, maybe = np.sum(scores > floor + 1e-3), min(cap, np.sum(scores > floor - 1e-3))
    assert surely <= count <= maybe
    assert np.abs(mine[1][:surely] - scores[:surely]).max(initial=0) < 1e-3
    unmatched = 0
    for box, score, label in zip(*mine, strict=True):
        first, last = np.searchsorted(-scores, [-score - 1e-3, -score + 1e-3])
        near = boxes[first:last][labels[first:last] == label]
        unmatched += not (np.abs(near - box).max(axis=1, initial=0) < 1e-2).any()
    assert unmatched <= count - surely  # what stands at the threshold may be missing there


def compare(model_engine, twin, spec, arrays, images, words, mask, conf, cap=1000):
    found = model_engine.run(feeds(images, words, mask, conf, cap))
    scores, boxes = twin.forward(spec, arrays, images, words, mask)
    for row in range(len(images)):
        assert_same_finds(found, row, twin.finds(scores[row], boxes[row], conf), conf, cap)
    return found


@pytest.fixture(scope="module")
def small(twin, small_spec, engine):
    arrays = twin.random_arrays(small_spec, np.random.default_rng(3))
    return arrays, engine(nano.draw(small_spec, arrays, {}, "small"))


def test_the_closed_network_has_the_golden_numbers(published, engine):
    model = closed(*published, NanoSpec())
    onnx.checker.check_model(model, full_check=True)
    x = ((np.arange(3 * 64 * 96).reshape(1, 3, 64, 96) * 7) % 256 - 128) / 64
    levels = list(engine(model).run({"x": x.astype(np.float32)}).values())
    assert tuple(level.shape for level in levels) == GOLDEN["shape"]
    measured = {
        "mean": [level.mean() for level in levels],
        "deviation": [level.std(ddof=1) for level in levels],
        "largest": [np.abs(level).max() for level in levels],
        "first": [level[0, 0, 0, 0] for level in levels],
        "last": [level[0, 100, -1, -1] for level in levels],
    }
    for name, values in measured.items():
        assert np.allclose(values, GOLDEN[name], rtol=0, atol=1e-4), name


def test_the_deployed_graph_finds_the_bus(published, engine, shared):
    import cv2

    spec = NanoSpec()
    picture = np.ascontiguousarray(cv2.imread(str(shared / "data" / "photos" / "bus.jpg"))[..., ::-1])
    placement = place(picture.shape[:2], 512, 32)
    assert placement.canvas == (512, 384)
    words = np.eye(spec.embedding, dtype=np.float32)[None, :80]
    deployed = engine(nano.draw(spec, opened(*published, spec), {}, "open"))
    found = deployed.run(feeds(letterbox(picture, placement)[None], words, conf=0.35))
    count = found["count"][0]
    kept = suppress(found["boxes"][0, :count], found["labels"][0, :count], 0.6)
    assert [int(label) for label in found["labels"][0, kept]] == [label for label, _ in GOLDEN_BUS]
    assert np.allclose(found["scores"][0, kept], [score for _, score in GOLDEN_BUS], rtol=0, atol=0.005)
    bus = placement.to_image(found["boxes"][0, kept])[0]
    assert np.allclose(bus, [7.0, 227.5, 797.6, 737.8], rtol=0, atol=1)


def test_graph_and_twin_take_the_same_arrays(twin, small_spec):
    for spec in (small_spec, NanoSpec()):
        zeros = {name: np.ones(shape, np.float32) for name, shape in twin.shapes(spec).items()}
        nano.draw(spec, zeros, {}, "ones")  # strict: it says what is missing, misshapen or unexpected


@pytest.mark.parametrize("words", [1, 80, 1203])
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("shared_words", [True, False])
def test_graph_and_twin_agree_on_random_weights(small, twin, small_spec, rng, batch, words, shared_words):
    arrays, deployed = small
    images = rng.integers(0, 256, (batch, 64, 96, 3), np.uint8)
    phrases = unit(rng, 1 if shared_words else batch, words, small_spec.embedding)
    mask = rng.random(phrases.shape[:2]) < 0.9
    mask[:, 0] = True
    for conf, cap in ((0.1, 1000), (0.001, 3000)):
        found = compare(deployed, twin, small_spec, arrays, images, phrases, mask, conf, cap)
    assert found["count"].min() > 20


def test_graph_and_twin_agree_on_published_weights(published, engine, twin, shared, rng):
    import cv2

    spec = NanoSpec()
    arrays = opened(*published, spec)
    photos = [cv2.imread(str(shared / "data" / "photos" / name))[..., ::-1] for name in ("bus.jpg", "zidane.jpg")]
    images = np.stack([cv2.resize(photo, (128, 96)) for photo in photos])
    words = np.concatenate([np.eye(spec.embedding, dtype=np.float32)[None, :80], 5 * unit(rng, 1, 40, spec.embedding)], axis=1)
    deployed = engine(nano.draw(spec, arrays, {}, "open"))
    found = compare(deployed, twin, spec, arrays, images, words, np.ones((1, 120), np.bool_), 0.05)
    assert (found["count"] > 10).all()


def test_graph_and_twin_agree_on_the_packaged_model(engine, twin, rng, root):
    network, facts = native.read(root / "src" / "wordbox" / "models" / "wordbox-nano.safetensors")
    assert network.keys() == twin.shapes(facts.spec).keys()
    images = rng.integers(0, 256, (2, 64, 96, 3), np.uint8)
    words = unit(rng, 2, 80, facts.spec.embedding)
    compare(engine(nano.draw(facts.spec, network, {}, "packaged")), twin, facts.spec, network, images, words, np.ones((2, 80), bool), 0.001)


def test_a_batch_and_its_pictures_alone_agree(small, small_spec, rng):
    _, deployed = small
    images = rng.integers(0, 256, (4, 96, 64, 3), np.uint8)
    words = unit(rng, 1, 20, small_spec.embedding)
    together = deployed.run(feeds(images, words))
    for row in range(4):
        alone = deployed.run(feeds(images[row : row + 1], words))
        assert alone["count"][0] == together["count"][row] > 0
        assert np.allclose(alone["scores"][0], together["scores"][row], rtol=0, atol=1e-4)


@pytest.mark.parametrize("conf", [0, 0.1])
def test_masked_words_change_nothing_and_never_appear(small, small_spec, rng, conf):
    _, deployed = small
    images = rng.integers(0, 256, (3, 64, 64, 3), np.uint8)
    padded = 100 * rng.normal(size=(3, 9, small_spec.embedding)).astype(np.float32)  # loud words, if they were heard
    mask = np.zeros((3, 9), np.bool_)
    lengths = (1, 4, 9)
    for row, length in enumerate(lengths):
        padded[row, :length] = unit(rng, length, small_spec.embedding)
        mask[row, :length] = True
    found = deployed.run(feeds(images, padded, mask, conf))
    for row, length in enumerate(lengths):
        alone = deployed.run(feeds(images[row : row + 1], padded[row : row + 1, :length], conf=conf))
        count = alone["count"][0]
        assert found["count"][row] == count > 0
        assert found["rows_passed"][row] == alone["rows_passed"][0]
        assert np.allclose(found["scores"][row, :count], alone["scores"][0, :count], rtol=0, atol=1e-6)
        assert np.allclose(found["boxes"][row, :count], alone["boxes"][0, :count], rtol=0, atol=1e-3)
        assert found["labels"][row].max() < length
        assert (found["labels"][row, count:] == -1).all()


def test_all_words_masked_find_nothing(small, small_spec, rng):
    _, deployed = small
    found = deployed.run(feeds(np.zeros((1, 32, 32, 3), np.uint8), unit(rng, 1, 3, small_spec.embedding), np.zeros((1, 3), bool), conf=0))
    assert (found["count"] == 0).all()
    assert (found["rows_passed"] == 0).all()
    assert (found["labels"] == -1).all()


def test_all_arrays_that_do_not_fit_are_listed_at_once(twin, small_spec, rng):
    arrays = twin.random_arrays(small_spec, rng)
    del arrays["backbone.stem.bias"], arrays["head.norm.1.variance"]
    arrays["neck.lateral.0.weight"] = np.zeros((16, 16, 3, 3), np.float32)
    arrays["backbone.anchors"] = np.zeros((9, 2), np.float32)
    with pytest.raises(WeightsError) as caught:
        nano.draw(small_spec, arrays, {}, "folder/file.safetensors")
    message = str(caught.value)
    assert message.startswith("folder/file.safetensors: 4 arrays do not fit")
    for fault in (
        "missing backbone.stem.bias [8]",
        "missing head.norm.1.variance [12]",
        "neck.lateral.0.weight is [16, 16, 3, 3], expected [16, 16, 1, 1]",
        "unexpected backbone.anchors [9, 2]",
    ):
        assert re.search(re.escape(fault), message), fault
    assert "\n" not in message


def test_an_empty_file_lists_every_array(twin):
    with pytest.raises(WeightsError) as caught:
        nano.draw(NanoSpec(), {}, {}, "empty")
    assert all(f"missing {name} " in str(caught.value) for name in twin.shapes(NanoSpec()))


def test_a_spec_far_larger_than_its_file_is_refused_before_memory_is_full(twin, small_spec, rng):
    with pytest.raises(WeightsError, match=r"^liar: .*expected"):
        nano.draw(NanoSpec(neck=65536, embedding=65536), twin.random_arrays(small_spec, rng), {}, "liar")
