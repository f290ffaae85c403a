"""Boxes come back where they are in the picture, whatever its size, shape, turn or file format."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

GREY = 128
RED, BLUE = (0, 0, 255), (255, 0, 0)  # BGR


def scene(width, height, *boxes):
    """A grey BGR picture with flat patches (colour, box)."""
    image = np.full((height, width, 3), GREY, np.uint8)
    for colour, (x1, y1, x2, y2) in boxes:
        image[y1:y2, x1:x2] = colour
    return image


def assert_found(found, wanted, tolerance):
    assert {d.label for d in found} == set(wanted)
    for d in found:
        assert d.box == pytest.approx(wanted[d.label], abs=tolerance), d.label


@pytest.mark.parametrize("fixed", [None, (640, 640), (320, 320)])
def test_mixed_sizes_in_one_call_each_get_their_own_boxes(patches, fixed):
    shapes = [(640, 360), (213, 500), (333, 333), (900, 120)]
    pictures = [
        scene(w, h, (RED, (w // 8, h // 4, w // 2, h // 2)), (BLUE, (5 * w // 8, h // 2, 7 * w // 8, 3 * h // 4))) for w, h in shapes
    ]
    for found, (w, h) in zip(patches(fixed or 640).detect(pictures), shapes, strict=True):
        assert found.image_size == (h, w)
        wanted = {"red": (w // 8, h // 4, w // 2, h // 2), "blue": (5 * w // 8, h // 2, 7 * w // 8, 3 * h // 4)}
        assert_found(found, wanted, 1.5 * max(1, max(w, h) / (320 if fixed == (320, 320) else 640)))


@pytest.mark.parametrize("batch", [None, 1, 3])
def test_a_graph_of_fixed_batch_sees_every_picture(patches, batch):
    pictures = [scene(64, 64, (RED, (8 * i, 8, 8 * i + 8, 16))) for i in range(7)]
    found = patches(64, batch).detect(pictures)
    assert [round(float(f.boxes[0, 0])) for f in found] == [8 * i for i in range(7)]


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 1400), st.integers(40, 1400))
def test_patches_at_the_corners_come_back_within_a_pixel_and_a_half_of_the_grid(patches, width, height):
    from_left, from_top = max(1, width // 3), max(1, height // 3)
    wanted = {"red": (0, 0, from_left, from_top), "blue": (width - from_left, height - from_top, width, height)}
    picture = scene(width, height, (RED, wanted["red"]), (BLUE, wanted["blue"]))
    found = patches().detect(picture)
    assert_found(found, wanted, 0.3 if max(width, height) == 640 else 1.5 * max(1, max(width, height) / 640))


def test_where_nothing_is_resized_boxes_are_exact(patches):
    picture = scene(640, 427, (RED, (0, 0, 213, 142)), (BLUE, (481, 321, 640, 427)))
    assert_found(patches().detect(picture), {"red": (0, 0, 213, 142), "blue": (481, 321, 640, 427)}, 1e-3)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1), (640, 8), (3, 2)])
def test_extreme_shapes_are_answered_inside_their_own_size(patches, width, height):
    found = patches().detect(scene(width, height, (RED, (0, 0, width, height))))
    assert found.image_size == (height, width)
    assert np.isfinite(found.boxes).all()
    assert_found(found, {"red": (0, 0, width, height)}, 1.0)


def upright(orientation, picture):
    """`picture` as a camera stores it, so that `orientation` turns it upright again (EXIF 2.3, tag 0x0112)."""
    undo = {
        1: lambda p: p,
        2: lambda p: p[:, ::-1],
        3: lambda p: p[::-1, ::-1],
        4: lambda p: p[::-1],
        5: lambda p: p.transpose(1, 0, 2),
        6: lambda p: np.rot90(p),
        7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
        8: lambda p: np.rot90(p, -1),
    }
    return np.ascontiguousarray(undo[orientation](picture))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_photos_are_answered_upright(patches, tmp_path, orientation):
    image = pytest.importorskip("PIL.Image")
    wanted = {"red": (40, 60, 140, 120), "blue": (300, 500, 340, 620)}
    stored = upright(orientation, scene(480, 640, (RED, wanted["red"]), (BLUE, wanted["blue"])))
    exif = image.Exif()
    exif[0x0112] = orientation
    image.fromarray(stored[:, :, ::-1]).save(tmp_path / "phone.jpg", exif=exif, quality=95)
    found = patches().detect(tmp_path / "phone.jpg")
    assert found.image_size == (640, 480)
    assert_found(found, wanted, 2)


def test_channels_stand_in_the_order_that_the_caller_says(patches):
    bgr = scene(640, 640, (RED, (0, 0, 100, 100)))
    assert [d.label for d in patches().detect(bgr)] == ["red"]
    assert [d.label for d in patches().detect(bgr, colour="rgb")] == ["blue"]
    encoded = cv2.imencode(".png", bgr)[1].tobytes()
    assert [d.label for d in patches().detect(encoded)] == ["red"]


def test_a_size_that_the_graph_cannot_have_is_refused_at_once(patches):
    with pytest.raises(ValueError, match="640 x 480 only, found size 320"):
        patches((480, 640)).detect(scene(64, 64), size=320)
