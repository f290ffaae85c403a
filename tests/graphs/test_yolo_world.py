"""YOLO-World drawn: measured numbers, what words do to each other, and words folded in."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from wordbox.arrays import arrays
from wordbox.engines.openvino import OpenVinoEngine
from wordbox.errors import WeightsError
from wordbox.graphs import yolo, yolo_world
from wordbox.graphs.builder import GraphBuilder
from wordbox.graphs.fold_words import fold_words
from wordbox.graphs.pen import Pen
from wordbox.graphs.weights import Weights
from wordbox.specs import DistributionHead, YoloWorldSpec, is_open
from wordbox.variants import yolo_world as published

VERSIONS = ["v1", "v2"]
CANVAS = (96, 64)
REFUSED = {"Einsum", "LayerNormalization", "Loop", "If", "Scan", "NonZero", "NonMaxSuppression", "GridSample"}


@pytest.fixture(params=VERSIONS)
def small(request, golden):
    """A narrow network full of noise, and its arrays."""
    spec = YoloWorldSpec(
        version=request.param,
        widths=(8, 16, 64, 64, 128),
        repeats=(1, 1, 1, 1),
        neck_repeats=1,
        head=DistributionHead(box_width=16, label_width=24),
        embedding=40,
        pooled_width=64,
    )
    return spec, golden.filled(arrays(spec), request.param)


@pytest.fixture
def words(rng, small):
    """(1, 6, D), of different lengths."""
    return rng.normal(size=(1, 6, small[0].embedding)).astype(np.float32)


def everything(spec, found, canvas=CANVAS):
    """A graph that gives boxes (B, N, 4), xyxy, and logits (B, N, K) of every cell of float pictures (B, 3, H, W)."""
    graph = GraphBuilder()
    pen = Pen.of(spec, graph, Weights(found, "noise"))
    x = graph.input("x", np.float32, ("B", 3, "H", "W"))
    inputs = (None, None)
    if is_open(spec):
        inputs = graph.input("words", np.float32, ("BW", "K", spec.embedding)), graph.input("words_mask", np.bool_, ("BW", "K"))
    distances, logits = (graph.op("Concat", *part, axis=1) for part in yolo_world.predictions(pen, x, spec, *inputs))
    pen.weights.take("head.bins", 1, spec.head.bins, 1, 1)
    pen.weights.finish()
    graph.output("distances", distances, np.float32, ("B", "N", 4 * spec.head.bins))
    graph.output("logits", logits, np.float32, ("B", "N", "K"))
    return graph.model({})


def decoded(spec, answer, canvas=CANVAS):
    """Boxes (B, N, 4), xyxy, and scores (B, N, K)."""
    sides = answer["distances"].astype(np.float64).reshape(*answer["distances"].shape[:2], 4, spec.head.bins)
    shares = np.exp(sides - sides.max(3, keepdims=True))
    cells = (shares / shares.sum(3, keepdims=True)) @ np.arange(spec.head.bins)
    points, steps = [], []
    for stride in spec.strides:
        down, right = np.mgrid[: canvas[0] // stride, : canvas[1] // stride]
        points.append((np.stack([right, down], -1).reshape(-1, 2) + 0.5) * stride)
        steps.append(np.full((len(points[-1]), 1), stride))
    points, steps = np.concatenate(points), np.concatenate(steps)
    boxes = np.concatenate([points - cells[..., :2] * steps, points + cells[..., 2:] * steps], 2)
    return boxes, 1 / (1 + np.exp(-answer["logits"].astype(np.float64)))


@pytest.fixture
def asked(engine, small, golden):
    """What the small network says of the golden picture, or others, for words and their mask."""
    spec, found = small
    running = engine(everything(spec, found))

    def ask(words, mask=None, x=None):
        mask = np.ones(words.shape[:2], np.bool_) if mask is None else mask
        return decoded(spec, running.run({"x": 255 * golden.images() if x is None else x, "words": words, "words_mask": mask}))

    return ask


def same(one, other, pixels=1e-4, score=1e-6):
    return np.abs(one[0] - other[0]).max() <= pixels and np.abs(one[1] - other[1]).max() <= score


@pytest.mark.parametrize("version", VERSIONS)
def test_the_measured_numbers(engine, golden, version):
    spec = published("s", version=version)
    model = everything(spec, golden.filled(arrays(spec), version))
    feeds = {"x": 255 * golden.images(), "words": golden.words(), "words_mask": np.ones((1, 5), np.bool_)}
    boxes, scores = decoded(spec, engine(model).run(feeds))
    pixels, score = golden.apart(version, boxes[0], scores[0])
    assert pixels <= golden.PIXELS
    assert score <= golden.SCORE


def test_the_words_order_is_that_of_the_scores(asked, words):
    order = np.array([3, 0, 5, 1, 4, 2])
    boxes, scores = asked(words)
    assert same(asked(words[:, order]), (boxes, scores[..., order]))


def test_a_word_that_stands_twice_changes_no_other(asked, words):
    boxes, scores = asked(words)
    twice = asked(words[:, [0, 1, 2, 3, 4, 5, 2]])
    assert same((twice[0], twice[1][..., :6]), (boxes, scores))
    assert np.abs(twice[1][..., 6] - scores[..., 2]).max() <= 1e-6


def test_a_new_word_changes_all(asked, words):
    fewer, more = asked(words), asked(np.concatenate([words, 10 * words[:, :1], -10 * words[:, :1]], 1))
    assert np.abs(fewer[0] - more[0]).max() > 0.1
    assert np.abs(fewer[1] - more[1][..., :6]).max() > 1e-3


def test_masked_words_change_nothing(asked, words, rng):
    padding = 50 * rng.normal(size=(1, 3, words.shape[2])).astype(np.float32)
    mask = np.array([[True] * 6 + [False] * 3])
    found = asked(np.concatenate([words, padding], 1), mask)
    assert same((found[0], found[1][..., :6]), asked(words))
    assert (found[1][..., 6:] == 0).all()


def test_without_words_the_gates_are_shut_and_nothing_is_found(asked, words):
    boxes, scores = asked(words, np.zeros((1, 6), np.bool_))
    assert np.isfinite(boxes).all()
    assert (scores == 0).all()


def test_each_picture_of_a_batch_may_have_its_own_words(asked, words, golden, rng):
    pictures = (255 * rng.random((3, 3, *CANVAS))).astype(np.float32)
    lists = [words[:, :2], words, words[:, 3:4]]
    full, mask = np.zeros((3, 6, words.shape[2]), np.float32), np.zeros((3, 6), np.bool_)
    for row, own in enumerate(lists):
        full[row, : own.shape[1]], mask[row, : own.shape[1]] = own[0], True
    boxes, scores = asked(full, mask, pictures)
    for row, own in enumerate(lists):
        assert same((boxes[row : row + 1], scores[row : row + 1, :, : own.shape[1]]), asked(own, x=pictures[row : row + 1]))


@pytest.mark.parametrize(("phrases", "background"), [((1, 1, 1, 1, 1, 1), 0), ((1, 1, 1, 1, 1), 1), ((2, 1, 3), 0), ((1, 4), 1)])
def test_words_folded_in_find_the_same(engine, small, asked, words, golden, phrases, background):
    spec, found = small
    baked, folded = fold_words(spec, found, words[0], phrases, background)
    assert (baked.classes, baked.folded, is_open(baked)) == (len(phrases), 6, False)
    assert {one.name: one.shape for one in arrays(baked)} == {name: array.shape for name, array in folded.items()}
    boxes, scores = decoded(spec, engine(everything(baked, folded)).run({"x": 255 * golden.images()}))
    opened = asked(words)
    ends = np.cumsum(phrases)
    merged = np.stack([opened[1][..., end - count : end].max(2) for end, count in zip(ends, phrases, strict=True)], 2)
    assert same((boxes, scores), (opened[0], merged), pixels=1e-3, score=1e-5)


def test_the_folded_arrays_are_those_of_a_yolov8_head(small, words):
    spec, found = small
    _, folded = fold_words(spec, found, words[0], (1,) * 6)
    gone = {name for name in found if ".contrast." in name or ".guide." in name}
    if spec.version == "v2":
        assert folded["head.label.0.predict.weight"].shape == (6, spec.head.label_width, 1, 1)
        assert folded.keys() == (found.keys() - gone) | {f"neck.{way}.{i}.gate.words" for way in ("top_down", "bottom_up") for i in (0, 1)}
    else:
        assert folded.keys() == found.keys() | {"words"}


@pytest.mark.parametrize("baked", [False, True])
def test_no_operator_is_one_that_edge_compilers_refuse(small, words, baked):
    spec, found = fold_words(*small, words[0], (1,) * 6) if baked else small
    model = yolo.draw(spec, found, {}, "noise")
    onnx.checker.check_model(model, full_check=True)
    assert not REFUSED & {node.op_type for node in model.graph.node}
    products = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1].endswith(".gate.words.weight")]
    assert len(products) == (4 if baked and spec.version == "v2" else 0)  # a gate's products are convolutions


@pytest.mark.parametrize("canvas", [(160, 96), (96, 256), (32, 32)])
def test_both_runtimes_agree_on_the_deployed_graph(small, words, engine, rng, canvas):
    spec, found = small
    model = yolo.draw(spec, found, {}, "noise")
    feeds = {
        "images": rng.integers(0, 256, (2, *canvas, 3), dtype=np.uint8),
        "words": words,
        "words_mask": np.array([[True, True, False, True, True, True]]),
        "conf": np.array(0, np.float32),
        "max_candidates": np.array([5000]),
    }
    one = engine(model).run(feeds)
    other = OpenVinoEngine(model.SerializeToString(), where="noise", threads=1).run(feeds)
    assert (one["count"] == other["count"]).all()
    assert (one["count"] == sum((canvas[0] // s) * (canvas[1] // s) for s in spec.strides) * 5).all()
    assert not (one["labels"] == 2).any()
    assert np.abs(one["scores"] - other["scores"]).max() < 1e-4
    first, second = (np.sort(found["boxes"].reshape(2, -1), 1) for found in (one, other))
    assert np.abs(first - second).max() < 1e-2


def test_arrays_of_the_other_version_are_told_at_once(small):
    spec, found = small
    other = replace(spec, version="v2" if spec.version == "v1" else "v1")
    with pytest.raises(WeightsError, match=r"contrast\.0\.norm\.weight|neck\.pooling\.out\.weight"):
        yolo.draw(other, found, {}, "noise")
