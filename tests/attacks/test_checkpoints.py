"""Hostile and broken checkpoints: nothing runs, nothing hangs, memory stays bounded, and each error names the file and its fault."""

import importlib
import random
import sys
import tracemalloc
from pathlib import Path

import pytest

from wordbox.checkpoints import modules, torch_archive
from wordbox.errors import WeightsError

FOLDER = str(Path(__file__).parent)
sys.path.insert(0, FOLDER)
cases = importlib.import_module("checkpoint_cases")
forge = importlib.import_module("checkpoint_forge")
fuzz = importlib.import_module("fuzz_reader")
sys.path.remove(FOLDER)


def read(path):
    return modules.find_network(torch_archive.read(path), str(path))


@pytest.fixture(scope="session")
def watch():
    """Tells what the interpreter was asked to do, by its own audit events."""
    return fuzz.Watch()


def test_there_are_many_cases_each_with_its_own_name():
    names = [name for name, _ in cases.CASES]
    assert len(names) >= 60
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("name", "build"), cases.CASES, ids=[name for name, _ in cases.CASES])
def test_refused_without_running_anything(name, build, tmp_path, monkeypatch, watch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.pt"
    path.write_bytes(build())
    tracemalloc.start()
    try:
        with watch, pytest.raises(WeightsError) as caught:
            read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert watch.deeds == []
    assert [found.name for found in tmp_path.iterdir()] == ["hostile.pt"]
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert message.isprintable()
    assert len(message) < 1000
    assert peak < fuzz.MEMORY + 4 * path.stat().st_size


@pytest.mark.parametrize(("kind", "arguments"), cases.CALLS, ids=[kind for kind, _ in cases.CALLS])
def test_the_error_names_what_the_file_wanted_to_call(kind, arguments, tmp_path):
    path = tmp_path / "hostile.pt"
    path.write_bytes(forge.zipped(forge.pickled({"model": forge.Call(kind, arguments)})))
    with pytest.raises(WeightsError) as caught:
        read(path)
    assert kind in str(caught.value)


@pytest.mark.parametrize("container", ["zip", "stream"])
def test_the_seed_of_the_cases_is_sound(container, tmp_path):
    path = tmp_path / "sound.pt"
    path.write_bytes(forge.checkpoint(container))
    found = read(path)
    assert found.kind == "models.yolo.Model"
    assert len(found.arrays) == 13


def test_a_short_run_of_the_fuzzer_finds_nothing(tmp_path, watch):
    assert fuzz.run(random.Random(20), tmp_path, watch, seconds=5).findings == []
