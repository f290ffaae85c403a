"""Vectors on disk: they come back bit by bit, by checksum and text, and nothing that is wrong with the file stops anybody."""

import logging
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wordbox.vocabulary.cache import FILE, VectorCache

ONE, OTHER = "1" * 64, "2" * 64


def unit(count, width=8, seed=0):
    rows = np.random.default_rng(seed).normal(size=(count, width)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def cache(tmp_path):
    return VectorCache(tmp_path / "new" / "folder")


def test_nothing_is_made_before_something_is_kept(cache):
    assert cache.get(ONE, ["cat"], 8) == {}
    assert not cache.path.exists()


def test_what_was_kept_comes_back_bit_by_bit_to_another_reader(cache):
    texts = ["cat", "a cat", "猫", "", "it's; DROP TABLE vectors", "x" * 10_000]
    kept = dict(zip(texts, unit(6), strict=True))
    cache.put(ONE, kept)
    found = VectorCache(cache.path.parent).get(ONE, [*texts, "dog"], 8)
    assert found.keys() == kept.keys()
    for text, vector in kept.items():
        assert found[text].tobytes() == vector.tobytes()
        assert found[text].dtype == np.float32


def test_encoders_and_widths_do_not_mix(cache):
    cache.put(ONE, {"cat": unit(1)[0]})
    cache.put(OTHER, {"cat": unit(1, seed=1)[0]})
    assert cache.get(ONE, ["cat"], 8)["cat"].tobytes() == unit(1)[0].tobytes()
    assert cache.get(OTHER, ["cat"], 8)["cat"].tobytes() == unit(1, seed=1)[0].tobytes()
    assert cache.get(ONE, ["cat"], 16) == {}
    assert cache.get("", ["cat"], 8) == {}


def test_the_oldest_go_when_there_are_too_many(tmp_path):
    cache = VectorCache(tmp_path, most=50)
    for start in range(0, 200, 20):
        cache.put(ONE, {str(i): unit(1)[0] for i in range(start, start + 20)})
    found = cache.get(ONE, [str(i) for i in range(200)], 8)
    assert sorted(map(int, found)) == list(range(150, 200))
    assert cache.path.stat().st_size < 100_000


def test_thousands_at_once(cache):
    kept = dict(zip(map(str, range(3000)), unit(3000), strict=True))
    cache.put(ONE, kept)
    assert cache.get(ONE, list(kept), 8).keys() == kept.keys()


STORE = """
import sys
from pathlib import Path
import numpy as np
from wordbox.vocabulary.cache import VectorCache

folder, name = sys.argv[1:]
cache = VectorCache(Path(folder))
for i in range(20):
    cache.put("1" * 64, {f"{name} {i}": np.eye(8, dtype=np.float32)[0], "shared": np.eye(8, dtype=np.float32)[1]})
"""


def test_threads_and_processes_at_once_lose_nothing(tmp_path, caplog):
    others = [subprocess.Popen([sys.executable, "-c", STORE, str(tmp_path), f"process {i}"]) for i in range(2)]

    def store(name):
        cache = VectorCache(tmp_path)
        for i in range(20):
            cache.put(ONE, {f"{name} {i}": unit(1)[0], "shared": unit(1)[0]})

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(store, [f"thread {i}" for i in range(4)]))
    assert [other.wait() for other in others] == [0, 0]
    texts = [f"{name} {i}" for name in ("thread 0", "thread 3", "process 0", "process 1") for i in range(20)]
    assert len(VectorCache(tmp_path).get(ONE, texts, 8)) == 80
    assert caplog.text == ""


@pytest.mark.parametrize("content", [b"", b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 4000])
def test_a_damaged_file_is_said_once_and_then_passed_over(tmp_path, caplog, content):
    (tmp_path / FILE).write_bytes(content)
    cache = VectorCache(tmp_path)
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert cache.get(ONE, ["cat"], 8) == {}
        cache.put(ONE, {"cat": unit(1)[0]})
        found = cache.get(ONE, ["cat"], 8)
    if content:
        assert found == {}
        assert caplog.text.count("words.sqlite") == 1
        assert "delete the file" in caplog.text
    else:  # an empty file is an empty database
        assert list(found) == ["cat"]


@pytest.mark.parametrize("row", ["text", 7, None, b"short", b"\xff" * 32, b"\0" * 32, np.full(8, 9, "<f4").tobytes()], ids=repr)
def test_a_row_that_holds_no_unit_vector_counts_for_nothing(cache, row):
    cache.put(ONE, {"cat": unit(1)[0], "dog": unit(1)[0]})
    with sqlite3.connect(cache.path) as base:
        base.execute("UPDATE vectors SET vector = ? WHERE text = 'cat'", (row,))
    base.close()
    assert "cat" not in cache.get(ONE, ["cat", "dog"], 8)


def test_a_table_of_another_shape_is_said_and_passed_over(tmp_path, caplog):
    with sqlite3.connect(tmp_path / FILE) as base:
        base.execute("CREATE TABLE vectors (something TEXT)")
    base.close()
    cache = VectorCache(tmp_path)
    cache.put(ONE, {"cat": unit(1)[0]})
    assert cache.get(ONE, ["cat"], 8) == {}
    assert caplog.text.count("words.sqlite") == 1


def test_a_folder_that_cannot_be_made_is_said_and_passed_over(tmp_path, caplog):
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = VectorCache(tmp_path / "file")
    cache.put(ONE, {"cat": unit(1)[0]})
    cache.put(ONE, {"cat": unit(1)[0]})
    assert caplog.text.count("words.sqlite") == 1


def test_a_python_without_sqlite_goes_on_without(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(sys.modules, "sqlite3", None)
    cache = VectorCache(tmp_path)
    cache.put(ONE, {"cat": unit(1)[0]})
    assert cache.get(ONE, ["cat"], 8) == {}
    assert caplog.text.count("words.sqlite") == 1
