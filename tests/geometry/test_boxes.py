import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from wordbox.geometry.boxes import areas, clip, overlaps, xyxy_to_xywh

NONE = np.zeros((0, 4), np.float32)


def boxes(most=6):
    """xyxy boxes whose sides are quarters of pixels: sums and differences of these are exact in float32."""
    quarters = st.integers(0, most).flatmap(lambda n: arrays(np.int32, (n, 4), elements=st.integers(0, 4000)))
    return quarters.map(lambda whole: (np.concatenate([whole[:, :2], whole[:, :2] + whole[:, 2:]], axis=1) / 4).astype(np.float32))


@given(boxes())
def test_formats_come_back_exactly(found):
    there = xyxy_to_xywh(found)
    assert np.array_equal(np.concatenate([there[:, :2], there[:, :2] + there[:, 2:]], axis=1), found)
    assert np.array_equal(there[:, 2] * there[:, 3], areas(found))
    assert there.dtype == np.float32


@given(boxes(), st.integers(0, 900), st.integers(0, 900))
def test_clipped_boxes_lie_inside_and_stay_where_they_were_inside(found, height, width):
    moved = found - np.float32(100)
    cut = clip(moved, (height, width))
    assert cut.dtype == np.float32
    assert cut.shape == found.shape
    assert (cut >= 0).all()
    assert (cut <= [width, height, width, height]).all()
    assert (cut[:, 2:] >= cut[:, :2]).all()
    inside = (moved >= 0) & (moved <= [width, height, width, height])
    assert np.array_equal(cut[inside], moved[inside])


@given(boxes(), boxes())
def test_overlaps_are_symmetric_and_between_0_and_1(found, others):
    table = overlaps(found, others)
    assert table.shape == (len(found), len(others))
    assert table.dtype == np.float32
    assert ((table >= 0) & (table <= 1)).all()
    assert np.array_equal(table, overlaps(others, found).T)


@given(boxes())
def test_a_box_overlaps_itself_wholly_unless_it_is_empty(found):
    assert np.array_equal(np.diag(overlaps(found, found)), (areas(found) > 0).astype(np.float32))


@given(boxes(), st.integers(-2000, 2000), st.sampled_from([0.5, 2, 4]))
def test_overlaps_ignore_where_and_how_large(found, shift, scale):
    moved = (found + shift) * np.float32(scale)
    assert np.allclose(overlaps(found, found), overlaps(moved, moved), atol=1e-5)


def test_overlaps_of_known_boxes():
    one = np.array([[0, 0, 10, 10]], np.float32)
    others = np.array([[5, 0, 15, 10], [10, 0, 20, 10], [2, 2, 8, 8], [30, 30, 40, 40], [8, 8, 2, 2]], np.float32)
    assert np.allclose(overlaps(one, others), [[1 / 3, 0, 0.36, 0, 0]])


def test_an_inverted_box_has_no_area():
    assert areas(np.array([[5, 5, 1, 9], [0, 0, 0, 7], [9, 9, 1, 1]], np.float32)).tolist() == [0, 0, 0]


def test_no_boxes_in_none_out():
    some = np.ones((3, 4), np.float32)
    assert xyxy_to_xywh(NONE).shape == clip(NONE, (5, 5)).shape == (0, 4)
    assert areas(NONE).shape == (0,)
    assert overlaps(NONE, some).shape == (0, 3)
    assert overlaps(some, NONE).shape == (3, 0)
    assert overlaps(NONE, NONE).shape == (0, 0)
