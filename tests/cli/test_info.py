"""`wordbox info`: a table for people, an object for programs."""

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from wordbox.cli.main import app
from wordbox.errors import WeightsError


def info(*arguments):
    return CliRunner().invoke(app, ["info", *map(str, arguments)])


def test_a_network_is_a_table_of_rows_and_its_totals():
    done = info("yolov5s")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0
    assert lines[0].split() == ["layer", "from", "repeats", "module", "arguments", "parameters", "output"]
    assert lines[1].split() == ["0", "-1", "1", "Conv", "3,", "32,", "6,", "2,", "2", "3,520", "32x320x320"]
    assert lines[7].split() == ["6", "-1", "3", "C3", "256,", "256", "625,152", "256x40x40"]
    assert lines[13].split() == ["12", "-1,", "6", "1", "Concat", "1", "0", "512x40x40"]
    assert lines[25].split()[:5] == ["24", "17,", "20,", "23", "1"]
    assert lines[25].endswith("255x80x80, 255x40x40, 255x20x20")
    assert "80, 3 anchors" in lines[25]
    totals = dict(line.split(":", 1) for line in lines[27:])
    assert {name: value.strip() for name, value in totals.items()} == {
        **{"name": "yolov5s", "network": "yolov5s", "parameters": "7,235,389", "flops": "16,433,561,600", "size": "640, 640"},
        **{"open": "no", "words": "not stated", "licence": "GPL-3.0 at release, AGPL-3.0 since", "origin": totals["origin"].strip()},
    }
    assert "releases/download/v7.0/yolov5s.pt, 14,808,437 bytes, sha256 8b3b748c" in totals["origin"]


@pytest.mark.parametrize(
    ("name", "parameters", "layers"), [("yolov8n", 3_157_200, 23), ("yolov5n6", 3_246_940, 34), ("yolov5s@v3.1", 7_468_157, 25)]
)
def test_json_has_the_figures(tmp_path, name, parameters, layers):
    done = info(name, "--json", tmp_path / "info.json")
    found = json.loads((tmp_path / "info.json").read_text(encoding="utf-8"))
    assert done.exit_code == 0
    assert "Detect" in done.stdout  # the table is there beside it
    assert list(found) == ["name", "network", "parameters", "flops", "layers", "size", "open", "words", "licence", "origin"]
    assert (found["name"], found["parameters"], len(found["layers"])) == (name, parameters, layers)
    assert found["layers"][-1]["module"] == "Detect"


def test_json_is_alone_on_standard_output_and_pulls_neither_engine_nor_torch():
    script = (
        "import sys\nfrom wordbox.cli.main import main\nsys.argv[1:] = ['info', 'yolov8n', '--json', '-']\n"
        "try:\n    main()\nfinally:\n    sys.stderr.write(str({'torch', 'onnxruntime', 'openvino'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=120)
    assert json.loads(done.stdout)["flops"] == pytest.approx(8.744e9, rel=1e-4)
    assert done.stderr.decode() == "set()"


def test_the_packaged_model_has_words_and_a_layer_table():
    done = info()
    assert done.exit_code == 0
    assert done.stdout.startswith("layer ")
    assert "name:       wordbox-nano" in done.stdout
    assert "person, " in done.stdout
    assert "open:       yes" in done.stdout


def test_a_real_file_says_its_licence(shared):
    done = info(shared / "data" / "weights" / "yolov8n-hybrid.pt")
    assert "licence:    AGPL-3.0" in done.stdout
    assert "parameters: 3,157,200" in done.stdout


@pytest.mark.parametrize(("arguments", "said"), [(["yolov5q"], "nearest"), (["away.pt"], "away.pt"), (["yolov8n.engine"], "yolov8n")])
def test_what_is_no_model_is_an_error(arguments, said):
    done = info(*arguments)
    assert isinstance(done.exception, WeightsError)
    assert said in str(done.exception)
