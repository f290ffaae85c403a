"""YAML from strangers: texts stay texts, nothing is run, nothing grows, and a fault has a line."""

import contextlib
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.data.formats import yaml_text
from wordbox.errors import DatasetError


def read(folder: Path, content: str | bytes) -> dict[str, yaml_text.Value]:
    path = folder / "data.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return yaml_text.read(path)


def test_everything_is_text(tmp_path: Path) -> None:
    content = "a: [no, on, 1e3, 007, ~, 0o7, .inf, 2001-01-01]\nb: {1: yes}\nc:\nd: |\n  x\n  y\n"
    expected = {"a": ["no", "on", "1e3", "007", "~", "0o7", ".inf", "2001-01-01"], "b": {"1": "yes"}, "c": "", "d": "x\ny\n"}
    assert read(tmp_path, content) == expected


def test_tags_are_no_objects(tmp_path: Path) -> None:
    found = read(tmp_path, f"a: !!python/object/apply:os.system ['touch {tmp_path / 'run'}']\nb: !!python/name:os.system x\n")
    assert found == {"a": [f"touch {tmp_path / 'run'}"], "b": "x"}
    assert not (tmp_path / "run").exists()


def test_aliases_of_aliases_take_no_room(tmp_path: Path) -> None:
    levels = "".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]\n" for i in range(1, 40))
    tracemalloc.start()
    try:
        found = read(tmp_path, f"l0: &l0 [x]\n{levels}val: images\nnames: *l39\n")
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert found["l1"] == [["x"]] * 9


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: &a [*a]", "line 1, column 4"),
        ("a: *nothing", "undefined alias"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: this is not valid YAML (the key 'a' stands twice)"),
        ("? [a]\n: b", "a key must be a text"),
        ("a: b\n---\nc: d", "another document"),
        ("a: 'b", "line 1, column 6"),
        ("a: \x07", "line 1, column 4: the character #x7"),
        ("a: b\nc: \x00d", "line 2, column 4: the character #x0"),
        (r'a: ["\UFFFFFFFF"]', "stands for no character"),
        (r'a: ["\U00110000"]', "stands for no character"),
        ("[" * 3000, "too deep"),
        ("a: " + "{b: " * 3000, "too deep"),
        (b"a: \xff\xfe", "no text in UTF-8"),
        ("", "found nothing; expected a mapping"),
        ("x" * 5000, "found a text of 5000 letters"),
        (b"a" * (yaml_text.MAX_BYTES + 1), "more than"),
    ],
    ids=[
        *("cycle", "no anchor", "twice", "key", "two", "quote", "bell", "zero", "beyond", "none", "lists", "mappings", "bytes", "empty"),
        *("text", "large"),
    ],
)
def test_faults_are_one_line_with_their_place(tmp_path: Path, content: str | bytes, said: str) -> None:
    with pytest.raises(DatasetError) as caught:
        read(tmp_path, content)
    assert said in str(caught.value)
    assert str(tmp_path / "data.yaml") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(DatasetError, match="cannot be read"):
            yaml_text.read(path)


def test_utf_16_is_read(tmp_path: Path) -> None:
    assert read(tmp_path, "names: [Straße]".encode("utf-16")) == {"names": ["Straße"]}


@given(st.one_of(st.binary(max_size=120), st.text(alphabet="ab:-[]{}&*!|>'\"#%@?, \n\t0~", max_size=80)))
def test_any_content_is_a_mapping_or_a_named_error(tmp_path_factory: pytest.TempPathFactory, content: str | bytes) -> None:
    with contextlib.suppress(DatasetError):
        assert isinstance(read(tmp_path_factory.mktemp("any"), content), dict)
