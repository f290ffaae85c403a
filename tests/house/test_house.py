"""The house stands as drawn: light front door, listed names, arrows one way, files of a readable size."""

import ast
import importlib
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import wordbox

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "wordbox"
HEAVY = {"numpy", "cv2", "onnx", "onnxruntime", "safetensors", "rich", "typer", "pandas", "faster_coco_eval", "torch", "openvino", "yaml"}


def modules_after(code):
    command = [sys.executable, "-c", f"{code}; import sys, json; print(json.dumps(sorted(m.partition('.')[0] for m in sys.modules)))"]
    return set(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))


def test_importing_the_package_loads_nothing_heavy():
    assert not modules_after("import wordbox") & HEAVY


def test_the_command_line_loads_no_runtime_for_its_help():
    assert not modules_after("import wordbox.cli.main") & (HEAVY - {"typer", "rich"})


def test_detection_needs_no_extra():
    code = "import wordbox; wordbox.load(); wordbox.Detections"
    assert not modules_after(code) & {"torch", "pandas", "faster_coco_eval", "PIL", "supervision", "matplotlib", "pycocotools"}


def test_the_public_names_are_the_listed_ones():
    assert sorted(wordbox.__all__) == wordbox.__all__ == dir(wordbox)
    for name in wordbox.__all__:
        assert getattr(wordbox, name) is not None
    with pytest.raises(AttributeError, match="telepathy"):
        wordbox.telepathy  # noqa: B018


def test_no_public_name_is_a_module_too():
    # importing wordbox.name would put the module in the place of what users call
    for name in wordbox.__all__:
        assert importlib.util.find_spec(f"wordbox.{name}") is None, name


def test_editors_see_the_same_names_as_users():
    tree = ast.parse((SOURCE / "__init__.py").read_text(encoding="utf-8"))
    shown = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0 for alias in node.names}
    assert shown - {"import_module", "TYPE_CHECKING", "Any"} == set(wordbox.__all__) - {"__version__"}


def test_every_module_says_its_idea_and_none_is_empty_or_too_long():
    for path in SOURCE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{path} has no first line"
        assert text.count("\n") <= 400, path


def test_every_module_imports():
    for path in SOURCE.rglob("*.py"):
        if path.parent.name == "networks" and importlib.util.find_spec("torch") is None:
            continue  # the heavy half
        importlib.import_module(".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__"))


def test_a_test_file_stands_where_its_module_stands():
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.relative_to(ROOT / "tests").parts[0]
        module = folder.removeprefix("test_").removesuffix(".py")
        owners = [f"{module}.py", f"{module.partition('_')[0]}.py", folder]  # test_api_words.py is of api.py
        assert folder in {"house", "peers", "attacks", "training"} or any((SOURCE / owner).exists() for owner in owners), path


def test_the_version_is_the_changelogs_and_the_citations():
    assert f"## {wordbox.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"version: {wordbox.__version__}" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_links_between_documents_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} points to {target}"


def test_python_in_the_documents_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for page in [page for page in pages if page.name != "words.md"]:  # test_words_page.py runs that one, where it may write
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        if blocks:
            exec(compile("\n".join(blocks), str(page), "exec"), {})
