"""Detections: a small value that slices, converts and draws."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.detection.detections import Detections, Dropped
from wordbox.errors import InputError, MissingExtraError, SourceError

WORDS = ("person", "red bus")


@st.composite
def detections(draw):
    count = draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = rng.uniform(0, 100, (count, 2))
    boxes = np.concatenate([low, low + rng.uniform(1, 50, (count, 2))], axis=1).astype(np.float32)
    return Detections(boxes, rng.random(count).astype(np.float32), rng.integers(0, 2, count), WORDS, (200, 300), "street.jpg")


@given(detections())
def test_iteration_length_and_parts_agree(found):
    assert len(list(found)) == len(found)
    assert [d.label for d in found] == [WORDS[i] for i in found.labels]
    assert list(found[::-1]) == list(found)[::-1]
    assert list(found[found.scores > 0.5]) == [d for d in found if d.score > 0.5]
    if len(found):
        assert list(found[0]) == [next(iter(found))]
        assert found[0].source == "street.jpg"


@given(detections())
def test_every_form_holds_every_box(found):
    as_dict, as_coco, as_pipeline = found.to_dict(), found.to_coco(7), found.to_transformers()
    assert (as_dict["width"], as_dict["height"], as_dict["source"]) == (300, 200, "street.jpg")
    for d, one, other, third in zip(found, as_dict["detections"], as_coco, as_pipeline, strict=True):
        assert one["label"] == third["label"] == d.label
        assert one["box"] == pytest.approx(list(d.box), abs=1e-3)
        x, y, width, height = other["bbox"]
        assert (x, y, x + width, y + height) == pytest.approx(d.box, rel=1e-5)
        assert (other["image_id"], other["score"]) == (7, d.score)
        assert list(third["box"]) == ["xmin", "ymin", "xmax", "ymax"]
        assert all(isinstance(side, int) for side in third["box"].values())


def test_coco_ids_are_the_callers():
    found = Detections(np.ones((1, 4), np.float32), np.ones(1, np.float32), np.array([1]), WORDS)
    assert found.to_coco(3, category_ids=[10, 90])[0]["category_id"] == 90


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros((2, 4)), np.zeros(1), np.zeros(2, int)),
        (np.zeros((2, 5)), np.zeros(2), np.zeros(2, int)),
        (np.zeros((1, 4)), np.zeros(1), np.array([2])),
        (np.zeros((1, 4)), np.zeros(1), np.array([-1])),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(arrays):
    with pytest.raises(InputError):
        Detections(*arrays, WORDS)


def test_the_dataframe_has_a_row_a_box():
    pandas = pytest.importorskip("pandas")
    found = Detections(np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32), np.array([1]), WORDS, source="a.jpg")
    expected = pandas.DataFrame(
        [("a.jpg", "red bus", 0.5, 1.0, 2.0, 3.0, 4.0)], columns=["source", "label", "score", "x1", "y1", "x2", "y2"]
    )
    pandas.testing.assert_frame_equal(found.to_dataframe(), expected)


def test_a_missing_extra_says_the_line_that_installs_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "supervision", None)
    found = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), WORDS)
    with pytest.raises(MissingExtraError, match=r"pip install 'wordbox\[supervision\]'"):
        found.to_supervision()


def test_supervision_gets_boxes_scores_and_words(monkeypatch):
    class Fake:
        class Detections:
            def __init__(self, **fields):
                self.__dict__.update(fields)

    monkeypatch.setitem(__import__("sys").modules, "supervision", Fake)
    found = Detections(np.array([[1, 2, 3, 4]], np.float32), np.array([0.5], np.float32), np.array([1]), WORDS).to_supervision()
    assert found.xyxy.tolist() == [[1, 2, 3, 4]]
    assert found.class_id.tolist() == [1]
    assert found.data["class_name"].tolist() == ["red bus"]


def test_plot_draws_on_a_copy_and_jupyter_gets_a_png():
    image = np.full((120, 160, 3), 200, np.uint8)
    boxes = np.array([[20, 30, 100, 90]], np.float32)
    found = Detections(boxes, np.array([0.9], np.float32), np.array([0]), WORDS, (120, 160), picture=lambda: image)
    drawn = found.plot()
    assert (image == 200).all()
    assert drawn.shape == image.shape
    assert (drawn[30:90, 20] != 200).any(axis=1).all()  # the left edge, all the way down
    png = cv2.imdecode(np.frombuffer(found._repr_png_(), np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(png[:, :, ::-1], drawn)


def test_without_a_picture_plot_says_so_and_jupyter_gets_none():
    found = Detections.failed("x.jpg", SourceError("x.jpg is not there"))
    assert found._repr_png_() is None
    assert "x.jpg is not there" in repr(found)
    with pytest.raises(SourceError, match=r"x\.jpg is not there"):
        found.plot()
    assert found.to_dict()["error"] == "x.jpg is not there"
    with pytest.raises(InputError, match="no picture"):
        Detections(found.boxes, found.scores, found.labels, ()).plot()


def test_what_was_dropped_is_a_record_that_adds_up_and_reads_as_a_sentence():
    one, other = Dropped(overlapping=41, beyond_limit=3), Dropped(overlapping=1, in_padding=2)
    assert one + other == Dropped(overlapping=42, beyond_limit=3, in_padding=2)
    assert str(one) == "41 overlapping, 3 beyond max_detections"
    assert str(Dropped()) == ""
    found = Detections(np.ones((2, 4), np.float32), np.ones(2, np.float32), np.zeros(2, int), WORDS, dropped=one)
    assert found[:1].dropped == one
    counts = {"background": 0, "synonyms": 0, "other_classes": 0, "in_padding": 0, "overlapping": 41, "beyond_limit": 3}
    assert found.to_dict()["dropped"] == counts
