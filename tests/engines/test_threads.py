import os
from pathlib import Path

import pytest

from wordbox.engines import threads as module


@pytest.fixture
def quota(tmp_path, monkeypatch):
    """A process that may use 8 processors, in a cgroup with the quota that is written."""

    def write(content):
        if content is not None:
            (tmp_path / "cpu.max").write_text(content)
        monkeypatch.setattr(module, "Path", lambda path: tmp_path / Path(path).name)

    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    return write


@pytest.mark.parametrize(
    ("content", "threads"),
    [
        (None, 8),  # no cgroup
        ("max 100000\n", 8),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("50000 100000\n", 1),
        ("1000 100000\n", 1),
        ("9900000 100000\n", 8),  # a quota above the affinity
        ("100000", 8),  # not of the known form
        ("", 8),
        ("much more", 8),
    ],
)
def test_threads_obey_affinity_and_quota(quota, content, threads):
    quota(content)
    assert module.available_threads() == threads


def test_threads_without_affinity_are_the_processors(quota, monkeypatch):
    quota(None)
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert module.available_threads() == 3
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert module.available_threads() == 1
