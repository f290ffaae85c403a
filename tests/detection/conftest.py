"""An engine without learned weights: it finds flat coloured patches, so that the right box is known exactly."""

import numpy as np
import pytest

from wordbox.detection.detector import Detector
from wordbox.engines.base import TensorInfo
from wordbox.manifest import Manifest, Preprocessing

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}


class PatchEngine:
    """Implements the Engine protocol in NumPy: the tight box of every colour, scored by how much of the box has it."""

    def __init__(self, batch: int | None = None) -> None:
        self.outputs, self.metadata = {}, {}
        self.inputs = {"images": TensorInfo(np.dtype(np.uint8), (batch, None, None, 3))}

    def run(self, feeds):
        canvases, count = feeds["images"], len(COLOURS)
        boxes, scores = np.zeros((len(canvases), count, 4), np.float32), np.zeros((len(canvases), count), np.float32)
        labels, found = np.full((len(canvases), count), -1), np.zeros(len(canvases), np.int64)
        for i, canvas in enumerate(canvases):
            for label, colour in enumerate(COLOURS.values()):
                rows, columns = np.nonzero((np.abs(canvas.astype(int) - colour) < 60).all(axis=2))
                if len(rows):
                    box = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
                    score = len(rows) / ((box[2] - box[0]) * (box[3] - box[1]))
                    if score > feeds["conf"]:
                        boxes[i, found[i]], scores[i, found[i]], labels[i, found[i]] = box, score, label
                        found[i] += 1
        return {"boxes": boxes, "scores": scores, "labels": labels, "count": found, "rows_passed": found}


def patch_detector(size: int | tuple[int, int] = 640, batch: int | None = None) -> Detector:
    """A Detector with fixed classes over a PatchEngine."""
    manifest = Manifest(name="patches", names=tuple(COLOURS), open=False, preprocessing=Preprocessing(size=size))
    return Detector(PatchEngine(batch), manifest)


@pytest.fixture(scope="session")
def patches():
    """Makes a patch detector."""
    return patch_detector
