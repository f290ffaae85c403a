"""Canvases keep a picture's shape, and boxes find their way there and back."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wordbox.errors import InputError
from wordbox.images.letterbox import PADDING, letterbox, place

sides = st.integers(1, 5000)
sizes = st.one_of(st.sampled_from([320, 512, 640]), st.tuples(st.sampled_from([320, 512]), st.sampled_from([384, 640])))
strides = st.sampled_from([8, 32, 64])


@given(sides, sides, sizes, strides)
def test_the_picture_lies_whole_in_the_middle_of_the_canvas(height: int, width: int, size: int | tuple[int, int], stride: int) -> None:
    placement = place((height, width), size, stride)
    for axis in (0, 1):
        left = placement.canvas[axis] - placement.resized[axis] - placement.offset[axis]
        assert placement.resized[axis] >= 1
        assert left - placement.offset[axis] in (0, 1)
    if isinstance(size, int):
        assert max(placement.resized) == size
        assert all(
            0 <= canvas - inside < stride and canvas % stride == 0
            for canvas, inside in zip(placement.canvas, placement.resized, strict=True)
        )
    else:
        assert placement.canvas == size
        assert placement.resized[0] == size[0] or placement.resized[1] == size[1]


@given(sides, sides, sizes, strides)
def test_the_shape_is_kept_to_half_a_pixel(height: int, width: int, size: int | tuple[int, int], stride: int) -> None:
    placement = place((height, width), size, stride)
    room = (size, size) if isinstance(size, int) else size
    scale = min(room[0] / height, room[1] / width)
    for resized, side in zip(placement.resized, (height, width), strict=True):
        assert abs(resized - side * scale) <= 0.5 + 1e-9 or resized == 1


@given(sides, sides, sizes, strides, st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5))
def test_boxes_go_to_the_canvas_and_back(
    height: int, width: int, size: int | tuple[int, int], stride: int, shares: list[tuple[float, float, float, float]]
) -> None:
    placement = place((height, width), size, stride)
    unit = np.array(shares, np.float32).reshape(-1, 4)
    corners = np.concatenate([np.minimum(unit[:, :2], unit[:, 2:]), np.maximum(unit[:, :2], unit[:, 2:])], axis=1)
    boxes = (corners * np.array([width, height, width, height])).astype(np.float32)
    there = placement.to_canvas(boxes)
    assert (there >= -1e-3).all()
    assert there[:, [3, 2]].max(initial=0) <= max(placement.canvas) + 1e-3
    tolerance = 1e-3 * max(1.0, height / placement.resized[0], width / placement.resized[1])
    np.testing.assert_allclose(placement.to_image(there), boxes, atol=tolerance)


@pytest.mark.parametrize(
    ("image", "size", "resized", "offset", "canvas"),
    [
        ((1080, 810), 512, (512, 384), (0, 0), (512, 384)),
        ((427, 640), 512, (342, 512), (5, 0), (352, 512)),
        ((100, 50), 512, (512, 256), (0, 0), (512, 256)),
        ((5000, 1), 512, (512, 1), (0, 15), (512, 32)),
        ((1, 1), 512, (512, 512), (0, 0), (512, 512)),
        ((333, 333), 500, (500, 500), (6, 6), (512, 512)),
        ((427, 640), (640, 640), (427, 640), (106, 0), (640, 640)),
        ((480, 640), (320, 640), (320, 427), (0, 106), (320, 640)),
    ],
)
def test_golden_placements(
    image: tuple[int, int], size: int | tuple[int, int], resized: tuple[int, int], offset: tuple[int, int], canvas: tuple[int, int]
) -> None:
    placement = place(image, size, 32)
    assert (placement.resized, placement.offset, placement.canvas) == (resized, offset, canvas)


def test_the_canvas_holds_the_picture_and_grey() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 64, 3), np.uint8)
    canvas = letterbox(pixels, place((50, 64), 64, 32))
    assert canvas.shape == (64, 64, 3)
    assert canvas.dtype == np.uint8
    assert canvas.flags.c_contiguous
    assert np.array_equal(canvas[7:57], pixels), "a picture of the right size is not resampled"
    assert (canvas[:7] == PADDING).all()
    assert (canvas[57:] == PADDING).all()
    assert (letterbox(pixels, place((50, 64), 64, 32), padding=0)[:7] == 0).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), st.tuples(*[st.integers(0, 255)] * 3))
def test_one_colour_stays_that_colour(height: int, width: int, colour: tuple[int, int, int]) -> None:
    placement = place((height, width), 96, 32)
    canvas = letterbox(np.full((height, width, 3), colour, np.uint8), placement)
    (top, left), (rows, columns) = placement.offset, placement.resized
    assert (canvas[top : top + rows, left : left + columns] == colour).all()
    canvas[top : top + rows, left : left + columns] = PADDING
    assert (canvas == PADDING).all()


def test_bilinear_resampling_is_pinned() -> None:
    """Half-pixel centres: doubling 0 and 100 gives 0, 25, 75, 100."""
    pixels = np.array([[[0] * 3, [100] * 3]], np.uint8)
    assert letterbox(pixels, place((1, 2), (2, 4), 1))[0, :, 0].tolist() == [0, 25, 75, 100]


def test_very_long_pictures() -> None:
    placement = place((100_000, 3), 512, 32)
    assert letterbox(np.zeros((100_000, 3, 3), np.uint8), placement).shape == (512, 32, 3)


@pytest.mark.parametrize(("image", "size", "stride"), [((0, 5), 512, 32), ((5, 5), 0, 32), ((5, 5), (0, 32), 32), ((5, 5), 512, 0)])
def test_sizes_below_one_are_refused(image: tuple[int, int], size: int | tuple[int, int], stride: int) -> None:
    with pytest.raises(InputError, match="at least 1"):
        place(image, size, stride)


def test_a_placement_for_another_picture_is_refused() -> None:
    with pytest.raises(InputError, match=r"\(4, 4, 3\)"):
        letterbox(np.zeros((4, 5, 3), np.uint8), place((4, 4), 64, 32))


def test_shrinking_may_take_the_mean_of_each_pixels_area() -> None:
    columns = np.array([0, 0, 0, 90, 30, 60, 90, 0], np.uint8)
    pixels = np.repeat(columns[None, :, None], 3, axis=2).repeat(8, axis=0)
    by_area = letterbox(pixels, place((8, 8), (2, 2), 1), resample="area")
    assert by_area[0, :, 0].tolist() == [22, 45]  # means of four
    assert letterbox(pixels, place((8, 8), (2, 2), 1))[0, :, 0].tolist() == [0, 75]  # means of the two in the middle
    larger = place((8, 8), (16, 16), 1)
    assert np.array_equal(letterbox(pixels, larger, resample="area"), letterbox(pixels, larger))
