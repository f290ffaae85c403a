"""`wordbox export` as a process."""

import subprocess
import sys

import onnx
import pytest
from typer.testing import CliRunner

from wordbox.cli.main import app
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.errors import InputError, WeightsError


def wordbox(*arguments, cwd=None):
    command = [sys.executable, "-m", "wordbox", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, cwd=cwd, timeout=120, text=True, encoding="utf-8")


def test_a_verified_export_says_what_was_written_and_how_far_apart_it_is(tmp_path):
    done = wordbox("export", "wordbox-nano", "nano.onnx", "--verify", "--nms", "graph", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written, apart = done.stdout.splitlines()
    assert written.startswith("written: nano.onnx (15.")
    assert "boxes in 2 photos: at most 0" in apart
    assert "iou" in OnnxRuntimeEngine((tmp_path / "nano.onnx").read_bytes(), where="nano.onnx").inputs
    onnx.checker.check_model(str(tmp_path / "nano.onnx"))


def test_an_export_detects_what_the_model_does(photo, tmp_path):
    pytest.importorskip("openvino", reason="OpenVINO is not installed")
    outputs = []
    for out in ("nano.onnx", "nano.xml"):
        done = wordbox("export", "wordbox-nano", out, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        outputs.append(wordbox("detect", photo, "--weights", out, "--words", "coffee cup, table", "--csv", f"{out}.csv", cwd=tmp_path))
        assert outputs[-1].returncode == 0, outputs[-1].stderr
    wordbox("detect", photo, "--words", "coffee cup, table", "--csv", "nano.csv", cwd=tmp_path)
    labels = [
        [line.rsplit(",", 5)[0] for line in (tmp_path / name).read_text(encoding="utf-8").splitlines()]
        for name in ("nano.csv", "nano.onnx.csv", "nano.xml.csv")
    ]
    assert len(labels[0]) > 1
    assert labels[0] == labels[1] == labels[2]


def test_photos_of_ones_own_verify_too(photo, tmp_path):
    done = wordbox("export", "wordbox-nano", "nano.onnx", "--photos", photo, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "boxes in 1 photo:" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("wordbox-nano", "nano.engine"), "'.engine', expected .onnx"),
        (("wordbox-nano", "nano.onnx", "--nms", "sideways"), "'sideways', expected one of host, graph"),
        (("nowhere.onnx", "nano.onnx"), "nowhere.onnx"),
        (("wordbox-nano", "nano.onnx", "--photos", "nowhere.jpg"), "nowhere.jpg"),
        (("model.onnx", "model.onnx"), "is the model itself"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(arguments, said, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"mine")
    done = wordbox("export", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
    assert (tmp_path / "model.onnx").read_bytes() == b"mine"


# -- YOLO-World and its text encoder


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


def export(*arguments):
    return CliRunner().invoke(app, ["export", *map(str, arguments)])


@pytest.mark.parametrize("precision", ["float32", "float16", "int8"])
def test_a_text_encoder_is_written_alone_and_its_loss_is_said(cache, worlds, tmp_path, precision):
    done = export(worlds.tower_folder(tmp_path / "tower"), tmp_path / "clip.onnx", "--text-encoder", precision)
    assert done.exit_code == 0, done.exception
    assert done.stdout.startswith(f"written: {tmp_path / 'clip.onnx'} (")
    loss = float(done.stdout.split("lose at most ")[1].split(" of their cosine")[0])
    assert abs(loss) < {"float32": 1e-12, "float16": 1e-4, "int8": 0.02}[precision]
    assert (tmp_path / "clip.onnx").is_file()


def test_a_text_encoder_with_options_of_a_model_is_refused(cache, worlds, tmp_path):
    tower = worlds.tower_folder(tmp_path / "tower")
    done = export(tower, tmp_path / "clip.onnx", "--text-encoder", "int8", "--verify", "--nms", "graph")
    assert isinstance(done.exception, InputError)
    assert "found --text-encoder with --nms, --verify" in str(done.exception)
    for arguments, error, said in (
        ((tower, tmp_path / "clip.onnx", "--text-encoder", "int4"), InputError, "found precision 'int4', expected one of"),
        ((tower, tmp_path / "clip.xml", "--text-encoder", "int8"), InputError, "expected .onnx"),
        ((tmp_path / "away", tmp_path / "clip.onnx", "--text-encoder", "int8"), WeightsError, "away"),
        ((worlds.native_file(tmp_path / "bare.safetensors"), tmp_path / "clip.onnx", "--text-encoder", "int8"), WeightsError, "bare"),
    ):
        done = export(*arguments)
        assert isinstance(done.exception, error)
        assert said in str(done.exception)
        assert "\n" not in str(done.exception)
    assert not list(tmp_path.glob("clip*"))


def test_an_open_model_says_which_file_goes_with_it(cache, worlds, tmp_path, caplog):
    source = worlds.native_file(tmp_path / "narrow.safetensors", known=worlds.vectors(3))
    done = export(source, tmp_path / "out" / "open.onnx", "--verify")
    assert done.exit_code == 0, done.exception
    assert "open.onnx: its words need open.vocab.safetensors, which lies beside it; keep the two together" in caplog.text
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["open.onnx", "open.vocab.safetensors"]
    assert "boxes in 2 photos" in done.stdout
