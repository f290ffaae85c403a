import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wordbox.geometry.frames import Placement

SIZES = st.tuples(st.integers(1, 5000), st.integers(1, 5000))
CANVASES = st.tuples(st.integers(1, 1300), st.integers(1, 1300))
BORDERS = st.tuples(st.integers(0, 99), st.integers(0, 99))


@st.composite
def placements(draw):
    image, resized, offset, beside = draw(SIZES), draw(CANVASES), draw(BORDERS), draw(BORDERS)
    canvas = (resized[0] + offset[0] + beside[0], resized[1] + offset[1] + beside[1])
    return Placement(image=image, resized=resized, offset=offset, canvas=canvas)


@st.composite
def placed_boxes(draw):
    """A placement, and boxes inside its image."""
    placement = draw(placements())
    height, width = placement.image
    unit = np.sort(np.random.default_rng(draw(st.integers(0, 2**32 - 1))).random((draw(st.integers(0, 5)), 2, 2)), axis=1).reshape(-1, 4)
    return placement, (unit * [width, height, width, height]).astype(np.float32)


@given(placed_boxes())
def test_boxes_come_back_from_the_canvas(placed):
    placement, boxes_image = placed
    there = placement.to_canvas(boxes_image)
    back = placement.to_image(there)
    assert there.dtype == back.dtype == np.float32
    coarse = max(placement.image[0] / placement.resized[0], placement.image[1] / placement.resized[1], 1)
    assert np.allclose(back, boxes_image, rtol=0, atol=5e-4 * coarse)
    top, left = placement.offset
    assert (there >= np.array([left, top, left, top]) - 1e-3).all()
    assert (there[:, 2:] <= np.array([left + placement.resized[1], top + placement.resized[0]]) + 1e-3).all()


@given(placements())
def test_the_image_and_its_place_are_each_other(placement):
    height, width = placement.image
    whole = np.array([[0, 0, width, height]], np.float32)
    top, left = placement.offset
    there = [[left, top, left + placement.resized[1], top + placement.resized[0]]]
    assert np.allclose(placement.to_canvas(whole), there, atol=1e-3)
    assert np.allclose(placement.to_image(np.array(there, np.float32)), whole, rtol=1e-6)


@given(placements(), st.integers(0, 2**32 - 1))
def test_whatever_the_canvas_says_lies_in_the_image(placement, seed):
    height, width = placement.image
    wild = np.random.default_rng(seed).normal(0, 3000, (20, 4)).astype(np.float32)
    found = placement.to_image(wild)
    assert (found >= 0).all()
    assert (found <= [width, height, width, height]).all()


def test_each_axis_has_its_own_scale():
    placement = Placement(image=(100, 300), resized=(33, 100), offset=(15, 0), canvas=(64, 100))
    assert np.allclose(placement.to_image(np.array([[50, 31.5, 100, 48]], np.float32)), [[150, 50, 300, 100]])
    assert np.allclose(placement.to_canvas(np.array([[150, 50, 300, 100]], np.float32)), [[50, 31.5, 100, 48]])


def test_what_lies_in_the_padding_becomes_a_line_on_the_border():
    placement = Placement(image=(100, 100), resized=(100, 100), offset=(30, 0), canvas=(160, 100))
    assert placement.to_image(np.array([[10, 2, 20, 25]], np.float32)).tolist() == [[10, 0, 20, 0]]


def test_no_boxes_in_none_out():
    placement = Placement(image=(10, 10), resized=(10, 10), offset=(0, 0), canvas=(10, 10))
    none = np.zeros((0, 4), np.float32)
    assert placement.to_image(none).shape == placement.to_canvas(none).shape == (0, 4)
