"""Hostile and broken YOLO-Worlds, read to the end: nothing runs, memory stays bounded, each is refused in one line or does no harm."""

import importlib
import sys
import tracemalloc
from pathlib import Path

import pytest

from wordbox import opening
from wordbox.errors import WeightsError

FOLDER = str(Path(__file__).parent)
sys.path.insert(0, FOLDER)
world = importlib.import_module("world_cases")
fuzz = importlib.import_module("fuzz_reader")
sys.path.remove(FOLDER)


@pytest.fixture(scope="session")
def watch(tmp_path_factory):
    """Tells what the interpreter was asked to do, by its own audit events, once all that reading needs is imported."""
    path = tmp_path_factory.mktemp("sound") / "sound.pth"
    path.write_bytes(world.official(lambda arrays, held: None))
    opening.read(path).graph()
    return fuzz.Watch()


@pytest.fixture
def told(tmp_path, monkeypatch, watch):
    """Reads the file that `build` makes; gives what an error says of it, and the model."""
    monkeypatch.chdir(tmp_path)

    def told(ending, build):
        path = tmp_path / f"hostile{ending}"
        path.write_bytes(build())
        model, message = None, ""
        tracemalloc.start()
        try:
            with watch:
                try:
                    model = opening.read(path)
                    model.graph()
                except WeightsError as error:
                    message = str(error)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert watch.deeds == []
        assert [found.name for found in tmp_path.iterdir()] == [path.name]
        assert peak < fuzz.MEMORY + 4 * path.stat().st_size
        assert message.isprintable()
        assert not message or message.startswith(f"{path}: ")
        return message, model

    return told


def test_there_are_many_cases_of_both_layouts_each_with_its_own_name():
    names = [name for name, _, _ in (*world.CASES, *world.HARMLESS)]
    assert len(set(names)) == len(names)
    assert min(sum(ending == kind for _, ending, _ in world.CASES) for kind in (".pt", ".pth")) >= 20


@pytest.mark.parametrize("spec", [world.TINY, world.TINY_V1], ids=lambda spec: spec.version)
def test_the_seeds_of_the_cases_are_sound(told, spec):
    for ending, build in ((".pth", world.official), (".pt", world.ultralytics)):
        message, model = told(ending, lambda build=build: build(lambda parts, held: None, spec))
        assert message == ""
        assert model.manifest.spec == spec
        assert bool(model.text) == (ending == ".pth")
        assert (model.words is None) == (ending == ".pth")
        (model.path).unlink()
    message, model = told(".pth", lambda: world.folded(lambda parts, held: None))
    assert message == ""
    assert model.manifest.spec.phrases == (1, 1, 1)


@pytest.mark.parametrize(("name", "ending", "build"), world.CASES, ids=[name for name, _, _ in world.CASES])
def test_refused_without_running_anything(told, name, ending, build):
    message, _ = told(ending, build)
    assert message


@pytest.mark.parametrize(("name", "ending", "build"), world.HARMLESS, ids=[name for name, _, _ in world.HARMLESS])
def test_what_stands_beside_the_network_is_never_looked_into(told, name, ending, build):
    message, model = told(ending, build)
    assert message == ""
    assert model.manifest.spec == world.TINY
