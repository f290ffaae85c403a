"""The page of words tells the truth: each of its blocks runs, in order and in one folder, and gives what stands behind it."""

import contextlib
import io
import re
import shlex
import shutil
from itertools import zip_longest
from pathlib import Path

from typer.testing import CliRunner

from wordbox.cli.main import app

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "words.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"\d+(\.\d\d)?$")


def run_shell(code):
    """What the commands print."""
    printed = ""
    for line in code.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "wordbox"
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, f"{line}\n{done.output}\n{done.exception!r}"
        printed += done.stdout
    return printed


def run_python(code, names):
    """What the code prints; what stands behind a `print` is what that prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "docs/words.md", "exec"), names)
    said = [line.split(")  # ", 1)[1] for line in code.splitlines() if line.startswith("print(")]
    assert not said or printed.getvalue().splitlines() == said
    return printed.getvalue()


def alike(line, other):
    """Whether two lines say the same: spaces aside, and numbers as near as two machines' are when rounded."""
    pairs = zip_longest(line.split(), other.split(), fillvalue="")
    return all(one == two or (NUMBER.match(one) and NUMBER.match(two) and near(one, two)) for one, two in pairs)


def near(one, two):
    return abs(float(one) - float(two)) < (0.015 if "." in one else 1.5)  # of scores with two digits, and of pixels


def test_every_block_gives_what_the_page_says(tmp_path, monkeypatch):
    for folder in ("docs", "src/wordbox/photos"):
        (tmp_path / folder).mkdir(parents=True)
        for photo in (ROOT / folder).glob("*.jpg"):
            shutil.copy(photo, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))
    names, printed, kinds = {}, "", []
    for kind, code in BLOCK.findall(PAGE):
        kinds.append(kind)
        match kind:
            case "sh":
                printed = run_shell(code)
            case "python":
                printed = run_python(code, names)
            case "text":
                for line in code.splitlines():
                    assert any(alike(line, given) for given in printed.splitlines()), f"{line!r} is not in\n{printed}"
            case _:
                raise AssertionError(f"a block of {kind!r} is not tried")
    assert kinds.count("sh") >= 3
    assert kinds.count("python") >= 8
    assert not re.search(r"^ {4}\w", BLOCK.sub("", PAGE), re.MULTILINE)  # an indented block would not be tried


def test_no_line_is_wider_than_the_house():
    assert max(map(len, PAGE.splitlines())) <= 140
