"""Words folded into a model: it finds what the open one finds, says what it is, and what cannot be baked is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox import baking, opening
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import VocabularyError, WeightsError
from wordbox.manifest import Partner
from wordbox.specs import is_open
from wordbox.variants import yolov8
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.words import Vocabulary


@pytest.fixture(params=["v1", "v2"])
def model(request, worlds):
    spec = worlds.narrow(request.param)
    facts = worlds.manifest(spec, encoder=Partner(name="x", sha256="0"), words_from=EncoderIdentity(name="clip-text-40"))
    return opening.Model(Path("narrow.pt"), facts, worlds.arrays(spec), {}, None, None, {"norm.weight": np.zeros(1)})


@pytest.fixture
def words(worlds):
    """Three labels of one, three and two phrases, in another order, of different lengths, and a background word among them."""
    plain = worlds.vocabulary(*(f"phrase {i}" for i in range(7)))
    lengths = np.linspace(0.5, 2, 7, dtype=np.float32)[:, None]
    owners = np.array([1, 0, 2, -1, 1, 1, 2])
    return replace(plain, labels=("cat", "dog", "Red  bus"), vectors=plain.vectors * lengths, owners=owners)


def found(graph, images, words=None, mask=None):
    engine = OnnxRuntimeEngine(graph.SerializeToString(), where="test", threads=1)
    feeds = {"images": images, "conf": np.array(0, np.float32), "max_candidates": np.array([100_000])}
    if words is not None:
        feeds |= {"words": words.vectors[None], "words_mask": np.ones((1, len(words.vectors)), np.bool_)}
    return engine.run(feeds)


def by_cell(boxes, scores, labels, count):
    """{(rounded box, label): best (score, box)}."""
    best = {}
    for box, score, label in zip(boxes, scores, labels, strict=True):
        key = (*np.round(box, 1).tolist(), int(label))
        if key not in best or best[key][0] < score:
            best[key] = (score, box)
    assert len(best) == count
    return best


def test_a_baked_model_finds_what_the_open_one_does(model, words, worlds):
    images = np.stack([worlds.picture(seed) for seed in (0, 1)])
    opened = found(model.graph(), images, words)
    baked = baking.bake(model, words)
    fixed = found(baked.graph(), images)
    cells = sum((96 // s) * (64 // s) for s in (8, 16, 32))
    assert opened["count"].tolist() == [7 * cells] * 2
    assert fixed["count"].tolist() == [3 * cells] * 2
    for row in range(2):
        owners = words.owners[opened["labels"][row]]
        own = owners >= 0
        left = by_cell(opened["boxes"][row][own], opened["scores"][row][own], owners[own], 3 * cells)
        right = by_cell(*(fixed[name][row] for name in ("boxes", "scores", "labels")), 3 * cells)
        lefts, rights = (sorted(side.values(), key=lambda one: (one[0], *one[1].tolist())) for side in (left, right))
        assert np.abs(np.array([a[0] - b[0] for a, b in zip(lefts, rights, strict=True)])).max() < 1e-5
        shared = left.keys() & right.keys()
        assert len(shared) > 0.9 * len(left)  # what rounds to two sides of a tenth of a pixel has another key
        assert max(abs(left[key][0] - right[key][0]) for key in shared) < 1e-5
        assert max(np.abs(left[key][1] - right[key][1]).max() for key in shared) < 1e-3


def test_what_it_says_of_itself(model, words):
    baked = baking.bake(model, words)
    facts, spec = baked.manifest, baked.manifest.spec
    assert (facts.names, facts.open, facts.encoder, facts.background, facts.words_from) == (
        ("cat", "dog", "Red  bus"),
        False,
        None,
        None,
        None,
    )
    assert (spec.phrases, spec.background, is_open(spec)) == ((1, 3, 2), 1, False)
    assert facts.origin == "noise; 3 words folded in"
    assert (facts.name, facts.licence, facts.thresholds, facts.preprocessing) == tuple(
        getattr(model.manifest, key) for key in ("name", "licence", "thresholds", "preprocessing")
    )
    assert (baked.path, baked.text, baked.words) == (model.path, {}, None)
    opening.check_manifest(facts, baked.path)
    assert baking.said_of(facts).startswith(
        "version 1: the words are constants" if spec.version == "v1" else "the words are in the weights"
    )


def test_what_was_never_baked_says_so(model):
    assert baking.said_of(model.manifest) == "nothing is baked: words are an input"
    yolo = replace(model.manifest, spec=yolov8("n", classes=2), open=False, names=("a", "b"))
    assert baking.said_of(yolo) == "nothing is baked: it was trained for its classes"


def test_the_open_model_stays_as_it_was_and_bakes_again(model, words, worlds):
    before = {name: array.copy() for name, array in model.arrays.items()}
    first = baking.bake(model, words)
    one = baking.bake(model, worlds.vocabulary("x"))
    assert one.manifest.names == ("x",)
    assert model.manifest.open
    assert model.arrays.keys() == before.keys()
    assert all(np.array_equal(model.arrays[name], array) for name, array in before.items())
    again = baking.bake(model, words)
    assert all(np.array_equal(first.arrays[name], array) for name, array in again.arrays.items())


def test_labels_merged_by_their_mean_have_a_row_each(model, worlds):
    mean = replace(worlds.vocabulary("a", "b"), phrases=(("a", "aa"), ("b",)))
    assert baking.bake(model, mean).manifest.spec.phrases == (1, 1)


def test_what_cannot_be_baked_is_refused_in_one_line(model, words):
    fixed = baking.bake(model, words)
    spec = yolov8("n", classes=2)
    yolo = opening.Model(Path("y.pt"), replace(model.manifest, spec=spec, open=False, names=("a", "b")), {}, {}, None)
    graph = opening.Model(Path("g.onnx"), model.manifest, None, {}, model.graph())
    cut = replace(model, arrays={name: array for name, array in model.arrays.items() if name != "backbone.stem.norm.bias"})
    unknown = replace(words, known=np.array([True] * 5 + [False] * 2))
    for one, vocabulary, error, said in (
        (fixed, words, WeightsError, r"narrow\.pt: its classes are fixed already \(cat, dog, Red  bus\); bake a model that takes words"),
        (yolo, words, WeightsError, r"y\.pt: its classes are fixed already \(a, b\)"),
        (graph, words, WeightsError, r"g\.onnx: a graph, whose weights have no names; bake the checkpoint"),
        (cut, words, WeightsError, r"narrow\.pt: 1 array does not fit the network: missing backbone\.stem\.norm\.bias"),
        (model, unknown, VocabularyError, "knows nothing of 'phrase 5', 'phrase 6', so they cannot be baked"),
    ):
        with pytest.raises(error, match=said) as caught:
            baking.bake(one, vocabulary)
        assert "\n" not in str(caught.value)


def test_the_packaged_model_bakes_too(detector):
    model = detector.origin.read()
    vocabulary = detector.encode(Vocabulary({"drink": ["cup", "glass"], "table": "table"}))
    baked = baking.bake(model, vocabulary)
    assert (baked.manifest.spec.phrases, baked.manifest.names) == ((2, 1), ("drink", "table"))
    assert baking.said_of(baked.manifest).startswith("the words are in the weights")
