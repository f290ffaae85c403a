"""`wordbox words`: what a file of words holds, how one is made, and how a detector takes it."""

import json
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from typer.testing import CliRunner

from wordbox.cli.main import app
from wordbox.errors import InputError, VocabularyError
from wordbox.vocabulary import files


def words(*arguments):
    return CliRunner().invoke(app, ["words", *map(str, arguments)])


@pytest.fixture
def kept(tmp_path):
    """A file that `wordbox words encode` wrote."""
    path = tmp_path / "new" / "things.vocab.safetensors"
    (tmp_path / "texts.json").write_text('[["cup", "mug"], ["자동차"]]', encoding="utf-8")
    done = words("encode", tmp_path / "texts.json", path)
    assert done.exit_code == 0, done.exception
    assert done.stdout.startswith(f"written: {path} (0.00 MB), 2 words, 3 vectors of wordbox-nano.words (sha256 ")
    return path


def test_what_was_encoded_is_shown(kept):
    done = words("show", kept)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[:3] == [["label", "phrases"], ["cup", "cup,", "mug"], ["자동차", "자동차"]]
    facts = dict(line.split(":", 1) for line in done.stdout.splitlines()[4:])
    assert {name: value.strip() for name, value in facts.items() if name != "encoder"} == {
        **{"vectors": "3", "width": "256", "merge": "max", "prompt": "{}", "background": "none"},
        **{"unknown": "자동차", "licence": "not stated", "origin": "not stated"},
    }


def test_words_are_shown_as_a_file_of_them_would_be(kept, tmp_path):
    given, stored = words("show", tmp_path / "texts.json"), words("show", kept)
    assert given.exit_code == 0
    assert given.stdout == stored.stdout


def test_json_has_everything(kept, tmp_path):
    assert words("show", kept, "--json", tmp_path / "answer.json").exit_code == 0
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert answer["words"] == {"cup": ["cup", "mug"], "자동차": ["자동차"]}
    assert (answer["vectors"], answer["width"], answer["unknown"], answer["licence"]) == (3, 256, ["자동차"], None)


def test_merging_and_half_and_prompt(kept, tmp_path):
    path = tmp_path / "merged.vocab.safetensors"
    assert words("encode", kept, path, "--merge", "mean", "--half", "--prompt", "a {}").exit_code == 0
    found = files.load(path)
    assert (found.merge, found.prompt, found.vectors.shape) == ("mean", "a {}", (2, 256))
    assert found.phrases == (("cup", "mug"), ("자동차",))
    again = tmp_path / "again.vocab.safetensors"
    assert words("encode", path, again).exit_code == 0
    assert files.load(again).merge == "mean"  # as the file has it
    for wrong in (["--merge", "median"], ["--prompt", "a photo"]):
        assert isinstance(words("encode", "cup", path, *wrong).exception, InputError)


def test_a_detector_takes_the_file(kept, photo, root):
    command = [sys.executable, "-m", "wordbox", "detect", str(photo), "--words", str(kept), "--json", "-"]
    done = subprocess.run(command, capture_output=True, check=True, cwd=root)
    (image,) = json.loads(done.stdout)["images"]
    assert {one["label"] for one in image["detections"]} == {"cup"}


def test_published_features_become_a_file_that_says_where_it_comes_from(tmp_path):
    rows = np.eye(4, 8, dtype=np.float32) * 3
    for name, part, names in [("a", rows[:2], "cup\nred bus\n"), ("b", rows[1:], "red bus\ncat\ndog\n")]:
        np.save(tmp_path / f"{name}.npy", part)
        (tmp_path / f"{name}.txt").write_text(names, encoding="utf-8")
    pairs = [tmp_path / name for name in ("a.npy", "a.txt", "b.npy", "b.txt")]
    facts = ("--encoder", "clip-vit-base-patch32", "--prompt", "a {}", "--licence", "Apache-2.0", "--origin", "a laboratory")
    done = words("import", *pairs, tmp_path / "known.vocab.safetensors", *facts)
    assert done.exit_code == 0, done.exception
    assert "licence of these vectors: Apache-2.0" in done.stderr
    found = files.load(tmp_path / "known.vocab.safetensors")
    assert found.labels == ("cup", "red bus", "cat", "dog")
    np.testing.assert_array_equal(found.vectors, rows / 3)
    assert (found.licence, found.origin, found.prompt, str(found.identity)) == (
        "Apache-2.0",
        "a laboratory",
        "a {}",
        "clip-vit-base-patch32",
    )
    shown = words("show", tmp_path / "known.vocab.safetensors").stdout
    assert "Apache-2.0" in shown
    assert "a laboratory" in shown


@pytest.mark.parametrize("count", [1, 2, 4])
def test_files_that_are_no_pairs_are_refused(tmp_path, count):
    done = words("import", *[tmp_path / str(i) for i in range(count)], "--encoder", "clip")
    assert isinstance(done.exception, InputError)
    assert f"found {count} files" in str(done.exception)


def test_an_encoder_has_a_name_without_folders(tmp_path):
    done = words("import", "a.npy", "a.txt", tmp_path / "x.vocab.safetensors", "--encoder", "openai/clip-vit-base-patch32")
    assert isinstance(done.exception, InputError)
    assert "--encoder: found 'openai/clip-vit-base-patch32' for a text encoder, expected a name of one line without folders" in str(
        done.exception
    )


def test_faults_are_named(tmp_path):
    for arguments in (("show", tmp_path / "away.vocab.safetensors"), ("show", " "), ("encode", "cup", tmp_path / "out.txt")):
        done = words(*arguments)
        assert isinstance(done.exception, VocabularyError), arguments
        assert not done.stdout


def test_what_was_written_is_counted_and_progress_shown(worlds, tmp_path, monkeypatch):
    shown = []

    @contextmanager
    def bar(title, total):
        yield lambda done: shown.append((title, total, done))

    monkeypatch.setattr("wordbox.cli.words.progress_bar", bar)
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))
    model, path = worlds.native_file(tmp_path / "narrow.safetensors"), tmp_path / "gnome.vocab.safetensors"
    encoder = ("--weights", model, "--text-encoder", worlds.tower_folder(tmp_path / "tower"))
    done = words("encode", "gnome", path, *encoder)
    assert done.exit_code == 0, done.exception
    assert " 1 word, 2 vectors (one is the background's) of clip-text-40 " in done.stdout
    assert shown == [("Reading words", 1, 1)]
    done = words("encode", "gnome, fairy", path, *encoder, "--no-background")
    assert " 2 words, 2 vectors of clip-text-40 " in done.stdout
    assert shown[1:] == [("Reading words", 2, 2)]
