"""Encoders that have some vectors at hand: nothing dear is opened for little, and vectors keep what is known of them."""

import logging

import numpy as np

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import LEARNED, Brought, EncoderIdentity, SparingEncoder
from wordbox.vocabulary.known import KnownWords
from wordbox.vocabulary.words import Vocabulary, behind, embed, of_vectors


class Sparing:
    """Has "car" at hand, in another prompt, and opens something for the rest."""

    identity = EncoderIdentity(name="sparing")
    vocabulary = of_vectors(["car"], np.eye(1, 4, dtype=np.float32), identity, prompt="a {}", licence="CC0-1.0", origin="somebody")
    width = 4
    stands_in = True

    def __init__(self):
        self.asked = []

    def encode(self, phrases, progress=None):
        self.asked += phrases
        return np.eye(4, dtype=np.float32)[[len(phrase) % 4 for phrase in phrases]]

    def unknown(self, phrases):
        return []

    def at_hand(self, phrases):
        raise VocabularyError("nothing is at hand")

    def brought_by(self, phrases):
        return [Brought(self.vocabulary, self.stands_in) if phrase == "car" else None for phrase in phrases]


def test_nothing_is_opened_for_the_background_alone(caplog):
    caplog.set_level(logging.WARNING, logger="wordbox")
    encoder = Sparing()
    own = embed(Vocabulary("car"), encoder, " ")
    assert (encoder.asked, own.background) == (["car"], None)
    assert behind(own, " ", encoder).background is None
    assert encoder.asked == ["car"]
    assert caplog.text.count("no vector of sparing is at hand") == 1
    assert embed(Vocabulary("car, bus"), encoder, " ").background == " "  # "bus" opened it


def test_vectors_keep_their_prompt_licence_and_origin():
    encoder = Sparing()
    found = embed(Vocabulary("car"), encoder)
    assert (found.prompt, found.licence, found.origin) == ("a {}", "CC0-1.0", "somebody")
    assert embed(Vocabulary("bus"), encoder).prompt == "{}"
    mixed = embed(Vocabulary("bus, car"), encoder)
    assert (mixed.prompt, mixed.licence) == ("", "CC0-1.0")
    encoder.stands_in = False
    assert embed(Vocabulary("bus, car"), encoder).prompt == "{}"


def test_known_words_are_sparing_and_learned_prompts_say_so():
    assert isinstance(KnownWords(EncoderIdentity(name="clip"), 4), SparingEncoder)
    assert [EncoderIdentity(name=name).learned for name in (f"{LEARNED}mine", "clip")] == [True, False]
