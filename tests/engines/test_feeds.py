import numpy as np
import pytest

from wordbox.engines.base import TensorInfo
from wordbox.engines.feeds import listed, misfit

INPUTS = {
    "images": TensorInfo(np.dtype(np.uint8), (None, None, None, 3)),
    "conf": TensorInfo(np.dtype(np.float32), ()),
}
GOOD = {"images": np.zeros((2, 5, 4, 3), np.uint8), "conf": np.array(0.5, np.float32)}


def test_what_fits_is_left_alone():
    assert misfit(INPUTS, GOOD) is None
    assert listed(GOOD) == "images uint8[2, 5, 4, 3], conf float32[]"


@pytest.mark.parametrize(
    ("feeds", "said"),
    [
        ({"images": GOOD["images"]}, "conf is missing"),
        ({}, "images is missing; conf is missing"),
        (GOOD | {"iou": np.array(1)}, "found iou int64[], expected one of images, conf"),
        (GOOD | {"conf": np.array(0.5)}, "found conf float64[], expected float32[]"),
        (GOOD | {"conf": np.zeros(1, np.float32)}, "found conf float32[1], expected float32[]"),
        (GOOD | {"images": np.zeros((2, 5, 4, 1), np.uint8)}, "found images uint8[2, 5, 4, 1], expected uint8[any, any, any, 3]"),
    ],
)
def test_what_does_not_fit_is_told(feeds, said):
    assert misfit(INPUTS, feeds) == said
