import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.lists import LONGEST, STORED
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, behind, embed, of_vectors, shown, word_key

WORD = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters=","), min_size=1).map(str.strip).filter(bool)
WORD = WORD.filter(lambda word: not word.lower().endswith((".txt", ".json", STORED)))


class Encoder:
    """Knows phrases of letters a to z; a phrase becomes a unit vector by its length."""

    identity = EncoderIdentity(name="letters", sha256="1" * 64)
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
    assert Vocabulary(path).labels == Vocabulary(f" {path} ").labels == expected
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
    assert embedded.phrases == (("car",), ("automobile",), ("dog",))
    assert embedded.identity == Encoder.identity
    assert not embedded.one_to_one
    assert embed(Vocabulary("car, pet"), Encoder()).one_to_one
    assert Vocabulary(embedded) == Vocabulary({"car": ["car", "automobile"], "pet": ["dog"]})
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


@pytest.mark.parametrize("make", [lambda word: [word], lambda word: word, lambda word: {"a": [word]}], ids=["list", "text", "mapping"])
def test_ten_thousand_characters_are_a_word_and_more_are_none(make):
    assert Vocabulary(make("x" * LONGEST)).phrases[0] == ("x" * LONGEST,)
    with pytest.raises(VocabularyError, match="a word of 10,001 characters") as caught:
        Vocabulary(make("x" * (LONGEST + 1)))
    assert len(str(caught.value)) < 200


def test_half_a_character_is_no_text():
    with pytest.raises(VocabularyError, match="half a character"):
        Vocabulary(["caf\udce9"])


def test_the_mean_is_one_unit_vector_a_label():
    words = {"car": ["car", "auto"], "pet": ["dog"], "猫": ["猫", "ネコ"], "mixed": ["ab", "собака"]}
    vocabulary = Vocabulary(words, merge="mean")
    embedded = embed(vocabulary, Encoder())
    expected = np.eye(4, dtype=np.float32)[[3, 3, 1, 2]]
    expected[0] = [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]  # "car" and "auto", three and four letters
    np.testing.assert_allclose(embedded.vectors, expected, atol=1e-6)
    assert embedded.known.tolist() == [True, True, False, True]
    assert embedded.one_to_one
    assert embedded.merge == "mean"
    assert Vocabulary(embedded) == vocabulary == Vocabulary(vocabulary) != Vocabulary(words)
    assert eval(repr(vocabulary), {"Vocabulary": Vocabulary}) == vocabulary
    assert Vocabulary(vocabulary, merge="max") == Vocabulary(words)


class Opposed(Encoder):
    """Two phrases whose vectors cancel out."""

    def encode(self, phrases):
        return np.array([[1, 0, 0, 0], [-1, 0, 0, 0]], np.float32)[: len(phrases)]


def test_where_phrases_cancel_out_the_first_stands_for_the_label():
    embedded = embed(Vocabulary({"a": ["b", "c"]}, merge="mean"), Opposed())
    assert embedded.vectors.tolist() == [[1, 0, 0, 0]]
    assert embedded.known.tolist() == [True]


@pytest.mark.parametrize("merge", ["median", "", 1])
def test_another_way_to_merge_is_refused(merge):
    with pytest.raises(VocabularyError, match="expected 'max' or 'mean'"):
        Vocabulary("car", merge=merge)


def test_the_background_stands_behind_all_words_and_has_no_label():
    embedded = embed(Vocabulary({"car": ["car", "automobile"], "pet": "dog"}), Encoder(), " ")
    assert embedded.owners.tolist() == [0, 0, 1, -1]
    assert embedded.background == " "
    assert embedded.vectors[-1].argmax() == 1
    assert Vocabulary(embedded).labels == ("car", "pet")
    plain = embedded.without_background()
    assert (plain.background, plain.owners.tolist()) == (None, [0, 0, 1])
    for name in ("vectors", "known", "owners"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(embedded, name)[:3])
    assert embed(Vocabulary({"car": ["car", "auto"]}, merge="mean"), Encoder(), " ").owners.tolist() == [0, -1]


class Mute(Encoder):
    """Has no vector of the blank word."""

    identity = EncoderIdentity(name="mute")

    def encode(self, phrases):
        if " " in phrases:
            raise VocabularyError("no vector for ' '")
        return super().encode(phrases)


def test_where_there_is_no_vector_for_the_background_it_is_left_out_and_said_once(said):
    for _ in range(2):
        assert embed(Vocabulary("car"), Mute(), " ").background is None
    assert said().count("wants the background word ' '") == 1
    assert "mute" in said()


def test_a_vocabulary_keeps_the_background_that_it_brings():
    embedded = embed(Vocabulary("car"), Encoder(), " ")
    assert behind(embedded, " ", Mute()) is embedded
    assert behind(embedded, None, Mute()).background is None
    assert behind(embedded.without_background(), " ", Encoder()).owners.tolist() == [0, -1]
    assert behind(embedded, "sky", Encoder()).phrases == (("car",), ("sky",))


class Listening(Encoder):
    """Remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def encode(self, phrases):
        self.asked += phrases
        return super().encode(phrases)


def test_a_prompt_is_what_the_encoder_sees_and_no_part_of_the_label():
    encoder = Listening()
    embedded = embed(Vocabulary("car, red bus"), encoder, " ", prompt="a {}")
    assert encoder.asked == ["a car", "a red bus", " "]
    assert embedded.labels == ("car", "red bus")
    assert embedded.phrases == (("car",), ("red bus",), (" ",))
    assert embedded.prompt == "a {}"
    with pytest.raises(VocabularyError, match=r"expected \{\} in it"):
        embed(Vocabulary("car"), encoder, prompt="a photo")


def test_vectors_that_somebody_gives_stay_as_they_are():
    identity = EncoderIdentity(name="somebody")
    given_ = np.array([[3, 4], [0.5, 0]], np.float32)
    made = of_vectors(["car", " bus "], given_, identity, prompt="a {}", licence="CC0")
    np.testing.assert_array_equal(made.vectors, given_)
    assert (made.labels, made.phrases, made.identity, made.licence) == (("car", "bus"), (("car",), ("bus",)), identity, "CC0")
    assert isinstance(made, EmbeddedVocabulary)
    assert made.one_to_one
    twice = of_vectors(["Bow", "bow "], given_, identity)
    assert (twice.labels, twice.vectors.tolist()) == (("Bow",), [[3, 4]])
    for names, vectors, fault in [
        (["car"], given_, "1 names"),
        ([], given_[:0], "0 names"),
        (["car", ""], given_, "empty word"),
        (["car", "bus"], np.full((2, 2), np.nan, np.float32), "finite"),
        (["car", "bus"], given_[0], "a vector"),
    ]:
        with pytest.raises(VocabularyError, match=fault):
            of_vectors(names, vectors, identity)


def test_what_is_shown_of_many_or_long_words_is_short(said):
    assert shown(["a", "b"]) == "'a', 'b'"
    assert shown(["a"] * 12).endswith("'a' and 2 more")
    embed(Vocabulary(["猫" * 5000, "ok"]), Encoder())
    assert len(said()) < 200


def test_the_lists_of_the_data_sets_are_read(shared):
    for name, labels, names in [("coco", 80, 80), ("lvis_v1", 1198, 1979), ("obj365v1", 364, 379)]:
        vocabulary = Vocabulary(shared / "data" / "texts" / f"{name}_class_texts.json")
        assert (len(vocabulary), sum(map(len, vocabulary.phrases))) == (labels, pytest.approx(names, abs=6))


@pytest.mark.parametrize("words", ["things.vocab.safetensors", " Things.Vocab.Safetensors ", Path("a") / "things.vocab.safetensors"])
def test_words_with_vectors_are_no_plain_words(words):
    with pytest.raises(VocabularyError, match="give its path to a detector"):
        Vocabulary(words)


@pytest.mark.parametrize("words", [["cup", "things.txt"], "cup, things.vocab.safetensors", ("Things.JSON",)])
def test_a_file_among_words_is_no_word(words):
    with pytest.raises(VocabularyError, match=r"^found the file '[Tt]hings\..*' among the words, expected a word; give one file alone"):
        Vocabulary(words)


def test_words_with_vectors_are_one_short_line():
    many = embed(Vocabulary({f"label {i}": [f"label {i}", "x" * 5000] for i in range(1203)}), Encoder())
    assert repr(many) == "EmbeddedVocabulary(1,203 words, 2,406 vectors of letters: 'label 0', 'label 1', 'label 2' and 1200 more)"
    one = embed(Vocabulary(["猫" * 5000]), Encoder())
    assert repr(one).startswith("EmbeddedVocabulary(1 word, 1 vector of letters: '猫")
    assert len(repr(one)) < 150
    with pytest.raises(VocabularyError, match=r"found EmbeddedVocabulary\(1 word.* of type EmbeddedVocabulary among the words") as caught:
        Vocabulary([one, "person"])
    assert len(str(caught.value)) < 250
