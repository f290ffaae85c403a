"""The page of concepts tells the truth: its lines print what stands behind them, and what it names is where it says."""

import contextlib
import io
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8")
OPENING, *SECTIONS = re.split(r"^### ", PAGE, flags=re.MULTILINE)
BLOCK = re.compile(r"^```python( torch)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLES = [section.partition("\n")[0] for section in SECTIONS]


@pytest.fixture(scope="module")
def imports():
    """What the page imports before its sections."""
    (_, code), = BLOCK.findall(OPENING)  # fmt: skip
    names = {}
    exec(compile(code, "opening of concepts.md", "exec"), names)
    return names


def claimed(code):
    """What the page says that each `print` of the code prints, in order."""
    found = [line.split(")  # ", 1) for line in code.splitlines() if line.lstrip().startswith("print(")]
    assert all(len(parts) == 2 for parts in found), f"a print without its output:\n{code}"
    return [parts[1] for parts in found]


@pytest.mark.parametrize("section", SECTIONS, ids=TITLES)
def test_every_section_prints_what_it_says(section, imports, monkeypatch):
    monkeypatch.chdir(ROOT)
    (torch, code), = BLOCK.findall(section)  # fmt: skip
    assert bool(torch) == ("import torch" in code) == code.startswith("# needs the extra torch\n")
    assert claimed(code)
    if torch and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, f"{section.partition(chr(10))[0]} in concepts.md", "exec"), dict(imports))
    assert len(printed.getvalue().splitlines()) == len(claimed(code))
    for line, said in zip(printed.getvalue().splitlines(), claimed(code), strict=True):
        if said.startswith("such as "):  # a figure of the machine
            line, said = (re.sub(r"\d+", "N", text) for text in (line, said.removeprefix("such as ")))
        assert line == said


def test_sections_are_of_one_make_and_short():
    assert len(set(TITLES)) == len(TITLES) > 20
    for title, section in zip(TITLES, SECTIONS, strict=True):
        prose, code = section.partition("\n")[2].split("```")[:2]
        assert "\nIn the code: `" in prose, title
        assert prose.count("\n") <= 8, title
        assert code.count("\n") <= 9, title


def test_yolo_world_has_a_section_a_row_of_the_founding_table(shared):
    table = (shared / "seeds" / "README.md").read_text(encoding="utf-8").partition("## YOLO-World")[2]
    _, *rows = re.findall(r"^\| ([\w-]+)", table, re.MULTILINE)
    titles = re.findall(r"^### ([\w-]+)", PAGE.partition("## YOLO-World")[2], re.MULTILINE)
    assert titles == rows
    assert len(rows) > 10


def test_paths_are_there_and_hold_what_they_are_named_for():
    paths = set(re.findall(r"`((?:src|tests)/[\w/.]*)`", PAGE))
    assert len(paths) > 20
    for path in paths:
        assert (ROOT / path).exists(), path
    named = re.findall(r"((?:`\w+`(?:,| and)?\s+)+)in\s+`([\w/]+\.py)`", PAGE)
    assert len(named) > 40
    for names, path in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names.replace(" and ", " ")):
            assert re.search(rf"^(?:def |class )?{name}\b", text, re.MULTILINE), f"{path} has no {name}"


def test_no_line_is_wider_than_the_house():
    assert max(map(len, PAGE.splitlines())) <= 140
