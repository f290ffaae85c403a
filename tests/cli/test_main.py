"""The command line as a process: what stands on which stream, and how it ends."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

SENTENCES = ("What to look for", "Least score", "JSON", "drawn into this folder")


def wordbox(*arguments, stdin=None, cwd=None):
    command = [sys.executable, "-c", "from wordbox.cli.main import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, input=stdin, cwd=cwd, timeout=120)


@pytest.fixture(scope="module")
def answer(photo):
    """The command that everybody types first."""
    done = wordbox("detect", photo, "--words", "coffee cup, table", "--json", "-")
    assert done.returncode == 0, done.stderr.decode()
    return done


def test_json_is_alone_on_standard_output(answer, photo):
    found = json.loads(answer.stdout)
    assert list(found) == ["images", "failed"]
    (image,) = found["images"]
    assert list(image) == ["source", "width", "height", "detections", "dropped"]
    assert (image["source"], image["width"], image["height"]) == (str(photo), 600, 400)
    assert {d["label"] for d in image["detections"]} == {"coffee cup", "table"}
    assert all(list(d) == ["label", "score", "box"] and len(d["box"]) == 4 for d in image["detections"])
    assert answer.stderr == b""


def test_the_table_names_what_was_found_and_the_time(photo):
    done = wordbox("detect", photo, "--words", "coffee cup, table")
    text = done.stdout.decode()
    assert done.returncode == 0
    assert "coffee cup" in text
    assert "to detect" in text


def test_standard_input_files_and_pictures_agree(answer, photo, tmp_path):
    arguments = (
        "--words",
        "coffee cup, table",
        "--json",
        tmp_path / "all.json",
        "--csv",
        tmp_path / "all.csv",
        "--save",
        tmp_path / "drawn",
    )
    done = wordbox("detect", "-", *arguments, stdin=photo.read_bytes())
    assert done.returncode == 0, done.stderr.decode()
    expected = json.loads(answer.stdout)["images"][0]["detections"]
    assert json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["images"][0]["detections"] == expected
    with (tmp_path / "all.csv").open(newline="", encoding="utf-8") as file:
        assert [row["label"] for row in csv.DictReader(file)] == [d["label"] for d in expected]
    (drawn,) = (tmp_path / "drawn").iterdir()
    assert (cv2.imread(str(drawn)) != cv2.imread(str(photo))).any()


def test_pictures_of_one_name_do_not_overwrite_each_other_nor_a_source(photo, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "img.jpg").write_bytes(photo.read_bytes())
    done = wordbox("detect", tmp_path / "a" / "img.jpg", tmp_path / "b" / "img.jpg", "--words", "cup", "--save", tmp_path / "a")
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "a" / "img.jpg").read_bytes() == photo.read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["img-2.jpg", "img-3.jpg", "img.jpg"]


def test_some_failed_is_exit_code_1_and_the_others_are_done(photo, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    done = wordbox("detect", tmp_path / "broken.png", photo, "--words", "cup", "--json", "-")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert len(found["images"]) == 1
    assert found["failed"][0]["source"].endswith("broken.png")
    assert found["failed"][0]["error"]
    assert b"broken.png" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("detect", "nowhere.jpg"), "nowhere.jpg"),
        (("detect", "*.tiff"), "*.tiff"),
        (("detect", "{photo}", "--weights", "nowhere.onnx"), "nowhere.onnx"),
        (("detect", "{photo}", "--weights", "nowhere.safetensors"), "nowhere.safetensors"),
        (("detect", "{photo}", "--weights", "strange.bin"), "strange.bin"),
        (("detect", "{photo}", "--conf", "2"), "conf"),
        (("detect", "{photo}", "--words", " , "), "no words"),
        (("detect", "{photo}", "--words", "nowhere.txt"), "nowhere.txt"),
        (("detect", "{photo}", "--save", "{photo}/x"), "cannot be written"),
        (("detect",), "SOURCE"),
        (("evaluate", "nowhere.json"), "nowhere.json"),
        (("info", "nowhere.onnx"), "nowhere.onnx"),
        (("deduct",), "deduct"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_2(arguments, said, photo, tmp_path):
    done = wordbox(*(a.replace("{photo}", str(photo)) for a in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert done.stdout == b""


def test_help_teaches():
    done = wordbox("detect", "--help")
    text = " ".join(done.stdout.decode().replace("│", " ").split())
    for sentence in SENTENCES:
        assert sentence in text


def test_info_tells_size_cost_licence_and_origin():
    facts = json.loads(wordbox("info", "--json", "-").stdout)
    assert 3_500_000 < facts["parameters"] < 4_500_000
    assert 5e9 < facts["flops"] < 9e9
    assert facts["licence"] == "Apache-2.0"
    assert "NanoDet" in facts["origin"]
    assert len(facts["words"]) == 80


def test_evaluate_scores_labels_that_lie_beside_the_pictures(photo, tmp_path):
    found = json.loads(wordbox("detect", photo, "--words", "cup", "--json", "-").stdout)["images"][0]
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    boxes = [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (d["box"] for d in found["detections"])]
    labels = {
        "images": [{"id": "a", "file_name": "photo.jpg", "width": found["width"], "height": found["height"]}],
        "categories": [{"id": 7, "name": "cup"}],
        "annotations": [{"id": i, "image_id": "a", "category_id": 7, "bbox": box} for i, box in enumerate(boxes)],
    }
    path = Path(tmp_path / "labels.json")
    path.write_text(json.dumps(labels), encoding="utf-8")
    done = wordbox("evaluate", path, "--words", "cup", "--json", "-")
    assert done.returncode == 0, done.stderr.decode()
    report = json.loads(done.stdout)
    assert report["AP"] == pytest.approx(1.0)
    assert report["per_class"]["cup"]["AP"] == pytest.approx(1.0)
    table = wordbox("evaluate", path, "--words", "cup").stdout.decode()
    assert "AP50 1.0000" in table


def test_another_tools_export_runs_and_takes_no_words(photo, tmp_path):
    onnx = pytest.importorskip("onnx")
    values = np.zeros((1, 6, 10), np.float32)
    values[0, :, 0] = [320, 320, 100, 50, 0.9, 0.1]
    node = onnx.helper.make_node("Constant", [], ["output0"], value=onnx.numpy_helper.from_array(values))
    kinds = [("images", [1, 3, 640, 640]), ("output0", [1, 6, 10])]
    image, output = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in kinds)
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "g", [image], [output]), opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    onnx.helper.set_model_props(model, {"names": "{0: 'cat', 1: 'dog'}"})
    onnx.save(model, tmp_path / "other.onnx")
    done = wordbox("detect", photo, "--weights", tmp_path / "other.onnx", "--json", "-")
    (found,) = json.loads(done.stdout)["images"][0]["detections"]
    assert (found["label"], found["score"]) == ("cat", pytest.approx(0.9))
    refused = wordbox("detect", photo, "--weights", tmp_path / "other.onnx", "--words", "unicorn")
    assert refused.returncode == 2
    assert b"fixed classes" in refused.stderr


def test_chatter_of_c_libraries_never_reaches_the_answer(photo):
    code = (
        "import ctypes; libc = ctypes.CDLL(None); libc.printf(b'chatter'); from wordbox.cli.main import main; libc.printf(b'more'); main()"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", code, "info", "--json", "-"]
    done = subprocess.run(command, capture_output=True, env=environment, timeout=120)
    assert json.loads(done.stdout)["name"] == "wordbox-nano"
    assert b"chatter" in done.stderr


def test_a_picture_that_cannot_be_drawn_costs_no_other_and_no_answer(photo, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "in" / name).write_bytes(photo.read_bytes())
    (tmp_path / "out" / "a.jpg").mkdir(parents=True)
    done = wordbox("detect", tmp_path / "in", "--words", "cup", "--save", tmp_path / "out", "--json", tmp_path / "all.json")
    assert done.returncode == 1
    assert b"a.jpg cannot be written" in done.stderr
    assert (tmp_path / "out" / "b.jpg").is_file()
    assert len(json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))["images"]) == 2


@pytest.mark.parametrize("option", ["--json", "--csv"])
def test_an_answer_never_overwrites_a_picture(photo, tmp_path, option):
    copy = tmp_path / "photo.jpg"
    copy.write_bytes(photo.read_bytes())
    done = wordbox("detect", copy, "--words", "cup", option, copy)
    assert done.returncode == 2
    assert copy.read_bytes() == photo.read_bytes()


def test_the_version_and_the_module_run():
    done = subprocess.run([sys.executable, "-m", "wordbox", "--version"], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == f"wordbox {__import__('wordbox').__version__}"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("more", [[], ["--json", "-"]])
def test_a_full_disk_behind_standard_output_is_one_line(photo, more):
    command = [sys.executable, "-m", "wordbox", "detect", str(photo), "--words", "cup", *more]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, timeout=120)
    assert done.returncode == 2
    assert done.stderr.decode().startswith("wordbox: error: the answer cannot be written")
    assert done.stderr.count(b"\n") == 1


def test_words_in_any_script_reach_a_terminal_of_few_letters(photo):
    command = [sys.executable, "-m", "wordbox", "detect", str(photo), "--words", "cup 自行车", "--conf", "0.01"]
    done = subprocess.run(command, capture_output=True, env=os.environ | {"PYTHONIOENCODING": "cp1252"}, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    assert b"cup" in done.stdout
