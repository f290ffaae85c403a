"""Known words: the tower is asked for nothing that is known, and what cannot be had is said with the way to get it."""

import logging
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wordbox.errors import VocabularyError, WeightsError
from wordbox.vocabulary.cache import VectorCache
from wordbox.vocabulary.encoders import LEARNED, EncoderIdentity
from wordbox.vocabulary.known import MOST, KnownWords, check_fits, phrase_key
from wordbox.vocabulary.words import Vocabulary, embed, of_vectors

CLIP = EncoderIdentity(name="clip", sha256="c" * 64)
NAME_ONLY = EncoderIdentity(name="clip")
WIDTH = 16


def vector_of(text, seed=0):
    """A unit vector that belongs to the text."""
    found = np.random.default_rng([seed, *text.encode()]).normal(size=WIDTH).astype(np.float32)
    return found / np.linalg.norm(found)


class Tower:
    """Gives every text its vector, and remembers what it was asked."""

    def __init__(self, identity=CLIP, width=WIDTH, seed=0, precision="float32"):
        self.identity, self.width, self.seed, self.precision, self.asked, self.opened = identity, width, seed, precision, [], 0

    def __call__(self):
        self.opened += 1
        return self.encoder()

    def encoder(self):
        outer = self

        class Encoder:
            identity, width, precision = outer.identity, outer.width, outer.precision

            def encode(self, phrases):
                outer.asked += phrases
                return np.stack([vector_of(phrase, outer.seed) for phrase in phrases])

            def unknown(self, phrases):
                return []

        return Encoder()


def known(*names, identity=CLIP, prompt="{}", seed=0):
    vectors = np.stack([vector_of(prompt.replace("{}", name), seed) for name in names])
    return of_vectors(names, vectors, identity, prompt=prompt)


def test_known_words_need_no_tower():
    words = KnownWords(CLIP, WIDTH, [known("cat", "red bus"), known("dog")])
    np.testing.assert_array_equal(words.encode(["dog", "cat", "dog"]), [vector_of("dog"), vector_of("cat"), vector_of("dog")])
    assert words.encode([]).shape == (0, WIDTH)
    assert words.unknown(["unicorn"]) == []
    assert (words.identity, words.width) == (CLIP, WIDTH)


@pytest.mark.parametrize("spelling", ["Red Bus", " red   bus ", "RED\tBUS", "red bus"])
def test_case_and_spaces_do_not_count(spelling):
    np.testing.assert_array_equal(KnownWords(CLIP, WIDTH, [known("red bus")]).encode([spelling]), [vector_of("red bus")])


def test_two_ways_to_write_a_letter_are_one_phrase():
    assert phrase_key("Cafe\u0301") == phrase_key("CAF\u00c9") == "caf\u00e9"
    assert phrase_key(" ") == phrase_key("") == ""


def test_the_tower_is_opened_when_it_is_needed_and_asked_once_a_phrase():
    tower = Tower()
    words = KnownWords(CLIP, WIDTH, [known("cat")], tower)
    words.encode(["cat", "Cat"])
    assert tower.opened == 0
    for _ in range(2):
        found = words.encode(["Unicorn", "cat", " unicorn", "yeti"])
        np.testing.assert_array_equal(found, [vector_of(text) for text in ("Unicorn", "cat", "Unicorn", "yeti")])
    assert (tower.opened, tower.asked) == (1, ["cat", "Unicorn", "yeti"])  # "cat" is the trial of the tower


def test_a_tower_that_is_there_is_used_too():
    assert KnownWords(CLIP, WIDTH, (), Tower().encoder()).encode(["yeti"])[0].tolist() == vector_of("yeti").tolist()


def test_a_word_without_a_vector_is_named_with_the_ways_to_get_one():
    words = KnownWords(CLIP, WIDTH, [known("cat")])
    with pytest.raises(VocabularyError) as caught:
        words.encode(["cat", "Unicorn", "red bus"])
    said = str(caught.value)
    assert "no vectors for 'Unicorn', 'red bus':" in said
    for way in ("--text-encoder", "text_encoder=", "Hugging Face", ".pth", ".vocab.safetensors", "clip"):
        assert way in said
    with pytest.raises(VocabularyError, match="and 190 more"):
        words.encode([f"word {i}" for i in range(200)])
    with pytest.raises(VocabularyError) as caught:
        words.encode(["x" * 10_000])
    assert len(str(caught.value)) < 500


def test_another_tower_is_refused_with_both_names():
    for tower, named in [(Tower(EncoderIdentity(name="clip-large", sha256="d" * 64)), "clip-large"), (Tower(width=24), "24 numbers")]:
        words = KnownWords(CLIP, WIDTH, (), tower)
        for _ in range(2):
            with pytest.raises(WeightsError, match=named) as caught:
                words.encode(["yeti"])
            assert str(CLIP) in str(caught.value)
        assert tower.asked == []


def test_a_known_vocabulary_of_another_encoder_or_width_is_refused_with_both_names():
    with pytest.raises(VocabularyError, match=r"of the text encoder table, expected 16 of clip"):
        KnownWords(CLIP, WIDTH, [known("cat", identity=EncoderIdentity(name="table"))])
    with pytest.raises(VocabularyError, match=r"vectors of 16 numbers .* expected 32"):
        check_fits(known("cat"), CLIP, 32)
    check_fits(known("cat", identity=NAME_ONLY), CLIP, WIDTH)


def test_a_tower_that_gives_other_vectors_of_the_models_own_names_is_refused_with_the_figure():
    names = [f"name {i}" for i in range(40)]
    tower = Tower(seed=1)
    words = KnownWords(NAME_ONLY, WIDTH, [known(*names, identity=NAME_ONLY)], tower)
    with pytest.raises(WeightsError, match=r"clip \(sha256 cccccccccccc\.\.\.\).*cosine of -?0\.\d\d.*clip.*another tower"):
        words.encode(["yeti"])
    assert len(tower.asked) == 16


def test_the_tower_sees_a_phrase_as_it_was_written():
    tower = Tower()
    KnownWords(CLIP, WIDTH, (), tower).encode(["Caf\u00c3\u00a9 Table", "5&Prime;", "caf\u00c3\u00a9 table"])
    assert tower.asked == ["Caf\u00c3\u00a9 Table", "5&Prime;"]


def test_vectors_of_other_precision_are_kept_apart(tmp_path):
    cache = VectorCache(tmp_path)
    whole, small = Tower(), Tower(seed=1, precision="int8")
    KnownWords(CLIP, WIDTH, (), whole, cache).encode(["yeti"])
    for precision in (None, "int8"):  # told by opening it, and known
        words = KnownWords(CLIP, WIDTH, (), small, cache, precision=precision)
        np.testing.assert_array_equal(words.encode(["yeti"]), [vector_of("yeti", 1)])
        assert (small.opened, small.asked) == (1, ["yeti"])
    np.testing.assert_array_equal(KnownWords(CLIP, WIDTH, (), None, cache).encode(["yeti"]), [vector_of("yeti")])


def test_what_is_at_hand_opens_nothing(tmp_path):
    tower, cache = Tower(), VectorCache(tmp_path)
    words = KnownWords(CLIP, WIDTH, [known("cat")], tower, cache)
    np.testing.assert_array_equal(words.at_hand(["cat"]), [vector_of("cat")])
    with pytest.raises(VocabularyError, match="at hand for 'yeti'"):
        words.at_hand(["yeti"])
    assert tower.opened == 0
    words.encode(["yeti"])
    assert len(words.at_hand(["unicorn"])) == 1
    assert len(KnownWords(CLIP, WIDTH, (), Tower(), cache).at_hand(["yeti", "unicorn"])) == 2
    assert words.brought_by(["yeti", "cat"])[0] is None
    assert words.brought_by(["Cat"])[0].vocabulary.labels == ("cat",)


def test_learned_prompts_take_their_own_labels_only():
    learned = EncoderIdentity(name=f"{LEARNED}tuned")
    words = KnownWords(learned, WIDTH, [known("cat", "dog", identity=learned)])
    with pytest.raises(VocabularyError, match=r"'yeti'.*learned prompts of tuned.*own labels only \('cat', 'dog'\); choose among them"):
        words.encode(["yeti"])
    with pytest.raises(VocabularyError, match="such a model takes its own labels only"):
        check_fits(known("cat"), learned, WIDTH)
    with pytest.raises(VocabularyError, match="no other model takes those"):
        check_fits(known("cat", identity=learned), CLIP, WIDTH)
    assert (learned.learned, CLIP.learned) == (True, False)


def test_a_known_vocabulary_of_another_checksum_is_refused_when_the_towers_is_known():
    other = known("cat", identity=EncoderIdentity(name="clip", sha256="d" * 64))
    words = KnownWords(NAME_ONLY, WIDTH, [other], Tower())
    assert len(words.encode(["cat"])) == 1
    with pytest.raises(VocabularyError, match=r"dddd.*expected 16 of clip .*cccc"):
        words.encode(["yeti"])


def test_a_tower_that_is_nearly_the_same_is_warned_of(caplog):
    own = known("cat", "dog", identity=NAME_ONLY)
    near = of_vectors(own.labels, 2 * own.vectors + 3 * own.vectors[::-1], NAME_ONLY)  # their length does not count
    cosine = KnownWords(NAME_ONLY, WIDTH, [near]).agrees(Tower().encoder())
    assert 0.3 < cosine < 0.98
    assert f"cosine of {cosine:.2f}" in caplog.text
    caplog.clear()
    assert KnownWords(NAME_ONLY, WIDTH, [own]).agrees(Tower().encoder()) == pytest.approx(1)
    assert KnownWords(NAME_ONLY, WIDTH, [known("cat", prompt="a {}")]).agrees(Tower(seed=1).encoder()) == 1
    assert caplog.text == ""


def test_vectors_of_another_prompt_stand_in_where_there_is_no_tower(caplog):
    prompted = known("cat", prompt="a {}")
    alone = KnownWords(EncoderIdentity(name="clip"), WIDTH, [prompted])
    assert [one.stands_in for one in alone.brought_by(["cat", "a cat"])] == [True, False]
    for _ in range(2):
        alone.encode(["a cat", "cat"])
    assert caplog.text.count("vectors of the prompt 'a {}' stand in") == 1
    np.testing.assert_array_equal(KnownWords(CLIP, WIDTH, [prompted]).encode(["cat", "a cat"]), [vector_of("a cat")] * 2)
    tower = Tower()
    found = KnownWords(CLIP, WIDTH, [prompted], tower).encode(["cat", "a cat"])
    np.testing.assert_array_equal(found, [vector_of("cat"), vector_of("a cat")])
    assert tower.asked == ["cat"]


def test_means_and_unknown_phrases_are_no_vectors_of_a_phrase():
    mean = embed(Vocabulary({"pet": ["cat", "dog"], "bird": "bird"}, merge="mean"), Tower().encoder())
    words = KnownWords(CLIP, WIDTH, [mean])
    assert words.encode(["bird"]).shape == (1, WIDTH)
    for phrase in ("pet", "cat", "dog"):
        with pytest.raises(VocabularyError):
            words.encode([phrase])


def test_the_background_of_a_known_vocabulary_is_known():
    made = embed(Vocabulary("cat"), Tower().encoder(), " ")
    np.testing.assert_array_equal(KnownWords(CLIP, WIDTH, [made]).encode([" ", ""]), [vector_of(" ")] * 2)
    prompted = KnownWords(CLIP, WIDTH, [embed(Vocabulary("cat"), Tower().encoder(), " ", prompt="a {}")], Tower())
    np.testing.assert_array_equal(prompted.at_hand([" "]), [vector_of(" ")])  # it stands bare, whatever the prompt
    np.testing.assert_array_equal(prompted.encode(["a"]), [vector_of("a")])


def test_the_disk_is_asked_before_the_tower_and_told_afterwards(tmp_path):
    first, second = Tower(), Tower()
    expected = KnownWords(CLIP, WIDTH, (), first, VectorCache(tmp_path)).encode(["yeti", "unicorn"])
    np.testing.assert_array_equal(KnownWords(CLIP, WIDTH, (), second, VectorCache(tmp_path)).encode(["Unicorn", "yeti"]), expected[::-1])
    assert (first.opened, second.opened) == (1, 0)
    np.testing.assert_array_equal(KnownWords(CLIP, WIDTH, (), None, VectorCache(tmp_path)).encode(["yeti"]), expected[:1])


def test_without_a_checksum_the_disk_is_not_used(tmp_path):
    cache = VectorCache(tmp_path)
    tower = Tower(NAME_ONLY)
    KnownWords(NAME_ONLY, WIDTH, (), tower, cache).encode(["yeti"])
    assert not cache.path.exists()
    words = KnownWords(NAME_ONLY, WIDTH, (), Tower(), cache)  # the tower itself has one
    words.encode(["yeti"])
    assert words.identity == CLIP
    assert list(cache.get(CLIP.sha256, ["yeti"], WIDTH)) == ["yeti"]


class Odd:
    """A tower that gives what is no vector."""

    identity, width = CLIP, WIDTH

    def __init__(self, vectors):
        self.vectors = vectors

    def encode(self, phrases):
        return self.vectors

    def unknown(self, phrases):
        return []


@pytest.mark.parametrize("vectors", [np.zeros((1, WIDTH + 1), np.float32), np.full((1, WIDTH), np.nan, np.float32)], ids=["wide", "nan"])
def test_what_is_no_vector_is_neither_used_nor_kept(tmp_path, vectors):
    cache = VectorCache(tmp_path)
    with pytest.raises(WeightsError, match="gives vectors"):
        KnownWords(CLIP, WIDTH, (), Odd(vectors), cache).encode(["yeti"])
    assert not cache.path.exists()


def test_many_threads_open_one_tower(caplog):
    caplog.set_level(logging.WARNING)
    tower = Tower()
    words = KnownWords(CLIP, WIDTH, [known("cat")], tower)
    phrases = [[f"thing {i % 7}", "cat", f"thing {i}"] for i in range(64)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(words.encode, phrases))
    for asked, vectors in zip(phrases, found, strict=True):
        np.testing.assert_array_equal(vectors, [vector_of(phrase) for phrase in asked])
    assert tower.opened == 1


def test_ten_thousand_words_and_memory_that_does_not_grow_without_end():
    tower = Tower()
    words = KnownWords(CLIP, WIDTH, (), tower)
    for start in range(0, MOST + 10_000, 10_000):
        assert words.encode([f"thing {i}" for i in range(start, start + 10_000)]).shape == (10_000, WIDTH)
    assert len(words._memory) == MOST
    words.encode(["thing 0"])
    assert tower.asked.count("thing 0") == 2


def test_progress_is_told_how_many_words_are_left():
    left, tower = [], Tower()
    words = KnownWords(CLIP, WIDTH, [known("cat")], tower)
    asked = ["cat", *(f"word {i}" for i in range(300))]
    np.testing.assert_array_equal(words.encode(asked, left.append), [vector_of(word) for word in asked])
    assert left == [172, 44, 0]
    assert tower.asked == asked  # the first, which is known, was to try it with


@pytest.mark.parametrize(("name", "address"), [("clip-vit-base-patch32", True), ("clip-text-40", False)])
@pytest.mark.parametrize("installed", [True, False])
def test_the_way_to_a_text_encoder_has_an_address_a_place_and_what_to_install(tmp_path, monkeypatch, name, address, installed):
    monkeypatch.setattr("wordbox.vocabulary.known.find_spec", lambda package: installed or None)
    with pytest.raises(VocabularyError) as caught:
        KnownWords(EncoderIdentity(name=name), WIDTH, (), None, VectorCache(tmp_path)).encode(["yeti"])
    said = str(caught.value)
    assert ("(https://huggingface.co/openai/clip-vit-base-patch32)" in said) == address
    assert ("pip install 'wordbox[clip]'" in said) != installed
    assert f"put that folder, by this name, beside the model or in {tmp_path}" in said
    assert len(said) < 700
