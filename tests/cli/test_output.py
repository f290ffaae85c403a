"""What is printed stays readable whatever users type."""

import csv
import json

from typer.testing import CliRunner

from wordbox.cli.main import app
from wordbox.cli.output import short


def test_labels_in_a_table_are_one_short_line():
    assert short("coffee cup") == "coffee cup"
    assert short("coffee\n  cup") == "coffee cup"
    assert short("x" * 60) == "x" * 60
    assert short("x" * 61) == "x" * 57 + "..."


def test_a_long_word_is_cut_in_the_table_and_whole_in_files(photo, tmp_path):
    word = "cup " * 500 + "cup"
    files = ("--json", tmp_path / "a.json", "--csv", tmp_path / "a.csv")
    done = CliRunner().invoke(app, ["detect", str(photo), "--words", word, "--conf", "0.01", *map(str, files)])
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert lines[1].startswith("cup cup")
    assert "..." in lines[1]
    assert max(map(len, lines)) < 140
    (image,) = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["images"]
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        assert {one["label"] for one in image["detections"]} == {row["label"] for row in csv.DictReader(file)} == {word}
