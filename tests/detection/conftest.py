"""An engine without learned weights: it finds flat coloured patches, so that the right box is known exactly."""

import numpy as np
import pytest

from wordbox.detection.detector import Detector
from wordbox.engines.base import TensorInfo
from wordbox.errors import VocabularyError
from wordbox.manifest import Manifest, Partner, Preprocessing
from wordbox.vocabulary.encoders import EncoderIdentity

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


class WordEngine:
    """Implements the Engine protocol with words as an input: phrase p that is not masked is found at 10 p, scored by its first number."""

    def __init__(self, batch: int | None = None, width: int = 4) -> None:
        self.outputs, self.metadata, self.runs = {}, {}, []
        self.inputs = {
            "images": TensorInfo(np.dtype(np.uint8), (batch, None, None, 3)),
            "words": TensorInfo(np.dtype(np.float32), (None, None, width)),
            "words_mask": TensorInfo(np.dtype(np.bool_), (None, None)),
        }

    def run(self, feeds):
        words, mask, batch = feeds["words"], feeds["words_mask"], len(feeds["images"])
        self.runs.append((batch, words.shape))
        count = words.shape[1]
        boxes, scores = np.zeros((batch, count, 4), np.float32), np.zeros((batch, count), np.float32)
        labels, found = np.full((batch, count), -1), np.zeros(batch, np.int64)
        for i in range(batch):
            row, own = words[min(i, len(words) - 1)], mask[min(i, len(mask) - 1)]
            order = sorted(np.flatnonzero(own), key=lambda p: -row[p, 0])
            found[i] = len(order)
            for place, p in enumerate(order):
                boxes[i, place], scores[i, place], labels[i, place] = (10 * p % 500, 0, 10 * p % 500 + 8, 8), row[p, 0], p
        return {"boxes": boxes, "scores": scores, "labels": labels, "count": found, "rows_passed": found}


class LetterEncoder:
    """The first number of a phrase is its length in hundredths; it knows words of ASCII letters and spaces."""

    identity = EncoderIdentity(name="letters", sha256="a" * 64)
    width = 4

    def __init__(self) -> None:
        self.asked = []

    def encode(self, phrases):
        self.asked += phrases
        if "unheard of" in phrases:
            raise VocabularyError("no vector for 'unheard of'")
        return np.array([[len(phrase) / 100, 0, 0, 1] for phrase in phrases], np.float32).reshape(-1, 4)

    def unknown(self, phrases):
        return [phrase for phrase in phrases if not phrase.isascii()]


def word_detector(background: str | None = None, batch: int | None = None, names: tuple[str, ...] = ("a", "bb")) -> Detector:
    """An open Detector over a WordEngine."""
    facts = {"encoder": Partner(name="letters", sha256=""), "background": background, "preprocessing": Preprocessing(size=512)}
    return Detector(WordEngine(batch), Manifest(name="words", names=names, open=True, **facts), LetterEncoder())


@pytest.fixture(scope="session")
def open_words():
    """Makes an open detector whose answers are known."""
    return word_detector
