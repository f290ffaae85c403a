"""How long each stage of the road from a photo to boxes takes, measured on the road that everybody drives."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from wordbox.detection.detector import Detector
from wordbox.engines.base import Array, Engine, TensorInfo
from wordbox.errors import InputError
from wordbox.images.read import Picture
from wordbox.images.sources import Source
from wordbox.settings import DetectSettings

STAGES = {
    "read": "the file is read and decoded",
    "place": "the picture is scaled onto the canvas",
    "infer": "the engine finds the shortlist",
    "select": "overlaps are dropped and boxes moved back to the picture",
    "total": "all of it, one picture at a time",
}
"""Every stage, and what happens in it."""


@dataclass(frozen=True, kw_only=True)
class StageTimes:
    """Milliseconds that one stage takes for a picture."""

    stage: str
    """One of `STAGES`."""
    median: float
    least: float
    most: float


def measure(
    detector: Detector,
    sources: Sequence[Source],
    rounds: int,
    *,
    settings: DetectSettings = DetectSettings(),  # noqa: B008 - frozen
    progress: Callable[[int], None] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[StageTimes]:
    """Times of every stage over `rounds` rounds through all `sources`, each picture alone, as a camera's would come.

    The first round more is not counted: memory is claimed and files come into the system's cache then. `progress` is told how many
    pictures are done, that round included; `clock` gives seconds. Raises InputError where there is nothing to measure, ImageError or
    SourceError where a picture cannot be read.
    """
    if rounds < 1 or not sources:
        raise InputError(f"found {rounds} rounds through {len(sources)} photos, expected at least 1 of each")
    laps = _Laps(clock)
    watched = detector.with_engine(_WatchedEngine(detector.engine, laps))
    taken: dict[str, list[float]] = {stage: [] for stage in STAGES}
    done = 0
    for lap in range(rounds + 1):
        for source in sources:
            times = _drive(watched, source, settings, laps)
            done += 1
            if progress is not None:
                progress(done)
            if lap:
                for stage, seconds in times.items():
                    taken[stage].append(seconds * 1000)
    return [
        StageTimes(stage=stage, median=statistics.median(values), least=min(values), most=max(values)) for stage, values in taken.items()
    ]


class _Laps:
    """When work began and ended at the two places where others do it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.read = self.engine = (0.0, 0.0)


class _WatchedEngine:
    """Implements `engines.base.Engine` by another engine, and notes when it ran."""

    def __init__(self, engine: Engine, laps: _Laps) -> None:
        self._engine = engine
        self._laps = laps

    @property
    def name(self) -> str:
        return self._engine.name

    @property
    def inputs(self) -> Mapping[str, TensorInfo]:
        return self._engine.inputs

    @property
    def outputs(self) -> Mapping[str, TensorInfo]:
        return self._engine.outputs

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._engine.metadata

    def run(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        begun = self._laps.clock()
        found = self._engine.run(feeds)
        self._laps.engine = begun, self._laps.clock()
        return found


def _drive(detector: Detector, source: Source, settings: DetectSettings, laps: _Laps) -> dict[str, float]:
    """Seconds that each stage took for one picture."""

    def read() -> Picture:
        begun = laps.clock()
        picture = source.read()
        laps.read = begun, laps.clock()
        return picture

    begun = laps.clock()
    (found,) = detector.run([Source(source.name, read)], None, settings)
    ended = laps.clock()
    if found.error is not None:
        raise found.error
    return {
        "read": laps.read[1] - laps.read[0],
        "place": laps.engine[0] - laps.read[1],
        "infer": laps.engine[1] - laps.engine[0],
        "select": ended - laps.engine[1],
        "total": ended - begun,
    }
