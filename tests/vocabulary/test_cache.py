"""Vectors on disk: they come back bit by bit, by checksum and text, and nothing that is wrong with the file stops anybody."""

import logging
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from wordbox.vocabulary import cache as cache_module
from wordbox.vocabulary.cache import FILE, Seen, VectorCache, key_of, state_of
from wordbox.vocabulary.encoders import EncoderIdentity

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


def test_a_file_that_somebody_is_busy_with_is_passed_over_once(cache, caplog, monkeypatch):
    monkeypatch.setattr(cache_module, "_WAIT", 0.01)
    cache.put(ONE, {"cat": unit(1)[0]})
    with closing(sqlite3.connect(cache.path)) as base:
        base.execute("BEGIN EXCLUSIVE")
        cache.put(ONE, {"dog": unit(1)[0]})
        assert cache.get(ONE, ["cat"], 8) == {}
    assert caplog.text == ""
    cache.put(ONE, {"bird": unit(1)[0]})
    assert sorted(cache.get(ONE, ["cat", "dog", "bird"], 8)) == ["bird", "cat"]


def test_which_encoder_a_file_held_is_known_until_the_file_changes(cache, tmp_path):
    path = tmp_path / "tower.pth"
    path.write_bytes(b"one")
    seen = Seen(EncoderIdentity(name="clip", sha256=ONE), "int8")
    assert cache.seen(path, state_of(path)) is None
    cache.see(path, state_of(path), seen)
    assert VectorCache(cache.path.parent).seen(path, state_of(path)) == seen
    assert cache.seen(tmp_path / "other.pth", state_of(path)) is None
    before = path.stat()
    (tmp_path / "copy.pth").write_bytes(b"two")
    os.utime(tmp_path / "copy.pth", ns=(before.st_atime_ns, before.st_mtime_ns))  # a copy that keeps the size and the time of the first
    os.replace(tmp_path / "copy.pth", path)
    assert cache.seen(path, state_of(path)) is None


@pytest.mark.parametrize("change", ["name = 7", "name = 'a/b'", "name = ''", "sha256 = ''", "precision = NULL"])
def test_a_row_that_holds_no_encoder_counts_for_nothing(cache, tmp_path, change):
    cache.see(tmp_path, "state", Seen(EncoderIdentity(name="clip", sha256=ONE), "float32"))
    with closing(sqlite3.connect(cache.path)) as base:
        base.execute("DROP TABLE towers")
        base.execute("CREATE TABLE towers (path, state, name, sha256, precision)")
        base.commit()
    cache.see(tmp_path, "state", Seen(EncoderIdentity(name="clip", sha256=ONE), "float32"))
    assert cache.seen(tmp_path, "state") is not None
    with closing(sqlite3.connect(cache.path)) as base:
        base.execute(f"UPDATE towers SET {change}")
        base.commit()
    assert cache.seen(tmp_path, "state") is None


def test_precisions_have_keys_of_their_own_and_what_is_not_known_has_none(cache):
    assert key_of(ONE, "float32") == ONE
    assert len({key_of(ONE, precision) for precision in ("float32", "float16", "int8")}) == 3
    assert key_of("", "float32") == key_of(ONE, None) == ""
    cache.put("", {"cat": unit(1)[0]})
    assert not cache.path.exists()
