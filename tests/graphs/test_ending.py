import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.graphs import ending
from wordbox.graphs.builder import GraphBuilder


def ended(sigmoid):
    """The ending alone: logits (B, N, K) in; the box of cell n is [n, n + 1, n + 2, n + 3]."""
    graph = GraphBuilder()
    logits = graph.input("logits", np.float32, ("B", "N", "K"))
    limits = ending.limit_inputs(graph)

    def decode(cells):
        corner = graph.op("Unsqueeze", graph.cast(cells, np.float32), graph.integers(2))
        return graph.op("Add", corner, graph.constant([0, 1, 2, 3]))

    ending.shortlist(graph, logits, decode, limits, sigmoid=sigmoid)
    return OnnxRuntimeEngine(graph.model({}).SerializeToString(), where="ending", threads=1)


ENDINGS = {sigmoid: ended(sigmoid) for sigmoid in (True, False)}


def run(logits, conf=0.25, cap=1000, sigmoid=True):
    limits = {"conf": np.array(conf, np.float32), "max_candidates": np.array([cap], np.int64)}
    return ENDINGS[sigmoid].run({"logits": np.asarray(logits, np.float32), **limits})


def threshold(conf):
    with np.errstate(divide="ignore"):
        return np.log(np.float32(conf) / (1 - np.float32(conf)))


def check(logits, conf, cap, sigmoid=True):
    """What leaves is what sorting every pair gives, up to the order of equal ones."""
    logits = np.asarray(logits, np.float32)
    batch, cells, words = logits.shape
    least = threshold(conf) if sigmoid else np.float32(conf)
    found = run(logits, conf, cap, sigmoid)
    pairs = min(cells * words, cap)
    assert {name: (value.dtype, value.shape) for name, value in found.items()} == {
        "boxes": (np.float32, (batch, pairs, 4)),
        "scores": (np.float32, (batch, pairs)),
        "labels": (np.int64, (batch, pairs)),
        "count": (np.int64, (batch,)),
        "rows_passed": (np.int64, (batch,)),
    }
    for row in range(batch):
        best = np.sort(logits[row].ravel())[::-1][:pairs]
        count = int(found["count"][row])
        assert count == (best > least).sum()
        assert found["rows_passed"][row] == (logits[row].max(axis=1) > least).sum()
        boxes, scores, labels = (found[name][row] for name in ("boxes", "scores", "labels"))
        at = boxes[:count, 0].astype(int)
        assert np.array_equal(boxes[:count], at[:, None] + np.arange(4))
        assert np.array_equal(logits[row, at, labels[:count]], best[:count])
        assert len(set(zip(at, labels[:count], strict=True))) == count  # no pair twice
        expected = 1 / (1 + np.exp(-best[:count].astype(np.float64))) if sigmoid else best[:count]
        assert np.allclose(scores[:count], expected, rtol=0, atol=1e-6)
        assert not boxes[count:].any()
        assert not scores[count:].any()
        assert (labels[count:] == -1).all()
    return found


@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 6)),
    values=st.lists(st.sampled_from([-np.inf, -30, -7, -3, -1.1, -1, 0, 0.5, 2, 9, 40]) | st.floats(-20, 20, width=32), min_size=1),
    conf=st.sampled_from([0, 0.001, 0.25, 0.5, 0.9, 1]),
    cap=st.integers(1, 80),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=300, deadline=None)
def test_the_shortlist_is_what_sorting_every_pair_gives(shape, values, conf, cap, seed):
    logits = np.random.default_rng(seed).choice(np.array(values, np.float32), shape)  # few values: many ties
    logits[:, :, np.random.default_rng(seed).random(shape[2]) < 0.2] = -np.inf  # words masked out
    check(logits, conf, cap)


@given(shape=st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 5)), cap=st.integers(1, 50), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_scores_that_come_as_scores_are_left_alone(shape, cap, seed):
    check(np.random.default_rng(seed).choice([0, 0.1, 0.25, 0.26, 0.5, 1], shape), 0.25, cap, sigmoid=False)


def test_conf_0_lets_everything_but_masked_words_pass():
    found = check([[[-90, -np.inf, 5], [-100, -np.inf, -np.inf]]], 0, 10)
    assert found["count"].tolist() == [3]
    assert found["rows_passed"].tolist() == [2]


def test_conf_1_lets_nothing_pass():
    found = check([[[90, 1e30], [np.inf, 0]]], 1, 10)
    assert found["count"].tolist() == [0]


def test_what_equals_the_threshold_does_not_pass():
    assert run([[[0, 0.001]]], conf=0.5)["count"].tolist() == [1]


def test_pictures_of_a_batch_have_counts_of_their_own():
    found = check([[[3, 3]], [[-3, 3]], [[-3, -3]]], 0.25, 10)
    assert found["count"].tolist() == [2, 1, 0]


def test_the_cap_is_told_from_a_threshold_that_lets_fewer_pass():
    logits = np.linspace(-4, 4, 60).reshape(1, 20, 3)
    assert check(logits, 0.25, 7)["count"].tolist() == [7]  # reached: more may have passed
    assert check(logits, 0.25, 60)["count"].tolist() == [(logits > threshold(0.25)).sum()]


@pytest.mark.parametrize("cap", [1, 1000, 3000])
def test_hundreds_of_thousands_of_pairs_leave_as_the_best_few(rng, cap):
    logits = rng.normal(-4.5, 1.9, (1, 5376, 80)).astype(np.float32)
    passed = (logits > threshold(0.001)).sum()
    assert passed > 300_000
    found = check(logits, 0.001, cap)
    assert found["count"].tolist() == [cap]
    assert cap < found["rows_passed"][0] <= 5376


def test_one_cell_that_holds_every_winner():
    logits = np.full((1, 50, 40), -9.0)
    logits[0, 17] = np.linspace(1, 5, 40)
    found = check(logits, 0.25, 40)
    assert (found["boxes"][0, :, 0] == 17).all()


def test_distances_are_expectations_times_the_stride(engine):
    graph = GraphBuilder()
    distances = graph.input("distances", np.float32, ("B", "N", 12))
    cells = graph.input("cells", np.int64, ("B", "P"))
    points, strides = graph.constant([[4, 4], [12, 4], [16, 16]]), graph.constant([[8], [8], [32]])
    graph.output("boxes", ending.distances_to_boxes(graph, distances, points, strides, cells, range(3)), np.float32, ("B", "P", 4))
    logits = np.zeros((1, 3, 4, 3), np.float32)  # every bin alike: 1 on each side
    logits[0, 1, range(4), [0, 1, 2, 1]] = 90  # surely left 0, top 1, right 2, bottom 1
    found = engine(graph.model({})).run({"distances": logits.reshape(1, 3, 12), "cells": np.array([[2, 1]])})["boxes"]
    assert np.allclose(found, [[[-16, -16, 48, 48], [12, -4, 28, 12]]], atol=1e-4)


@pytest.mark.parametrize("point", [0, 0.5])
def test_points_stand_where_the_spec_says(engine, point):
    graph = GraphBuilder()
    images = ending.image_input(graph)
    points, strides = ending.grid(graph, images, (8, 16), point)
    graph.output("points", points, np.float32, ("N", 2))
    graph.output("strides", strides, np.float32, ("N", 1))
    found = engine(graph.model({})).run({"images": np.zeros((1, 16, 32, 3), np.uint8)})
    fine = [((x + point) * 8, (y + point) * 8) for y in range(2) for x in range(4)]
    coarse = [((x + point) * 16, (y + point) * 16) for y in range(1) for x in range(2)]
    assert found["points"].tolist() == [list(pair) for pair in fine + coarse]
    assert found["strides"].ravel().tolist() == [8.0] * 8 + [16.0] * 2
