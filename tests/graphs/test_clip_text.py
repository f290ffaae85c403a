"""CLIP's text tower, drawn, against its NumPy twin, and what padding may not change."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import EngineError, WeightsError
from wordbox.graphs import clip_text
from wordbox.specs import ClipTextSpec

SPEC = ClipTextSpec(width=12, layers=2, heads=3, projection=7, tokens=40, context=9)
END = SPEC.tokens - 1
PROMPTS = ([38, 39], [38, 5, 39], [38, 1, 2, 3, 39], [38, 7, 7, 7, 7, 7, 7, 7, 39])


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TWIN = load(Path(__file__).with_name("numpy_clip.py"))
ARRAYS = TWIN.random_arrays(SPEC)


def engine_of(store="float32", arrays=ARRAYS, spec=SPEC):
    return OnnxRuntimeEngine(clip_text.draw(spec, arrays, {}, "a test's tower", store=store).SerializeToString(), where="tower", threads=1)


ENGINE = engine_of()


def vectors(prompts, engine=ENGINE, behind=END, length=None):
    """The vectors of prompts in one run, padded to `length`, or to the longest."""
    tokens = np.full((len(prompts), length or max(map(len, prompts))), behind, np.int64)
    for row, prompt in zip(tokens, prompts, strict=True):
        row[: len(prompt)] = prompt
    return engine.run({"tokens": tokens})["vectors"]


def test_the_drawing_equals_the_twin():
    expected = np.array([TWIN.run(SPEC, ARRAYS, prompt) for prompt in PROMPTS])
    assert np.abs(vectors(PROMPTS) - expected).max() < 1e-5
    assert np.ptp(expected, axis=0).min() > 0.05  # the prompts are told apart


def test_openvino_says_the_same():
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    from wordbox.engines.openvino import OpenVinoEngine

    other = OpenVinoEngine(clip_text.draw(SPEC, ARRAYS, {}, "tower").SerializeToString(), where="tower", threads=1)
    for prompts in (PROMPTS, PROMPTS[:1]):
        assert np.abs(vectors(prompts, other) - vectors(prompts)).max() < 1e-5


@given(
    words=st.lists(st.lists(st.integers(0, END - 1), max_size=SPEC.context - 2), min_size=1, max_size=5),
    behind=st.integers(0, END),
)
def test_neither_padding_nor_other_prompts_change_a_vector(words, behind):
    prompts = [[END - 1, *word, END] for word in words]
    alone = np.concatenate([vectors([prompt]) for prompt in prompts])
    assert np.abs(vectors(prompts, behind=behind) - alone).max() < 2e-5
    assert np.abs(vectors(prompts, behind=behind, length=SPEC.context) - alone).max() < 2e-5
    assert np.abs(np.linalg.norm(alone, axis=1) - 1).max() < 1e-5


def test_the_first_end_counts():
    assert np.allclose(vectors([[38, 4, END, 6, END]]), vectors([[38, 4, END]]), atol=1e-6)
    assert np.abs(vectors([[38, 4, 6, END]]) - vectors([[38, 4, END]])).max() > 0.01


def test_order_counts():
    assert np.abs(vectors([[38, 1, 2, END]]) - vectors([[38, 2, 1, END]])).max() > 0.01


@pytest.mark.parametrize(("store", "far"), [("float16", 2e-3), ("int8", 3e-2)])
def test_matrices_may_be_kept_smaller(store, far):
    smaller = engine_of(store)
    difference = np.abs(vectors(PROMPTS, smaller) - vectors(PROMPTS)).max()
    assert 0 < difference < far
    alone = np.concatenate([vectors([prompt], smaller) for prompt in PROMPTS])
    assert np.abs(vectors(PROMPTS, smaller) - alone).max() < 2e-5  # what a word becomes depends on no other word


def test_the_file_is_as_small_as_it_says():
    spec = ClipTextSpec(width=64, layers=1, heads=1, projection=64, tokens=2000, context=9)
    arrays = TWIN.random_arrays(spec)
    sizes = {store: clip_text.draw(spec, arrays, {}, "tower", store=store).ByteSize() for store in ("float32", "float16", "int8")}
    assert sizes["float16"] < 0.55 * sizes["float32"]
    assert sizes["int8"] < 0.32 * sizes["float32"]


@given(st.integers(1, 6), st.integers(1, 6), st.floats(1e-30, 1e30))
def test_int8_is_within_half_a_step_of_each_row(rows, columns, spread):
    matrix = (np.random.default_rng(rows).normal(size=(rows, columns)) * spread).astype(np.float32)
    matrix[0] = 0
    kept, scale = clip_text.stored(matrix, "int8")
    assert kept.dtype == np.int8
    assert (scale > 0).all()
    assert (np.abs(kept * scale.astype(np.float64) - matrix) <= 0.501 * scale).all()


def test_float16_holds_what_is_larger_than_it_can():
    kept, scale = clip_text.stored(np.array([[1e9, -1e9, 1]], np.float32), "float16")
    assert scale is None
    assert kept.tolist() == [[65504, -65504, 1]]


def test_all_that_does_not_fit_is_named():
    arrays = {name: array for name, array in ARRAYS.items() if name != "layers.1.query.bias"}
    arrays |= {"positions.weight": np.zeros((9, 11), np.float32), "vision.weight": np.zeros(3, np.float32)}
    arrays["norm.weight"] = np.full(12, np.nan, np.float32)
    with pytest.raises(WeightsError, match=r"missing layers\.1\.query\.bias") as caught:
        clip_text.draw(SPEC, arrays, {}, "some.pth", store="int8")
    for part in (
        "some.pth: 4 arrays",
        r"positions.weight is [9, 11], expected [9, 12]",
        "norm.weight holds numbers",
        "unexpected vision.weight",
    ):
        assert part in str(caught.value)


def test_half_precision_arrays_are_taken_as_they_are():
    halves = {name: array.astype(np.float16) for name, array in ARRAYS.items()}
    wide = {name: array.astype(np.float32) for name, array in halves.items()}
    assert np.array_equal(vectors(PROMPTS, engine_of(arrays=halves)), vectors(PROMPTS, engine_of(arrays=wide)))


def test_longer_than_the_context_is_refused():
    with pytest.raises(EngineError, match="refuses"):
        vectors([[1] * SPEC.context + [END]])


def test_edge_compilers_know_its_operators():
    kinds = {node.op_type for node in clip_text.draw(SPEC, ARRAYS, {}, "tower").graph.node}
    assert not kinds & {"Einsum", "Loop", "If", "Scan", "NonZero"}
