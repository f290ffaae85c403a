import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.errors import VocabularyError
from wordbox.vocabulary.words import Vocabulary, embed, read_words, word_key

WORD = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=","), min_size=1).map(str.strip).filter(bool)


class Encoder:
    """Knows phrases of letters a to z; a phrase becomes a unit vector by its length."""

    width = 4

    def encode(self, phrases):
        return np.eye(4, dtype=np.float32)[[len(phrase) % 4 for phrase in phrases]]

    def unknown(self, phrases):
        return [phrase for phrase in phrases if not phrase.replace(" ", "").isascii()]


@pytest.fixture
def said(caplog):
    """What was logged, as one text."""
    caplog.set_level(logging.WARNING, logger="wordbox")
    return lambda: "\n".join(record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "words",
    [
        "person, red bus",
        "person\nred bus",
        " person ,\tred bus ,, \r\n",
        ["person", "red bus"],
        ("person", " red bus "),
        (word for word in ("person", "red bus")),
        {"person": "person", "red bus": ["red bus"]},
        Vocabulary("person, red bus"),
    ],
    ids=["commas", "lines", "spaces", "list", "tuple", "generator", "mapping", "vocabulary"],
)
def test_every_form_gives_the_same_words(words):
    vocabulary = Vocabulary(words)
    assert vocabulary.labels == ("person", "red bus")
    assert vocabulary.phrases == (("person",), ("red bus",))
    assert list(vocabulary) == ["person", "red bus"]
    assert len(vocabulary) == 2
    assert vocabulary == Vocabulary("person, red bus")
    assert hash(vocabulary) == hash(Vocabulary("person, red bus"))


@given(st.lists(WORD, min_size=1, unique_by=lambda word: " ".join(word.casefold().split())))
def test_labels_come_back_as_they_were_typed(words):
    assert Vocabulary(words).labels == tuple(words)
    assert Vocabulary({word: [word, "x"] for word in words}).labels == tuple(words)
    again = eval(repr(Vocabulary(words)), {"Vocabulary": Vocabulary})
    assert again == Vocabulary(words)


def test_a_word_in_a_list_may_hold_a_comma():
    assert Vocabulary(["salt, pepper"]).labels == ("salt, pepper",)


@pytest.mark.parametrize("words", ["猫, собака, كلب, 🦄, pédestrian, ελληνικά", "Straße, İstanbul, ﬁsh"])
def test_words_of_any_language_pass_unharmed(words):
    assert Vocabulary(words).labels == tuple(words.split(", "))


def test_words_given_twice_are_merged_and_said(said):
    vocabulary = Vocabulary(["Red bus", "person", "red  BUS", "PERSON"])
    assert vocabulary.labels == ("Red bus", "person")
    assert "'red bus' stands twice (as 'Red bus' and 'red  BUS')" in said()
    assert "'person' stands twice (as 'person' and 'PERSON')" in said()


def test_words_given_once_are_not_talked_about(said):
    Vocabulary("person, persons, a person")
    assert said() == ""


def test_merged_labels_keep_all_phrases(said):
    vocabulary = Vocabulary({"car": ["car", "taxi"], "Car": ["taxi", "automobile"]})
    assert vocabulary.labels == ("car",)
    assert set(vocabulary.phrases[0]) >= {"car", "taxi", "automobile"}
    assert len(vocabulary.phrases[0]) == 3
    assert "stands twice" in said()


def test_a_mapping_gives_phrases_to_labels():
    vocabulary = Vocabulary({"car": ["car", "automobile", "taxi"], "pet": ("cat", "dog"), "bus": "red bus"})
    assert vocabulary.labels == ("car", "pet", "bus")
    assert vocabulary.phrases == (("car", "automobile", "taxi"), ("cat", "dog"), ("red bus",))


def test_ten_thousand_words_stay_in_order():
    words = [f"word {i}" for i in range(10_000)]
    assert Vocabulary(words).labels == tuple(words)


@pytest.mark.parametrize("words", ["", "  ", ",,\n,", [], (), {}], ids=repr)
def test_no_words_are_refused(words):
    with pytest.raises(VocabularyError, match="found no words"):
        Vocabulary(words)


@pytest.mark.parametrize("words", [["person", ""], ["  "], {"": ["a"]}, {"a": [" "]}, {"a": ""}], ids=repr)
def test_an_empty_word_is_refused(words):
    with pytest.raises(VocabularyError, match="empty word"):
        Vocabulary(words)


def test_a_label_without_phrases_is_refused():
    with pytest.raises(VocabularyError, match="'car' has no phrases"):
        Vocabulary({"car": []})


@pytest.mark.parametrize("words", [["person", 7], [None], [["person"]], {1: ["a"]}, {"a": [3]}, {"a": [b"cat"]}], ids=repr)
def test_what_is_no_string_is_named_with_its_type(words):
    with pytest.raises(VocabularyError, match=r"of type (int|NoneType|list|bytes)"):
        Vocabulary(words)


@pytest.mark.parametrize("words", [None, 7, 0.5, object(), b"person, bus"], ids=["None", "int", "float", "object", "bytes"])
def test_what_holds_no_words_is_refused(words):
    with pytest.raises(VocabularyError, match=f"type {type(words).__name__}"):
        Vocabulary(words)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_file_holds_a_word_a_line(tmp_path, newline, mark):
    path = tmp_path / "words.txt"
    path.write_bytes((mark + newline.join(["person", "", "  red bus ", "salt, pepper", "猫"])).encode())
    expected = ("person", "red bus", "salt, pepper", "猫")
    assert read_words(path).labels == Vocabulary(path).labels == Vocabulary(f" {path} ").labels == expected
    path = path.rename(tmp_path / "words.list")
    assert Vocabulary(path).labels == expected  # a Path is a file, whatever its name


@pytest.mark.parametrize("content", [b"", b"\n \n", "größe".encode("latin-1"), b"\xff\xfea\x00"], ids=["empty", "blank", "latin1", "utf16"])
def test_a_file_without_words_in_utf8_is_named(tmp_path, content):
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(VocabularyError, match=r"words\.txt: "):
        Vocabulary(path)


def test_a_file_that_is_not_there_is_named_as_written_and_as_resolved(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VocabularyError) as caught:
        Vocabulary("away.txt")
    assert str(caught.value).startswith("away.txt: ")
    assert str(tmp_path.resolve() / "away.txt") in str(caught.value)
    with pytest.raises(VocabularyError, match=tmp_path.name):
        Vocabulary(Path(tmp_path))


def test_embedding_keeps_phrases_with_their_labels(said):
    embedded = embed(Vocabulary({"car": ["car", "automobile"], "pet": ["dog"]}), Encoder())
    assert embedded.labels == ("car", "pet")
    assert embedded.owners.tolist() == [0, 0, 1]
    assert embedded.owners.dtype == np.int64
    assert embedded.vectors.dtype == np.float32
    assert embedded.vectors.argmax(axis=1).tolist() == [3, 2, 3]
    assert embedded.known.tolist() == [True] * 3
    assert embedded.known.dtype == np.bool_
    assert embedded.has_synonyms
    assert not embed(Vocabulary("car, pet"), Encoder()).has_synonyms
    assert said() == ""


def test_words_that_the_encoder_does_not_know_are_named_and_masked(said):
    embedded = embed(Vocabulary(["猫", "dog", "собака"]), Encoder())
    assert embedded.known.tolist() == [False, True, False]
    assert embedded.vectors.shape == (3, 4)
    assert "knows nothing of 'собака', '猫'" in said()


@given(st.text(), st.sampled_from(["", " ", "\n", "\t  "]))
def test_spaces_and_case_do_not_tell_words_apart(word, space):
    assert word_key(f"{space}{word}{space}") == word_key(word)
    assert word_key("Traffic  Light ") == word_key("traffic light")
    assert word_key("traffic_light") != word_key("traffic light")
    assert word_key("STRASSE") == word_key("Straße")
