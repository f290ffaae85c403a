"""The word table: every word and word piece through the sentence encoder once, narrowed, as int8."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from minilm import MiniLM
from numpy.typing import NDArray

from wordbox.vocabulary.table import Reading, TableEncoder, split_words

PROMPT = "a photo of a {} ."
WIDTH = 255
"""Coordinates kept of 384; the 256th is the constant."""

STOP_WORDS = "a an the some any this that these those my your his her its our their s is are and or".split()
PREPOSITIONS = "of with without in on at by near under over behind beside from for to inside wearing holding carrying riding".split()
QUANTITIES = "pair group bunch slice piece couple herd flock stack pile crowd set row lot".split()


def word_table(encoder: MiniLM, words: Iterable[str], synonyms: Mapping[str, list[str]]) -> TableEncoder:
    """A table of the encoder's own tokens and of `words` that it would cut into pieces.

    Tokens in letters that are not Latin are left out: the encoder was trained on English, and what it knows nothing of is better named.
    """
    listed = {word for phrase in [*synonyms, *(s for group in synonyms.values() for s in group), *words] for word in split_words(phrase)}
    own = {token: row for row, token in enumerate(encoder.tokens)}
    whole = sorted(listed - own.keys())
    tokens = [token for token in own if is_kept(token)]
    rows = [[own[token]] for token in tokens] + [pieces(word, own) for word in whole]
    full = encode(encoder, rows, own)
    basis = principal_axes(full[[i for i, token in enumerate([*tokens, *whole]) if token in listed]])
    narrow = full @ basis
    narrow /= np.linalg.norm(narrow, axis=1, keepdims=True)
    scales = (np.abs(narrow).max(1) / 127).astype(np.float16).astype(np.float32)
    reading = Reading(
        stop_words=tuple(STOP_WORDS),
        prepositions=tuple(PREPOSITIONS),
        quantities=tuple(QUANTITIES),
        synonyms={word: name for name, group in synonyms.items() for word in [*group, name]},
    )
    vectors = np.clip(np.rint(narrow / scales[:, None]), -127, 127).astype(np.int8)
    return TableEncoder((*tokens, *whole), vectors, scales, reading)


def encode(encoder: MiniLM, rows: list[list[int]], own: Mapping[str, int]) -> NDArray[np.float32]:
    """Each row of token ids inside the prompt, through the encoder; (rows, 384)."""
    before, after = (text.split() for text in PROMPT.split("{}"))
    found = np.zeros((len(rows), 384), np.float32)
    for length in sorted({len(row) for row in rows}):
        chosen = [i for i, row in enumerate(rows) if len(row) == length]
        ids = [[own["[CLS]"], *(own[w] for w in before), *rows[i], *(own[w] for w in after), own["[SEP]"]] for i in chosen]
        found[chosen] = encoder.encode(np.array(ids, np.int64))
    return found


def principal_axes(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(384, WIDTH): the directions, not centred, that keep most of `vectors`, each with its largest entry positive."""
    wide = vectors.astype(np.float64)
    _, axes = np.linalg.eigh(wide.T @ wide)
    axes = axes[:, ::-1][:, :WIDTH]
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    return np.asarray(axes * signs, np.float32)


def is_kept(token: str) -> bool:
    """Whether a token is made of Latin letters and digits."""
    letters = token.removeprefix("##")
    return bool(split_words(letters)) and split_words(letters) == [letters] and all(c < "\u0250" for c in letters)


def pieces(word: str, own: Mapping[str, int]) -> list[int]:
    """The encoder's own tokens for a word: the longest first, from the left."""
    found: list[int] = []
    start = 0
    while start < len(word):
        end = next(end for end in range(len(word), start, -1) if ("##" if start else "") + word[start:end] in own)
        found.append(own[("##" if start else "") + word[start:end]])
        start = end
    return found


def read_words(path: Path) -> list[str]:
    """The words of a file, one a line."""
    return path.read_text(encoding="utf-8").split()
