"""Canvases of published evaluations, by the rules of the specification, worked out by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.errors import InputError
from wordbox.evaluation.protocols import BATCH, YOLOV5, YOLOV8, Protocol, placements, protocol_of
from wordbox.geometry.frames import Placement
from wordbox.settings import PROTOCOLS, EvaluateSettings

BOTH = pytest.mark.parametrize("protocol", [YOLOV5, YOLOV8])
sizes = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=40)


def _one(protocol: Protocol, image: tuple[int, int], size: int | tuple[int, int] = 640, stride: int = 32) -> Placement:
    (found,) = placements(protocol, [image], size, stride)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("image", "resized", "canvas", "offset", "v5"),
    [
        # height, width: aspect 0.667, so rows ceil(0.667 * 20 + 0.5) = 14 strides; columns ceil(20 + 0.5) = 21
        ((427, 640), (427, 640), (448, 672), (10, 16), (10.5, 16)),
        ((480, 640), (480, 640), (512, 672), (16, 16), (16, 16)),
        ((640, 480), (640, 480), (672, 512), (16, 16), (16, 16)),
        ((375, 500), (480, 640), (512, 672), (16, 16), (16, 16)),  # enlarged when loaded
        ((640, 640), (640, 640), (672, 672), (16, 16), (16, 16)),
    ],
)
def test_golden_placements(
    image: tuple[int, int], resized: tuple[int, int], canvas: tuple[int, int], offset: tuple[int, int], v5: tuple[float, float]
) -> None:
    for protocol, shift in ((YOLOV5, v5), (YOLOV8, offset)):
        found = _one(protocol, image)
        assert (found.resized, found.canvas, found.offset) == (resized, canvas, offset)
        corner = np.array([[shift[1], shift[0], shift[1] + resized[1] / 2, shift[0] + resized[0] / 2]], np.float32)
        np.testing.assert_allclose(found.to_image(corner), [[0, 0, image[1] / 2, image[0] / 2]], atol=1e-3)


@BOTH
def test_sides_are_rounded_up_unless_the_protocol_cuts_them(protocol: Protocol) -> None:
    assert _one(protocol, (333, 1000)).resized == (214, 640)  # 213.12
    assert _one(replace(protocol, load=int), (333, 1000)).resized == (213, 640)
    assert _one(replace(protocol, load=int), (1, 3000)).resized == (1, 640)


def test_boxes_come_back_by_the_scale_of_rows_on_both_axes() -> None:
    found = _one(YOLOV8, (333, 1000))
    top, left = found.offset
    box = np.array([[left, top, left + 107, top + 107]], np.float32)
    np.testing.assert_allclose(found.to_image(box), [[0, 0, 166.5, 166.5]], atol=1e-3)


@BOTH
def test_sixteen_share_a_canvas_that_holds_the_most_extreme(protocol: Protocol) -> None:
    flat, square = (300, 640), (600, 640)
    found = placements(protocol, [square, flat] * 16, 640, 32)
    assert {one.canvas for one in found[1::2] if one} == {(320, 672)}  # ceil(0.46875 * 20 + 0.5) = 10
    assert {one.canvas for one in found[::2] if one} == {(640, 672)}  # ceil(0.9375 * 20 + 0.5) = 20
    mixed = placements(protocol, [(640, 480), (480, 640)], 640, 32)
    assert {one.canvas for one in mixed if one} == {(672, 672)}


@BOTH
def test_pictures_that_cannot_be_read_take_no_part(protocol: Protocol) -> None:
    flat = [(300, 640)] * (BATCH - 1)
    assert placements(protocol, [None, *flat, (600, 640)], 640, 32) == [None, *placements(protocol, [*flat, (600, 640)], 640, 32)]


@BOTH
def test_a_graph_with_one_canvas_keeps_it(protocol: Protocol) -> None:
    found = _one(protocol, (427, 640), (640, 640))
    assert (found.resized, found.canvas, found.offset) == ((427, 640), (640, 640), (106, 0))
    assert _one(protocol, (480, 640), (480, 640)).resized == (480, 640)


@given(sizes, st.sampled_from([320, 640]), st.sampled_from([YOLOV5, YOLOV8]), st.sampled_from([32, 64]))
def test_every_picture_lies_whole_in_the_middle_and_is_never_larger_than_the_size(
    images: list[tuple[int, int]], size: int, protocol: Protocol, stride: int
) -> None:
    for image, one in zip(images, placements(protocol, list(images), size, stride), strict=True):
        assert one is not None
        assert one.image == image
        assert size - 1 <= max(one.resized) <= size
        for axis in (0, 1):
            behind = one.canvas[axis] - one.offset[axis] - one.resized[axis]
            assert behind - one.offset[axis] in (0, 1)
            assert one.offset[axis] >= 0
            assert one.canvas[axis] % stride == 0
            assert one.canvas[axis] <= math.ceil(size / stride + 0.5) * stride


@given(st.tuples(st.integers(8, 3000), st.integers(8, 3000)), st.lists(st.tuples(*[st.floats(0, 1)] * 4), max_size=5))
def test_boxes_go_to_the_canvas_and_back(image: tuple[int, int], shares: list[tuple[float, ...]]) -> None:
    unit = np.array(shares, np.float64).reshape(-1, 4)
    corners = np.concatenate([np.minimum(unit[:, :2], unit[:, 2:]), np.maximum(unit[:, :2], unit[:, 2:])], axis=1)
    boxes = (corners * np.array([image[1], image[0]] * 2)).astype(np.float32)
    for protocol in (YOLOV5, YOLOV8):
        found = _one(protocol, image)
        np.testing.assert_allclose(found.to_image(found.to_canvas(boxes)), boxes, atol=2e-3 * max(1, max(image) / 640))


def test_every_name_of_the_settings_is_known() -> None:
    assert [protocol_of(name) for name in PROTOCOLS] == [None, YOLOV5, YOLOV8]
    with pytest.raises(InputError, match="protocol is 'voc', expected coco, yolov5 or yolov8"):
        EvaluateSettings(protocol="voc")
