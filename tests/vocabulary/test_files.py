"""Vocabulary files: what was saved comes back, and what is wrong with a file is said in one line that names it."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import save_file

from wordbox.errors import VocabularyError
from wordbox.vocabulary import files
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, of_vectors

IDENTITY = EncoderIdentity(name="clip", sha256="c" * 64)
WORD = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).map(str.strip).filter(bool)


def made() -> EmbeddedVocabulary:
    """Two labels, three phrases, one of them unknown, and the background."""
    vectors = np.eye(4, 6, dtype=np.float32)
    known, owners = np.array([True, True, False, True]), np.array([0, 0, 1, -1])
    phrases = (("car",), ("taxi",), ("猫",), (" ",))
    return EmbeddedVocabulary(("Car", "猫"), vectors, known, owners, IDENTITY, phrases, "a {}", "CC0", "nowhere")


def same(one, other):
    for name in ("labels", "identity", "phrases", "prompt", "licence", "origin", "merge", "background", "unknown"):
        assert getattr(one, name) == getattr(other, name), name
    for name in ("vectors", "known", "owners"):
        mine, theirs = getattr(one, name), getattr(other, name)
        assert (mine.dtype, mine.shape, mine.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes()), name


def test_everything_comes_back_and_equal_contents_are_equal_bytes(tmp_path):
    paths = [tmp_path / "new" / f"{i}.vocab.safetensors" for i in range(2)]
    for path in paths:
        made().save(path)
    same(files.load(paths[0]), made())
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert sorted(path.name for path in paths[0].parent.iterdir()) == ["0.vocab.safetensors", "1.vocab.safetensors"]


@given(st.lists(WORD, min_size=1, max_size=5, unique_by=lambda word: " ".join(word.casefold().split())), st.data())
def test_any_words_and_numbers_come_back(tmp_path_factory, words, data):
    numbers = st.floats(-(2.0**100), 2.0**100, width=32)
    vectors = data.draw(arrays_of.arrays(np.float32, (len(words), 3), elements=numbers))
    path = tmp_path_factory.mktemp("words") / "x.vocab.safetensors"
    saved = of_vectors(words, vectors, IDENTITY)
    saved.save(str(path))
    same(files.load(path), saved)


def test_merged_synonyms_stay_with_their_vector(tmp_path):
    merged = EmbeddedVocabulary(
        ("car",), np.ones((1, 2), np.float32), np.array([True]), np.array([0]), IDENTITY, (("car", "taxi"),)
    )  # fmt: skip
    merged.save(tmp_path / "x.vocab.safetensors")
    found = files.load(tmp_path / "x.vocab.safetensors")
    assert found.merge == "mean"
    assert Vocabulary(found) == Vocabulary({"car": ["car", "taxi"]}, merge="mean")


def test_half_is_half_the_size_and_of_unit_length(tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 256)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows[0] *= 3  # tuned on a detector: its length means something
    whole = of_vectors([str(i) for i in range(50)], rows, IDENTITY)
    whole.save(tmp_path / "full.vocab.safetensors")
    whole.save(tmp_path / "half.vocab.safetensors", half=True)
    found = files.load(tmp_path / "half.vocab.safetensors")
    assert (tmp_path / "half.vocab.safetensors").stat().st_size < 0.6 * (tmp_path / "full.vocab.safetensors").stat().st_size
    assert found.vectors.dtype == np.float32
    lengths = np.linalg.norm(found.vectors, axis=1)
    assert lengths[0] == pytest.approx(3, abs=1e-3)
    np.testing.assert_allclose(lengths[1:], 1, atol=1e-6)
    np.testing.assert_allclose(found.vectors, rows, atol=1e-3)


def test_what_half_cannot_hold_is_refused(tmp_path):
    large = of_vectors(["car"], np.full((1, 4), 1e6, np.float32), IDENTITY)
    with pytest.raises(VocabularyError, match="too large for float16"):
        large.save(tmp_path / "x.vocab.safetensors", half=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["x.safetensors", "x.vocab", "x.npz", ".safetensors"])
def test_another_ending_is_refused(tmp_path, name):
    with pytest.raises(VocabularyError, match=r"expected \.vocab\.safetensors"):
        made().save(tmp_path / name)


def test_where_nothing_can_be_written_it_is_said(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(VocabularyError, match="cannot be written"):
        made().save(tmp_path / "file" / "x.vocab.safetensors")
    (tmp_path / "x.vocab.safetensors").mkdir()
    with pytest.raises(VocabularyError, match="cannot be written"):
        made().save(tmp_path / "x.vocab.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "x.vocab.safetensors"]


@pytest.mark.parametrize(
    ("words", "is_one"),
    [
        ("things.vocab.safetensors", True),
        (" Things.Vocab.Safetensors ", True),
        (Path("a, b") / "things.vocab.safetensors", True),
        ("cup, things.vocab.safetensors", False),
        ("things.txt", False),
        ("vocab.safetensors", False),
        (Path("a, b.vocab.safetensors"), True),
        ("a, b/things.vocab.safetensors", True),
        (["things.vocab.safetensors"], False),
        (None, False),
    ],
)
def test_a_path_is_told_from_words(words, is_one):
    assert files.is_file(words) == is_one


def test_a_file_that_is_not_there_is_named_as_written_and_as_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VocabularyError) as caught:
        files.load(Path("away.vocab.safetensors"))
    assert str(caught.value).startswith("away.vocab.safetensors: no such file")
    assert str(tmp_path.resolve()) in str(caught.value)


def facts(**changed):
    whole = {
        "version": 1,
        "labels": ["car", "bus"],
        "phrases": [["car"], ["bus"]],
        "merge": "max",
        "encoder": {"name": "clip", "sha256": ""},
        "prompt": "{}",
        "licence": "",
        "origin": "",
    }
    return {key: value for key, value in (whole | changed).items() if value is not ...}


def arrays(**changed):
    whole = {"vectors": np.eye(2, 3, dtype=np.float32), "owners": np.arange(2), "known": np.ones(2, bool)}
    return {key: value for key, value in (whole | changed).items() if value is not ...}


def test_the_parts_that_the_cases_below_change_are_a_vocabulary(tmp_path):
    save_file(arrays(), tmp_path / "x.vocab.safetensors", metadata={files.KEY: json.dumps(facts())})
    assert files.load(tmp_path / "x.vocab.safetensors").labels == ("car", "bus")


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"version": "x" * 10_000},
        {"version": ...},
        {"labels": ...},
        {"labels": []},
        {"labels": ["car"]},
        {"labels": ["car", "bus", "cat"]},
        {"labels": ["car", "CAR "]},
        {"labels": ["car", " "]},
        {"labels": ["car", 7]},
        {"labels": ["car", None]},
        {"labels": ["car", "x" * 10_001]},
        {"labels": ["car", "\ud800"]},
        {"labels": 7},
        {"phrases": [["car"]]},
        {"phrases": [["car"], []]},
        {"phrases": [["car"], ["bus"], ["cat"]]},
        {"phrases": [["car"], [{}]]},
        {"phrases": [["car"], 7]},
        {"phrases": {"car": 1, "bus": 2}, "labels": ["car", 1]},
        {"encoder": None},
        {"encoder": {"name": "clip"}},
        {"encoder": {"name": 7, "sha256": ""}},
        {"encoder": []},
        {"prompt": "a"},
        {"prompt": None},
        {"licence": 7},
        {"origin": ...},
    ],
    ids=repr,
)
def test_facts_that_do_not_fit_are_one_line_that_names_the_file(tmp_path, changed):
    save_file(arrays(), tmp_path / "x.vocab.safetensors", metadata={files.KEY: json.dumps(facts(**changed))})
    refused(tmp_path / "x.vocab.safetensors")


@pytest.mark.parametrize(
    "changed",
    [
        {"vectors": ...},
        {"owners": ...},
        {"known": ...},
        {"vectors": np.eye(3, dtype=np.float32)},
        {"vectors": np.eye(2)},
        {"vectors": np.eye(2, dtype=np.int8)},
        {"vectors": np.ones(2, np.float32)},
        {"vectors": np.zeros((2, 0), np.float32)},
        {"vectors": np.full((2, 3), np.inf, np.float32)},
        {"vectors": np.full((2, 3), np.nan, np.float16)},
        {"owners": np.array([0, 2])},
        {"owners": np.array([0, -2])},
        {"owners": np.array([0, 0])},
        {"owners": np.array([0, -1])},
        {"owners": np.array([0, 2**62])},
        {"owners": np.arange(2).astype(np.int32)},
        {"owners": np.arange(2)[None]},
        {"known": np.ones(3, bool)},
        {"known": np.ones(2, np.uint8)},
    ],
    ids=repr,
)
def test_arrays_that_do_not_fit_are_one_line_that_names_the_file(tmp_path, changed):
    save_file(arrays(**changed), tmp_path / "x.vocab.safetensors", metadata={files.KEY: json.dumps(facts())})
    refused(tmp_path / "x.vocab.safetensors")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "null", "[]", "7", '"text"', "{}", "9" * 10_000])
def test_metadata_that_is_no_object_is_refused(tmp_path, text):
    save_file(arrays(), tmp_path / "x.vocab.safetensors", metadata={files.KEY: text})
    refused(tmp_path / "x.vocab.safetensors")


def test_a_model_is_no_vocabulary(tmp_path):
    save_file(arrays(), tmp_path / "x.vocab.safetensors")
    refused(tmp_path / "x.vocab.safetensors", "holds no vocabulary")


@pytest.mark.parametrize("content", [b"", b"\0" * 8, b"\xff" * 100, b"no safetensors at all", (2**40).to_bytes(8, "little") + b"{}"])
def test_what_is_no_safetensors_is_refused(tmp_path, content):
    (tmp_path / "x.vocab.safetensors").write_bytes(content)
    refused(tmp_path / "x.vocab.safetensors", "cannot be read")


def test_a_file_cut_anywhere_is_refused(tmp_path):
    made().save(tmp_path / "whole.vocab.safetensors")
    whole = (tmp_path / "whole.vocab.safetensors").read_bytes()
    for end in range(0, len(whole), 37):
        (tmp_path / "x.vocab.safetensors").write_bytes(whole[:end])
        refused(tmp_path / "x.vocab.safetensors")


def test_a_file_with_any_byte_changed_is_read_or_refused(tmp_path):
    made().save(tmp_path / "whole.vocab.safetensors")
    whole = bytearray((tmp_path / "whole.vocab.safetensors").read_bytes())
    rng = np.random.default_rng(0)
    for position in rng.choice(len(whole), 300, replace=False):
        changed = whole.copy()
        changed[position] ^= 1 << rng.integers(8)
        (tmp_path / "x.vocab.safetensors").write_bytes(changed)
        with contextlib.suppress(VocabularyError):
            assert np.isfinite(files.load(tmp_path / "x.vocab.safetensors").vectors).all()


def refused(path, said=""):
    with pytest.raises(VocabularyError) as caught:
        files.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert said in text
    assert "\n" not in text
    assert len(text) < 1000


def test_vectors_of_several_prompts_are_not_kept_as_one(tmp_path):
    with pytest.raises(VocabularyError, match="some of its vectors are of the words alone and some of another prompt"):
        replace(made(), prompt="").save(tmp_path / "x.vocab.safetensors")
    assert not list(tmp_path.iterdir())
