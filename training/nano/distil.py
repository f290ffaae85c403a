"""The word table: every word and word piece through the sentence encoder once, sharpened, narrowed, as int8."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from minilm import MiniLM
from numpy.typing import NDArray

from wordbox.vocabulary.table import Reading, TableEncoder, split_words

PROMPT = "a photo of a {} ."
SHARPNESS = 6.0
"""How much less than its cosine says a far word resembles: exp(SHARPNESS (cosine - 1))."""
WIDTH = 255
"""Coordinates kept; the 256th is the constant."""

STOP_WORDS = ("a", "an", "the", "some", "any", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our", "their",
              "s", "is", "are", "and", "or")  # fmt: skip
PREPOSITIONS = ("of", "with", "without", "in", "on", "at", "by", "near", "under", "over", "behind", "beside", "from", "for", "to",
                "inside", "wearing", "holding", "carrying", "riding")  # fmt: skip
CARRIERS = ("pair", "group", "bunch", "slice", "piece", "couple", "herd", "flock", "stack", "pile", "crowd", "set", "row", "lot", "photo",
            "photograph", "picture", "image", "view")  # fmt: skip


def word_table(encoder: MiniLM, words: Iterable[str], synonyms: Mapping[str, list[str]]) -> TableEncoder:
    """A table of the encoder's own tokens, and of the `words`, names and synonyms that it would cut into pieces.

    Tokens in letters that are not Latin are left out: the encoder read English, and what it knows nothing of is better named.
    """
    listed = {word for phrase in [*synonyms, *(s for group in synonyms.values() for s in group), *words] for word in split_words(phrase)}
    own = {token: row for row, token in enumerate(encoder.tokens)}
    kept = [token for token in own if is_kept(token)]
    whole = sorted(listed - own.keys())
    full = encode(encoder, [[own[token]] for token in kept] + [pieces(word, own) for word in whole], own)
    narrow = sharpened(full, full[[i for i, token in enumerate([*kept, *whole]) if token in listed]])
    scales = (np.abs(narrow).max(1) / 127).astype(np.float16).astype(np.float32)
    vectors = np.clip(np.rint(narrow / scales[:, None]), -127, 127).astype(np.int8)
    reading = Reading(
        stop_words=STOP_WORDS,
        prepositions=PREPOSITIONS,
        carriers=CARRIERS,
        synonyms={word: name for name, group in synonyms.items() for word in [name, *group]},
    )
    return TableEncoder((*kept, *whole), vectors, scales, reading)


def encode(encoder: MiniLM, rows: list[list[int]], own: Mapping[str, int]) -> NDArray[np.float32]:
    """Each row of token ids inside the prompt, through the encoder; (rows, 384)."""
    before, after = ([own[token] for token in text.split()] for text in f"[CLS] {PROMPT} [SEP]".split("{}"))
    found = np.zeros((len(rows), 384), np.float32)
    for length in sorted({len(row) for row in rows}):
        chosen = [i for i, row in enumerate(rows) if len(row) == length]
        found[chosen] = encoder.encode(np.array([before + rows[i] + after for i in chosen]))
    return found


def sharpened(vectors: NDArray[np.float32], landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
    """(rows, WIDTH) unit vectors whose dot product follows exp(SHARPNESS (cosine - 1)): kernel principal components over `landmarks`.

    A cosine lets every word resemble every other one; sharpened, a word takes after its nearest neighbours alone.
    """
    wide = landmarks.astype(np.float64)
    values, axes = np.linalg.eigh(np.exp(SHARPNESS * (wide @ wide.T - 1)))
    values, axes = values[::-1][:WIDTH], axes[:, ::-1][:, :WIDTH]
    signs = np.sign(axes[np.abs(axes).argmax(0), np.arange(WIDTH)])  # an eigenvector's sign is free
    basis = axes * signs / np.sqrt(values)
    blocks = np.array_split(vectors, 1 + len(vectors) // 4096)
    narrow = np.concatenate([np.exp(SHARPNESS * (block @ wide.T - 1)) @ basis for block in blocks])
    return np.asarray(narrow / np.linalg.norm(narrow, axis=1, keepdims=True), np.float32)


def is_kept(token: str) -> bool:
    """Whether a token is made of Latin letters and digits."""
    letters = token.removeprefix("##")
    return split_words(letters) == [letters] and all(letter < "\u0250" for letter in letters)


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
