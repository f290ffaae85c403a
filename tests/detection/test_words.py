"""Words as people type them find the same things, in whatever company; labels come back letter by letter."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wordbox.detection.detector import Detector
from wordbox.detection.words import MOST_PAIRS, is_one_each, padded, runs
from wordbox.errors import VocabularyError
from wordbox.vocabulary import files
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, of_vectors

CONF = 0.05
GREY = np.full((512, 512, 3), 90, np.uint8)
IDENTITY = EncoderIdentity(name="letters")


def vectors(count: int) -> EmbeddedVocabulary:
    """A vocabulary of that many words."""
    return of_vectors([f"word {i}" for i in range(count)], np.ones((count, 4), np.float32), IDENTITY)


def finds(detector, photo, words, rename=None):
    """(label, score, box) of everything found, in an order of its own."""
    found = detector.detect(photo, words=words, conf=CONF)
    return sorted(((rename or {}).get(d.label, d.label), round(d.score, 3), tuple(round(side) for side in d.box)) for d in found)


@pytest.mark.parametrize(
    ("typed", "plain", "rename"),
    [
        (" Cup ,TABLE ", "cup,table", {"Cup": "cup", "TABLE": "table"}),
        ("table, cup", "cup, table", None),
        ("cup,,table, ", "cup, table", None),
        ("cup\ntable", "cup, table", None),
        (["cup", "table"], "cup, table", None),
        ({"cup": "cup", "table": ["table"]}, "cup, table", None),
        ("the cup, a table", "cup, table", {"the cup": "cup", "a table": "table"}),
        ("cups", "cup", {"cups": "cup"}),
    ],
)
def test_the_same_words_written_otherwise_find_the_same(detector, photo, typed, plain, rename):
    expected = finds(detector, photo, plain)
    assert expected
    assert finds(detector, photo, typed, rename) == expected


def test_labels_are_letter_by_letter_what_was_typed(detector, photo):
    words = ["cup", "traffic-light/stop sign.", "Tisch 🍽", "자동차", "  spaced   out "]
    found = detector.detect(photo, words=words, conf=0.01)
    assert found.words == ("cup", "traffic-light/stop sign.", "Tisch 🍽", "자동차", "spaced   out")
    assert {d.label for d in found} <= set(found.words)


def test_one_word_finds_nothing_else(detector, photo):
    assert {d.label for d in detector.detect(photo, words="cup", conf=CONF)} == {"cup"}


def test_a_word_that_nobody_knows_is_named_and_finds_nothing_even_at_zero(detector, photo, caplog):
    found = detector.detect(photo, words=["cup", "자동차"], conf=0.0)
    assert "자동차" in caplog.text
    assert {d.label for d in found} == {"cup"}


def test_many_words_at_once(detector, photo):
    words = [f"thing number {i}" for i in range(1999)] + ["cup"]
    found = detector.detect(photo, words=words)
    assert found.words[-1] == "cup"
    assert detector.detect(photo, words="cup")[0].boxes == pytest.approx(found[found.labels == 1999][0].boxes, abs=1e-3)


def test_one_vocabulary_is_one_row_and_different_ones_are_padded_and_masked():
    one, other = vectors(3), vectors(1)
    shared = padded([one, one])
    assert (shared["words"].shape, shared["words_mask"].shape) == ((1, 3, 4), (1, 3))
    feeds = padded([one, other])
    assert feeds["words"].shape == (2, 3, 4)
    assert feeds["words"].dtype == np.float32
    assert feeds["words_mask"].tolist() == [[True] * 3, [True, False, False]]
    assert not feeds["words"][1, 1:].any()


def test_as_many_pictures_run_together_as_memory_bears():
    cells = 64 * 64 + 32 * 32 + 16 * 16
    few, many, huge = vectors(80), vectors(1203), vectors(10_000)
    assert list(runs([few] * 8, (512, 512), 8)) == [slice(0, 8)]
    assert list(runs([few] * 8, (512, 512), 3)) == [slice(0, 3), slice(3, 6), slice(6, 8)]
    assert list(runs([many] * 7, (512, 512), 8)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(runs([huge] * 2, (512, 512), 8)) == [slice(0, 1), slice(1, 2)]
    assert list(runs([None] * 8, (8192, 8192), 8)) == [slice(0, 8)]
    mixed = [few, few, huge, many, many, few, None, few]
    parts = list(runs(mixed, (512, 512), 8))
    assert [i for part in parts for i in range(8)[part]] == list(range(8))
    for part in parts:
        longest = max(0 if one is None else len(one.vectors) for one in mixed[part])
        assert part.stop - part.start == 1 or (part.stop - part.start) * longest * cells <= MOST_PAIRS


@pytest.mark.parametrize(
    ("words", "each"),
    [
        ([["cup"], None], True),
        ([{"a": "b"}, ("c",)], True),
        ([Path("a.txt"), Vocabulary("a")], True),
        ([vectors(1), vectors(2)], True),
        (["cup"], False),
        ([], False),
        ("cup", False),
        (vectors(1), False),
        (Vocabulary("a"), False),
        ([["cup"], "cup"], True),
        ([vectors(1), "cup"], True),
        (["cup", "a spoon"], False),
        ([["cup"], 7], False),
    ],
)
def test_lists_of_lists_are_told_from_lists(words, each):
    assert is_one_each(words) == each


def test_a_batch_of_many_words_is_split_and_answers_stay_the_same(open_words):
    detector = open_words()
    many = [f"word {i}" for i in range(1203)]
    found = detector.detect([GREY] * 8, words=many, conf=0.0)
    assert [batch for batch, _ in detector.engine.runs] == [3, 3, 2]
    alone = open_words().detect(GREY, words=many, conf=0.0)
    for one in found:
        np.testing.assert_array_equal(one.boxes, alone.boxes)
        np.testing.assert_array_equal(one.labels, alone.labels)
    detector.engine.runs.clear()
    detector.detect([GREY] * 3, words=[f"word {i}" for i in range(10_000)], conf=0.0)
    assert detector.engine.runs == [(1, (1, 10_000, 4))] * 3


def test_a_graph_of_fixed_batch_is_filled_whatever_the_words(open_words):
    detector = open_words(batch=2)
    detector.detect([GREY] * 3, words=[f"word {i}" for i in range(5000)], conf=0.0)
    assert [batch for batch, _ in detector.engine.runs] == [2, 2]


def test_the_background_competes_and_is_never_found(open_words):
    detector = open_words(background="the background")
    found = detector.detect(GREY, words="cup, spoon", conf=0.0)
    assert detector.engine.runs == [(1, (1, 3, 4))]
    assert {d.label for d in found} == {"cup", "spoon"} == set(found.words)
    assert found.dropped.background == 1
    assert open_words().detect(GREY, words="cup, spoon", conf=0.0).dropped.background == 0


def test_every_list_of_a_batch_gets_the_background_before_it_is_padded(open_words):
    detector = open_words(background="the background")
    lists = [["cup"], {"tool": ["spoon", "fork"]}, None]
    found = detector.detect([GREY] * 3, words=lists, conf=0.0)
    assert detector.engine.runs == [(3, (3, 3, 4))]
    for one, words in zip(found, [["cup"], {"tool": ["spoon", "fork"]}, ["a", "bb"]], strict=True):
        alone = open_words(background="the background").detect(GREY, words=words, conf=0.0)
        np.testing.assert_array_equal(one.boxes, alone.boxes)
        np.testing.assert_array_equal(one.scores, alone.scores)
        assert one.words == alone.words
        assert one.dropped == alone.dropped
        assert one.dropped.background == 1


def test_a_vocabulary_is_taken_wherever_words_are(open_words, tmp_path):
    detector = open_words()
    kept = detector.encode({"tool": ["spoon", "fork"], "cup": "cup"})
    kept.save(tmp_path / "kept.vocab.safetensors")
    plain = detector.detect(GREY, words={"tool": ["spoon", "fork"], "cup": "cup"}, conf=0.0)
    detector._encoder.asked.clear()
    path = tmp_path / "kept.vocab.safetensors"
    assert repr(kept) == "EmbeddedVocabulary(2 words, 3 vectors of letters: 'tool', 'cup')"
    for words, among_others in [(kept, kept), (path, path), (f" {path}", f" {path}")]:
        for found in (
            detector.detect(GREY, words=words, conf=0.0),
            detector.with_words(words).detect(GREY, conf=0.0),
            detector.detect([GREY, GREY], words=[among_others, ["x"]], conf=0.0)[0],
        ):
            np.testing.assert_array_equal(found.boxes, plain.boxes)
            assert found.words == ("tool", "cup")
    assert set(detector._encoder.asked) == {"x"}
    assert detector.with_words(kept).vocabulary is kept


def test_words_on_file_are_encoded_anew(open_words, tmp_path):
    detector = open_words()
    kept = detector.encode({"tool": ["spoon", "fork"]})
    kept.save(tmp_path / "kept.vocab.safetensors")
    for path in (tmp_path / "kept.vocab.safetensors", f" {tmp_path / 'kept.vocab.safetensors'}"):
        found = detector.encode(path, prompt="a {}")
        assert (found.labels, found.phrases, found.prompt) == (kept.labels, kept.phrases, "a {}")
        assert detector._encoder.asked[-2:] == ["a spoon", "a fork"]


def test_vectors_of_another_encoder_or_width_are_refused_with_both_names(open_words, tmp_path):
    detector = open_words()
    other = replace(vectors(2), identity=EncoderIdentity(name="clip", sha256="c" * 64))
    other.save(tmp_path / "other.vocab.safetensors")
    wide = of_vectors(["cup"], np.ones((1, 5), np.float32), IDENTITY)
    for words, said in [(other, "the vocabulary"), (tmp_path / "other.vocab.safetensors", "other.vocab.safetensors"), (wide, "5 numbers")]:
        for use in (detector.with_words, lambda words: detector.detect(GREY, words=words)):
            with pytest.raises(VocabularyError, match=said) as caught:
                use(words)
            assert "letters (sha256 aaaaaaaaaaaa...)" in str(caught.value)
    assert detector.engine.runs == []


def test_the_model_decides_on_the_background_of_a_vocabulary(open_words, tmp_path):
    with_it, without = open_words(background="the background"), open_words()
    with_it.encode("cup").save(tmp_path / "with.vocab.safetensors")
    without.encode("cup").save(tmp_path / "without.vocab.safetensors")
    for name in ("with", "without"):
        assert with_it.with_words(tmp_path / f"{name}.vocab.safetensors").vocabulary.background == "the background"
        assert without.with_words(tmp_path / f"{name}.vocab.safetensors").vocabulary.background is None


def test_without_a_vector_the_background_is_left_out_and_said(open_words, caplog):
    detector = open_words(background="unheard of")
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        assert detector.encode("cup").background is None
    assert "wants the background word 'unheard of'" in caplog.text
    assert "--no-background" in caplog.text
    assert "--text-encoder" in caplog.text
    assert len(detector.detect(GREY, words="cup", conf=0.0)) == 1


def test_names_without_vectors_trouble_nobody_who_names_other_words(open_words):
    detector = open_words(names=("unheard of",))
    assert detector.words == ("unheard of",)
    assert len(detector.detect(GREY, words="cup", conf=0.0)) == 1
    assert detector.with_words("cup").words == ("cup",)
    with pytest.raises(VocabularyError, match="unheard of"):
        detector.detect(GREY)


def test_an_open_model_without_an_encoder_says_so(open_words):
    whole = open_words()
    with pytest.raises(VocabularyError, match="given no text encoder"):
        Detector(whole.engine, whole.manifest).detect(GREY)


def test_fixed_classes_have_no_vectors(patches):
    assert patches().vocabulary is None
    for call in (patches().encode, patches().with_words):
        with pytest.raises(VocabularyError, match="fixed classes"):
            call("cup")


def test_means_of_synonyms_cost_a_phrase_each_label(open_words):
    detector = open_words()
    found = detector.detect(GREY, words=Vocabulary({"tool": ["spoon", "fork"], "cup": "cup"}, merge="mean"), conf=0.0)
    assert detector.engine.runs == [(1, (1, 2, 4))]
    assert sorted(d.label for d in found) == ["cup", "tool"]


def test_a_kept_vocabulary_finds_what_its_words_find(detector, photo, tmp_path, assert_same):
    path = tmp_path / "kept.vocab.safetensors"
    words = {"tableware": ["cup", "spoon"], "furniture": ["table", "chair"]}
    detector.encode(words).save(path)
    assert_same(detector.detect(photo, words=path), detector.detect(photo, words=words), pixels=0, score=0)
    detector.encode(words).save(path, half=True)
    assert_same(detector.detect(photo, words=str(path)), detector.detect(photo, words=words), pixels=0, score=0.002)
    assert files.load(path).identity.name == "wordbox-nano.words"


def test_a_word_of_ten_thousand_characters_is_a_word(detector, photo):
    for word in ("x" * 10_000, "-" * 10_000, "é" * 10_000, "cup " * 2_499 + "cups"):
        assert detector.detect(photo, words=[word], size=64).words == (word,)
    with pytest.raises(VocabularyError, match="10,001 characters"):
        detector.detect(photo, words=["x" * 10_001])
