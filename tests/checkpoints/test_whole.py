"""What is written takes its place when it is whole, and what was there before stays where it is not."""

import os

import pytest

from wordbox.checkpoints.whole import whole


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("before")
    with whole(path) as draft:
        draft.write_text("after")
        assert path.read_text() == "before"
        assert str(os.getpid()) in draft.name
    assert path.read_text() == "after"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_what_failed(tmp_path):
    path = tmp_path / "a.pt"
    path.write_text("before")
    with pytest.raises(KeyError, match="mine"), whole(path) as draft:
        raise KeyError(draft.write_text("half"), "mine")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError), whole(tmp_path / "folder") as draft:  # noqa: PT011 - the system says which
        draft.write_text("a file")
    assert path.read_text() == "before"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["a.pt", "folder"]
