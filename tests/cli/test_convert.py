"""`wordbox convert`: a checkpoint in, safetensors out, its licence said."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file
from typer.testing import CliRunner

from wordbox.arrays import arrays
from wordbox.checkpoints import native
from wordbox.cli.main import app
from wordbox.errors import InputError, WeightsError
from wordbox.variants import yolo_world, yolov5

SPEC = replace(yolov5("s", generation="v3.1", classes=7), widths=(8, 8, 8, 8, 8))


@pytest.fixture
def bare(tmp_path):
    """A state_dict that does not say its activation."""
    save_file({one.published: np.ones(one.shape, np.float16) for one in arrays(SPEC)}, tmp_path / "bare.safetensors")
    return tmp_path / "bare.safetensors"


def convert(*arguments):
    return CliRunner().invoke(app, ["convert", *map(str, arguments)])


def test_what_was_written_and_its_licence_are_said(bare, tmp_path):
    done = convert(bare, tmp_path / "new" / "out.safetensors", "--spec", "YOLOv5s@V3.1")
    assert done.exit_code == 0, done.exception
    assert done.stdout == f"written: {tmp_path / 'new' / 'out.safetensors'} (0.1 MB), 7 classes: 0, 1, 2, 3, 4, ...\n"
    assert "bare: licence of these weights: not stated in the file" in done.stderr
    found, facts = native.read(tmp_path / "new" / "out.safetensors")
    assert facts.spec == SPEC
    assert {array.dtype for array in found.values()} == {np.dtype(np.float16)}


def test_a_doubt_is_an_error_that_names_the_option(bare, tmp_path):
    done = convert(bare, tmp_path / "out.safetensors")
    assert isinstance(done.exception, WeightsError)
    assert "--spec" in str(done.exception)
    assert not (tmp_path / "out.safetensors").exists()


def test_no_strict_leaves_out_what_is_too_much(tmp_path, bare):
    found, _ = native.read(bare)
    save_file(found | {"telepathy": np.zeros(1, np.float32)}, tmp_path / "more.safetensors")
    arguments = (tmp_path / "more.safetensors", tmp_path / "out.safetensors", "--spec", "yolov5s@v2.0")
    assert "unexpected telepathy" in str(convert(*arguments).exception)
    assert convert(*arguments, "--no-strict").exit_code == 0


def test_another_ending_is_refused(bare, tmp_path):
    done = convert(bare, tmp_path / "out.onnx", "--spec", "yolov5s@v3.1")
    assert isinstance(done.exception, InputError)
    assert "wordbox export writes other forms" in str(done.exception)


WORLD = replace(yolo_world("n"), widths=(8, 8, 64, 64, 64), embedding=512)


@pytest.fixture
def world(tmp_path):
    """A state_dict of a small YOLO-World."""
    arrays_of_it = {one.published: np.full(one.shape, 0.5, np.float32) for one in arrays(WORLD)}
    save_file(arrays_of_it, tmp_path / "world.safetensors")
    return tmp_path / "world.safetensors"


def test_layouts_of_others_are_written_and_read_back_the_same(world, tmp_path):
    done = convert(world, tmp_path / "native.safetensors")
    assert done.exit_code == 0, done.exception
    assert done.stdout.endswith("80 words unless others are asked for: person, bicycle, car, motorcycle, airplane, ...\n")
    assert "GPL-3.0" in done.stderr
    before, _ = native.read(tmp_path / "native.safetensors")
    for layout, file in (("official", "a.pth"), ("ultralytics", "a.pt")):
        assert convert(tmp_path / "native.safetensors", tmp_path / file, "--layout", layout).exit_code == 0
        assert convert(tmp_path / file, tmp_path / f"{layout}.safetensors").exit_code == 0
        after, facts = native.read(tmp_path / f"{layout}.safetensors")
        assert facts.spec == WORLD
        assert {name: array.tobytes() for name, array in after.items() if name != "head.bins"} == {
            name: array.tobytes() for name, array in before.items() if name != "head.bins"
        }


def test_a_layout_that_nobody_has_is_an_error(world, bare, tmp_path):
    assert isinstance(convert(world, tmp_path / "a.pth", "--layout", "mine").exception, InputError)
    done = convert(bare, tmp_path / "a.pth", "--layout", "official", "--spec", "yolov5s@v3.1")
    assert "expected a YOLO-World" in str(done.exception)


def test_an_error_is_one_line_and_the_exit_code_is_two(tmp_path):
    command = [sys.executable, "-c", "from wordbox.cli.main import main; main()", "convert", "away.pt", str(tmp_path / "out.safetensors")]
    done = subprocess.run(command, capture_output=True, timeout=120, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert done.stderr.startswith(b"wordbox: error: away.pt")
    assert done.stderr.count(b"\n") == 1


@pytest.fixture
def narrow(worlds, tmp_path, monkeypatch):
    """A narrow YOLO-World with a text tower inside."""
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))
    return worlds.native_file(tmp_path / "narrow.safetensors", text=worlds.tower())


def test_a_yolo_world_goes_through_all_layouts(narrow, worlds, tmp_path):
    done = convert(narrow, tmp_path / "a.pth", "--layout", "official")
    assert done.exit_code == 0, done.exception
    assert done.stdout.endswith("arrays with the names of the official layout\n")
    assert convert(tmp_path / "a.pth", tmp_path / "b.safetensors").exit_code == 0
    found, facts = native.read(tmp_path / "b.safetensors")
    expected, _ = native.read(narrow)
    assert facts.spec == worlds.narrow()
    assert {name: array.tobytes() for name, array in found.items()} == {name: array.tobytes() for name, array in expected.items()}
    assert convert(narrow, tmp_path / "c.pt", "--layout", "ultralytics").exit_code == 0
    assert convert(tmp_path / "c.pt", tmp_path / "d.safetensors", "--layout", "ultralytics").exit_code == 0


@pytest.mark.parametrize(
    ("out", "layout", "error", "said"),
    [
        ("a.pth", "native", InputError, "found the ending '.pth', expected .safetensors"),
        ("a.pt", "official", InputError, "expected .pth or .safetensors"),
        ("a.pth", "mmengine", InputError, "found the layout 'mmengine', expected one of native, official, ultralytics"),
        ("narrow.safetensors", "official", InputError, "is the checkpoint itself"),
    ],
)
def test_layouts_and_endings_that_do_not_fit_are_refused(narrow, tmp_path, out, layout, error, said):
    before = narrow.read_bytes()
    done = convert(narrow, tmp_path / out, "--layout", layout)
    assert isinstance(done.exception, error)
    assert said in str(done.exception)
    assert narrow.read_bytes() == before
    assert not list(tmp_path.glob("a.*"))


def test_other_families_have_no_official_layout(bare, tmp_path):
    done = convert(bare, tmp_path / "a.pth", "--layout", "official", "--spec", "yolov5s@v3.1")
    assert isinstance(done.exception, WeightsError)
    assert "family yolov5, expected a YOLO-World" in str(done.exception)
    assert convert(bare, tmp_path / "a.pt", "--layout", "ultralytics", "--spec", "yolov5s@v3.1").exit_code == 0


def test_a_real_checkpoint_is_converted_with_its_names(shared, tmp_path):
    done = convert(shared / "data" / "weights" / "yolov5n-v7-custom-biodegradable.pt", tmp_path / "out.safetensors")
    assert done.stdout.endswith("2 classes: Biodegradable, Non-biodegradable\n")
