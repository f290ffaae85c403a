"""A detector whose finds are known beforehand, so that every figure is known too."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from wordbox.detection.detections import Detections, Dropped
from wordbox.errors import ImageError
from wordbox.images.sources import Source
from wordbox.manifest import Manifest, Preprocessing

Box = tuple[float, float, float, float]
Find = tuple[str, Box, float]


class Oracle:
    """Finds in each picture what it was told, by file name. A picture of which it was told None cannot be read."""

    def __init__(self, finds: Mapping[str, Sequence[Find] | None], words: Sequence[str], size: tuple[int, int] = (640, 640)) -> None:
        self.finds, self.words, self.size = finds, tuple(words), size
        self.manifest = Manifest(name="oracle", names=self.words, open=False, preprocessing=Preprocessing(size=640))
        self.notes: tuple[str, ...] = ()
        self.asked: dict[str, object] = {}

    def run(self, sources: Sequence[Source], words: None, settings: object, **asked: object) -> Iterator[Detections]:
        self.asked = {"settings": settings, **asked}
        return (self._one(Path(source.name)) for source in sources)

    def _one(self, path: Path) -> Detections:
        finds = self.finds.get(path.name, ())
        if finds is None:
            return Detections.failed(str(path), ImageError(f"{path}: cut off"))
        return Detections(
            np.array([box for _, box, _ in finds], np.float32).reshape(-1, 4),
            np.array([score for _, _, score in finds], np.float32),
            np.array([self.words.index(word) for word, _, _ in finds], np.int64),
            self.words,
            self.size,
            str(path),
            notes=self.notes,
            dropped=Dropped(overlapping=1),
        )


MakeOracle = Callable[..., Oracle]


@pytest.fixture(scope="session")
def oracle() -> MakeOracle:
    """Makes an Oracle of the finds by file name and the words it looks for."""
    return Oracle
