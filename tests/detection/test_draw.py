"""Drawing: visible on any background, inside the picture, in any script."""

import numpy as np
import pytest

from wordbox.detection.draw import draw_boxes, encode
from wordbox.errors import InputError


@pytest.mark.parametrize("shape", [(1, 1), (8, 640), (2000, 10), (300, 300)])
@pytest.mark.parametrize("caption", ["person 0.90", "red bus 自行车 автобус مرحبا", "", "x" * 500])
def test_any_picture_takes_any_caption(shape, caption):
    image = np.zeros((*shape, 3), np.uint8)
    box = np.array([[0, 0, shape[1], shape[0]]], np.float32)
    drawn = draw_boxes(image, box, np.array([0]), [caption])
    assert drawn.shape == image.shape
    assert (drawn != image).any()


def test_scripts_are_drawn_as_letters_not_as_question_marks():
    image, box = np.zeros((200, 400, 3), np.uint8), np.array([[10, 100, 390, 190]], np.float32)
    pictures = [draw_boxes(image, box, np.array([0]), [text]).tobytes() for text in ("自行", "车自", "??")]
    assert len(set(pictures)) == 3


def test_labels_have_colours_of_their_own_and_no_boxes_change_nothing():
    image, boxes = np.zeros((100, 200, 3), np.uint8), np.array([[10, 30, 80, 90], [110, 30, 180, 90]], np.float32)
    drawn = draw_boxes(image, boxes, np.array([0, 1]), ["a", "b"])
    assert drawn[60, 10].tolist() != drawn[60, 110].tolist()
    np.testing.assert_array_equal(draw_boxes(image, boxes[:0], np.array([], int), []), image)


def test_a_kind_of_file_that_cannot_be_written_is_named():
    with pytest.raises(InputError, match=r"\.xyz"):
        encode(np.zeros((4, 4, 3), np.uint8), ".xyz")


def test_captions_make_room_for_each_other():
    image, box = np.zeros((300, 400, 3), np.uint8), [100, 100, 300, 250]
    both = draw_boxes(image, np.array([box, box], np.float32), np.array([0, 1]), ["first", "second"])
    first, second = ((both == colour).all(axis=2) for colour in ((213, 94, 0), (0, 114, 178)))
    assert first[87:100, 100:130].mean() > 0.4  # the better box has its caption where it belongs
    assert second[100:].sum() > 200  # the other one, whose frame is covered, has it inside
