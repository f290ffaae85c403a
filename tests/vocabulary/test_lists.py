"""Files of words: class texts and the other forms of JSON give labels with their synonyms, and faults are named."""

import pytest

from wordbox.errors import VocabularyError
from wordbox.vocabulary.lists import looks_like_file
from wordbox.vocabulary.words import Vocabulary


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def test_class_texts_give_labels_and_synonyms_in_order(tmp_path, caplog):
    path = write(tmp_path / "texts.json", '[["person"], ["aerosol can", "spray can", "Spray  can"], [" \u732b "]]')
    vocabulary = Vocabulary(path)
    assert (
        vocabulary == Vocabulary(f" {path} ") == Vocabulary({"person": "person", "aerosol can": ["aerosol can", "spray can"], "猫": "猫"})
    )
    assert caplog.text == ""


def test_labels_that_stand_twice_in_class_texts_become_one(tmp_path, caplog):
    vocabulary = Vocabulary(write(tmp_path / "texts.json", '[["bow", "bow tie"], ["fish"], ["bow", "weapon"]]'))
    assert vocabulary.labels == ("bow", "fish")
    assert vocabulary.phrases[0] == ("bow", "bow tie", "weapon")
    assert "'bow' stands twice" in caplog.text


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("9" * 10_000, "is no JSON|found a int"),
        ('{"person": []}', r"found \[\] at position 0"),
        ('{"person": 3}', "found 3 at position 0"),
        ('{"": ["man"]}', "empty word"),
        ('"person"', "found a str, expected a list of words"),
        ("{}", "found no words"),
        ("[]", "found no words"),
        ('["person", 7]', "found 7 at position 1"),
        ('[["person"], []]', r"found \[\] at position 1"),
        ('[["person", 7]]', "found 7 of type int"),
        ('[["person", null]]', "type NoneType"),
        ('[["person", [1]]]', "type list"),
        ('[["person", " "]]', "empty word"),
        (r'[["\ud800"]]', "half a character"),
    ],
)
def test_a_faulty_file_of_class_texts_is_named_with_its_fault(tmp_path, content, fault):
    path = write(tmp_path / "texts.json", content)
    with pytest.raises(VocabularyError, match=rf"texts\.json: .*({fault})") as caught:
        Vocabulary(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_a_flat_list_and_a_mapping_are_words_too(tmp_path):
    assert Vocabulary(write(tmp_path / "flat.json", '["cup", " red bus "]')) == Vocabulary(["cup", "red bus"])
    assert Vocabulary(write(tmp_path / "mixed.json", '["cup", ["car", "auto"]]')) == Vocabulary({"cup": "cup", "car": ["car", "auto"]})
    mapping = {"tableware": ["cup", "spoon"], "bus": "red bus"}
    assert Vocabulary(write(tmp_path / "map.json", '{"tableware": ["cup", "spoon"], "bus": "red bus"}')) == Vocabulary(mapping)


@pytest.mark.parametrize("words", [["cup", "things.csv"], "cup, yolov8s-worldv2.PT", "clip.safetensors", ("photo.jpg",)])
def test_what_looks_like_a_file_is_said_and_stays_a_word(words, caplog):
    assert Vocabulary(words).labels[-1] in caplog.text
    assert "looks like a file" in caplog.text
    assert caplog.text.count("cup") == 0


def test_the_path_of_a_file_looks_like_one_and_words_do_not(tmp_path):
    assert looks_like_file(str(write(tmp_path / "words", "cup")))
    for word in ("cup", "node.js", "a.b", str(tmp_path), "x" * 10_000, "a\0b"):
        assert not looks_like_file(word)
