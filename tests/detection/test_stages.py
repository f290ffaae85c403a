import numpy as np
import pytest

from wordbox.detection.stages import STAGES, measure
from wordbox.errors import ImageError, InputError
from wordbox.images.read import from_array
from wordbox.images.sources import Source
from wordbox.settings import DetectSettings

TICK = 0.001


class Clock:
    """Every look at it takes a millisecond."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += TICK
        return self.now


class SlowEngine:
    """Runs another engine and takes as many seconds as it is told, call after call."""

    def __init__(self, engine, clock, seconds):
        self.engine, self.clock, self.seconds, self.calls = engine, clock, seconds, 0
        self.inputs, self.outputs, self.metadata, self.name = engine.inputs, engine.outputs, engine.metadata, "slow"

    def run(self, feeds):
        self.clock.now += self.seconds[self.calls % len(self.seconds)]
        self.calls += 1
        return self.engine.run(feeds)


@pytest.fixture
def road(patches):
    """A detector whose engine takes 1 s at first, 0.01 to 0.03 s then, over two photos that take 0.1 s to read, and what was read."""
    clock, seen = Clock(), []
    detector = patches(64)
    detector._engine = SlowEngine(detector._engine, clock, [1, 1, 0.01, 0.03, 0.02, 0.01])

    def photo(name):
        def load():
            clock.now += 0.1
            seen.append(name)
            return from_array(np.full((40, 60, 3), 255, np.uint8))

        return Source(name, load)

    return detector, [photo("one"), photo("two")], clock, seen


def test_each_stage_is_told_apart_and_the_first_round_does_not_count(road):
    detector, photos, clock, _ = road
    times = {one.stage: one for one in measure(detector, photos, 2, clock=clock)}
    assert list(times) == list(STAGES)
    assert (times["read"].median, times["read"].least, times["read"].most) == pytest.approx((101, 101, 101))
    assert (times["infer"].median, times["infer"].least, times["infer"].most) == pytest.approx((16, 11, 31))
    assert times["place"].median == pytest.approx(1)
    assert times["select"].median == pytest.approx(1)
    assert times["total"].median == pytest.approx(101 + 16 + 1 + 1 + 1)  # and what comes before the photo is read


def test_photos_take_turns_and_progress_counts_all(road):
    detector, photos, clock, seen = road
    told = []
    measure(detector, photos, 2, clock=clock, progress=told.append)
    assert seen == ["one", "two"] * 3
    assert told == [1, 2, 3, 4, 5, 6]


def test_the_detector_stays_as_it_was(road):
    detector, photos, clock, _ = road
    engine = detector._engine
    measure(detector, photos, 1, clock=clock)
    assert detector._engine is engine


def test_the_road_is_everybodys(photo, patches, monkeypatch):
    detector, seen = patches(64), []
    run = detector._engine.run
    detector._engine.run = lambda feeds: seen.append(feeds["images"].shape) or run(feeds)
    picture = Source("photo", lambda: from_array(np.zeros((40, 60, 3), np.uint8)))
    times = measure(detector, [picture], 1, settings=DetectSettings(size=128))
    assert seen == [(1, 96, 128, 3)] * 2
    assert all(0 <= one.least <= one.median <= one.most for one in times)


def test_a_photo_that_cannot_be_read_ends_it(patches):
    def load():
        raise ImageError("photo.jpg: is no picture")

    with pytest.raises(ImageError, match=r"photo\.jpg"):
        measure(patches(64), [Source("photo.jpg", load)], 3)


def test_a_size_that_the_model_does_not_take_is_said(patches, road):
    with pytest.raises(InputError, match="size 128"):
        measure(patches((64, 64)), road[1], 1, settings=DetectSettings(size=128))


@pytest.mark.parametrize(("count", "rounds"), [(0, 1), (2, 0)])
def test_nothing_to_measure_is_said(road, count, rounds):
    with pytest.raises(InputError, match="at least 1"):
        measure(road[0], road[1][:count], rounds)
