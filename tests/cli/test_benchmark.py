"""`wordbox benchmark` over engines that take no time worth telling; the road itself is timed in tests/detection/test_stages.py."""

import json

import cv2
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from wordbox import api
from wordbox.cli import benchmark as command
from wordbox.detection import stages
from wordbox.detection.detector import Detector
from wordbox.engines.base import TensorInfo
from wordbox.errors import EngineError, SourceError, WordboxError
from wordbox.manifest import Manifest, Preprocessing

MANIFEST = Manifest(name="empty", names=("thing",), open=False, preprocessing=Preprocessing(size=64))


class EmptyEngine:
    """Finds nothing at all."""

    def __init__(self):
        self.name, self.outputs, self.metadata = "nothing", {}, {}
        self.inputs = {"images": TensorInfo(np.dtype(np.uint8), (None, None, None, 3))}

    def run(self, feeds):
        count = len(feeds["images"])
        none = {"boxes": np.zeros((count, 0, 4), np.float32), "scores": np.zeros((count, 0), np.float32)}
        return none | {name: np.zeros((count, 0) if name == "labels" else count, np.int64) for name in ("labels", "count", "rows_passed")}


@pytest.fixture
def photos(tmp_path):
    """Two photos in a folder."""
    for name in ("a.png", "b.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((30, 40, 3), np.uint8))
    return tmp_path


@pytest.fixture
def loads(monkeypatch):
    """What was loaded; an engine that `broken` holds cannot be."""
    seen, broken = [], set()

    def load(weights, *, engine, threads, device, **others):
        seen.append((weights, engine, threads, device))
        if engine in broken:
            raise EngineError(f"{engine} is broken")
        return Detector(EmptyEngine(), MANIFEST)

    monkeypatch.setattr(api, "load", load)
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "torch" else object())
    return seen, broken


@pytest.fixture
def run():
    """Runs the command alone."""
    app = typer.Typer()
    app.command()(command.benchmark)
    return lambda *arguments: CliRunner().invoke(app, [*map(str, arguments)])


def test_every_installed_engine_is_measured(run, loads, photos):
    done = run("w.pt", "--source", photos, "--rounds", 2, "--threads", 1)
    assert done.exit_code == 0, done.output
    assert loads[0] == [("w.pt", "onnxruntime", 1, "cpu"), ("w.pt", "openvino", 1, "cpu")]
    for part in ("onnxruntime", "openvino", "read", "infer", "total", "pictures a second", "2 rounds through 2 photos", "on 1 thread: "):
        assert part in done.stdout
    assert "torch" not in done.stdout


def test_the_answer_as_json(run, loads, photos):
    done = run("--source", photos / "a.png", "--engine", "openvino", "--engine", "openvino", "--rounds", 1, "--json", photos / "out.json")
    assert done.exit_code == 0, done.output
    answer = json.loads((photos / "out.json").read_text(encoding="utf-8"))
    assert list(answer) == ["weights", "photos", "rounds", "threads", "machine", "engines"]
    assert (answer["weights"], answer["photos"], answer["rounds"]) == ("wordbox-nano", 1, 1)
    assert answer["threads"] >= 1
    assert answer["machine"]["processor"]
    (engine,) = answer["engines"]
    assert engine["engine"] == "openvino"
    assert list(engine["milliseconds"]) == list(stages.STAGES)
    assert all(0 <= times["least"] <= times["median"] <= times["most"] for times in engine["milliseconds"].values())
    assert engine["pictures_a_second"] > 0


@pytest.mark.parametrize(
    ("milliseconds", "said"), [(40, "25.0 pictures a second with onnxruntime on 3 threads: real-time"), (41, "not real-time")]
)
def test_the_closing_sentence_answers_the_question(run, loads, photos, monkeypatch, milliseconds, said):
    slow = {"onnxruntime": milliseconds, "openvino": 80}
    times = iter(slow.values())

    def measure(*_, **__):
        took = next(times)
        return [stages.StageTimes(stage=stage, median=took, least=took / 2, most=took * 2) for stage in stages.STAGES]

    monkeypatch.setattr(stages, "measure", measure)
    done = run("--source", photos, "--threads", 3)
    assert done.exit_code == 0, done.output
    assert said in done.stdout
    assert f"{milliseconds}.0 ({milliseconds / 2:.1f}-{milliseconds * 2}.0)" in done.stdout


def test_an_engine_that_cannot_run_the_model_is_left_out_and_named(run, loads, photos):
    loads[1].add("openvino")
    done = run("--source", photos, "--rounds", 1)
    assert done.exit_code == 0, done.output
    assert "openvino is left out: openvino is broken" in done.stderr
    assert "onnxruntime" in done.stdout


@pytest.mark.parametrize("asked", [("--engine", "openvino"), ()])
def test_an_engine_that_was_asked_for_or_the_last_one_ends_in_its_error(run, loads, photos, asked):
    loads[1].update({"openvino", "onnxruntime"})
    done = run("--source", photos, *asked)
    assert isinstance(done.exception, EngineError)


@pytest.mark.parametrize("arguments", [("--engine", "tensorflow"), ("--source", "nowhere.jpg")])
def test_wrong_arguments_are_named(run, loads, arguments):
    done = run(*arguments)
    assert isinstance(done.exception, WordboxError)
    assert arguments[1] in str(done.exception)


def test_a_package_without_photos_says_so(run, loads, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "_PHOTOS", tmp_path)
    assert isinstance(run().exception, SourceError)


def test_the_machine_is_told():
    facts = command.machine()
    assert facts["processor"]
    assert facts["processors"] >= 1
    assert isinstance(facts["instructions"], list)
