"""Words as a table: a phrase is the mean of its words' vectors, the head word weighing most; no transformer, no tokenizer.

The vectors were distilled from a sentence encoder, one a word or word piece. A phrase is read in four steps:

1. "The Old Taxis, in a street"   lower case, no accents, words only          the old taxis in a street
2. the head                       before the first preposition, no articles   old taxis          (and behind it: street)
3. synonyms                       the longest ending that stands in the list  old car
4. the vector                     4 x car + the mean of (old, street)         unit length, then the constant coordinate
"""

import hashlib
import json
import math
import re
import struct
import unicodedata
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from wordbox.errors import WeightsError
from wordbox.vocabulary.encoders import EncoderIdentity

NAME = "wordbox-nano.words"
"""What the encoder is called; its checksum tells one table from another."""
KEY = "wordbox.words"
VERSION = 1
MOST = 20_000
"""Phrases that are remembered with their vectors; then all are forgotten."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How a phrase is read: numbers and lists that travel with the table."""

    head_weight: float = 4.0
    """How much the head word weighs against all others together."""
    constant: float = 0.3
    """Last coordinate of every vector: the part of a score that all words share."""
    stop_words: tuple[str, ...] = ()
    """Words that are left out, unless nothing else is there."""
    prepositions: tuple[str, ...] = ()
    """The head stands before the first of these."""
    carriers: tuple[str, ...] = ()
    """Words that, before "of", only lead up to the thing: a pair of scissors is scissors, a photo of a cat is a cat."""
    synonyms: Mapping[str, str] = field(default_factory=dict)
    """What simply *is* another word, also at the end of a phrase: {"taxi": "car"}."""

    def __post_init__(self) -> None:
        if not (self.head_weight > 0 and 0 < self.constant < 1):
            raise ValueError(f"head weight {self.head_weight} and constant {self.constant}, expected above 0, and between 0 and 1")


@dataclass(frozen=True, eq=False)
class TableEncoder:
    """A text encoder that looks words up (a `TextEncoder`)."""

    tokens: tuple[str, ...]
    """(R,) words, and pieces that go on inside a word behind "##"."""
    vectors: NDArray[np.int8]
    """(R, D - 1)."""
    scales: NDArray[np.float32]
    """(R,) what a row is multiplied by."""
    reading: Reading
    """How phrases are read."""
    identity: EncoderIdentity = EncoderIdentity(name=NAME)  # noqa: RUF009 - frozen
    """Which encoder it is."""

    @staticmethod
    def load(path: Path, *, synonyms: bool = True, sha256: str | None = None) -> "TableEncoder":
        """Read a table; `synonyms=False` leaves its list of synonyms out, `sha256` is its checksum where the caller has it.

        Raises WeightsError that names the file.
        """
        try:
            identity = EncoderIdentity(name=NAME, sha256=hashlib.sha256(path.read_bytes()).hexdigest() if sha256 is None else sha256)
            with safe_open(str(path), framework="numpy") as file:
                facts = json.loads((file.metadata() or {})[KEY])
                vectors, scales, joined = (file.get_tensor(name) for name in ("vectors", "scales", "tokens"))
            if facts["version"] != VERSION:
                raise WeightsError(f"{path}: a word table of version {facts['version']!r}, expected {VERSION}; a newer Wordbox may read it")
            reading = Reading(
                head_weight=float(facts["reading"]["head_weight"]),
                constant=float(facts["reading"]["constant"]),
                stop_words=tuple(facts["reading"]["stop_words"]),
                prepositions=tuple(facts["reading"]["prepositions"]),
                carriers=tuple(facts["reading"]["carriers"]),
                synonyms=dict(facts["reading"]["synonyms"]) if synonyms else {},
            )
            tokens = tuple(joined.tobytes().decode("utf-8").split("\n"))
            if vectors.dtype != np.int8 or vectors.ndim != 2 or not len(tokens) == len(vectors) == len(scales):
                raise ValueError(f"{len(tokens)} tokens, vectors {vectors.dtype} {vectors.shape}, scales {scales.shape}")
        except FileNotFoundError as error:
            raise WeightsError(f"{path}: no such file (looked for {path.resolve()})") from error
        except (SafetensorError, OSError, KeyError, TypeError, AttributeError, ValueError, struct.error, RecursionError) as error:
            if isinstance(error, WeightsError):
                raise
            raise WeightsError(f"{path}: cannot be read as a word table ({error!r}); copy or download it anew") from error
        return TableEncoder(tokens, vectors, scales.astype(np.float32), reading, identity)

    def save(self, path: Path, **facts: str) -> None:
        """Write the table, with `facts` (origin, licence) in its metadata. Equal contents give equal bytes."""
        metadata = json.dumps({"version": VERSION, "reading": asdict(self.reading)} | facts, ensure_ascii=False, sort_keys=True)
        arrays: dict[str, NDArray[Any]] = {
            "vectors": self.vectors,
            "scales": self.scales.astype(np.float16),
            "tokens": np.frombuffer("\n".join(self.tokens).encode(), np.uint8),
        }
        path.write_bytes(save(arrays, metadata={KEY: metadata}))

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1]) + 1

    def encode(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors (K, D) float32; a phrase of which nothing is known is the constant coordinate alone."""
        found = np.zeros((len(phrases), self.width), np.float32)
        for row, phrase in zip(found, phrases, strict=True):
            vector = self._vector(phrase)
            if vector is None:
                row[-1] = 1.0
            else:
                row[:] = vector
        return found

    def unknown(self, phrases: Sequence[str]) -> list[str]:
        """The phrases of which no word, and no piece of a word, stands in the table."""
        return [phrase for phrase in phrases if self._vector(phrase) is None]

    def _vector(self, phrase: str) -> NDArray[np.float32] | None:
        """The unit vector of a phrase, which is remembered; None where nothing of it is known."""
        kept = self._memory.get(phrase)
        if kept is None:
            if len(self._memory) >= MOST:
                self._memory.clear()
            self._memory[phrase] = kept = (self._mixed(phrase),)
        return kept[0]

    def _mixed(self, phrase: str) -> NDArray[np.float32] | None:
        parts = self._weighted_rows(phrase)
        if not parts:
            return None
        vector = np.zeros(self.width, np.float32)
        vector[-1] = 1.0
        rows, weights = (list(values) for values in zip(*parts, strict=True))
        mixture = (self.scales[rows] * np.array(weights, np.float32)) @ self.vectors[rows].astype(np.float32)
        length = math.sqrt(float(mixture @ mixture))
        if length > 0:
            vector[:-1] = mixture * (math.sqrt(1 - self.reading.constant**2) / length)
            vector[-1] = self.reading.constant
        return vector

    @cached_property
    def _memory(self) -> dict[str, tuple[NDArray[np.float32] | None]]:
        return {}

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {token: row for row, token in enumerate(self.tokens)}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self.tokens), default=0)

    @cached_property
    def _names(self) -> dict[str, list[str]]:
        """What endings of phrases are replaced by."""
        return {" ".join(self._content(split_words(word))): split_words(name) for word, name in self.reading.synonyms.items()}

    @cached_property
    def _longest_name(self) -> int:
        return max((len(name.split()) for name in self._names), default=0)

    @cached_property
    def _lists(self) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
        return frozenset(self.reading.stop_words), frozenset(self.reading.prepositions), frozenset(self.reading.carriers)

    def _content(self, words: list[str]) -> list[str]:
        """`words` without stop words, or all of them where nothing else is there."""
        return [word for word in words if word not in self._lists[0]] or words

    def _weighted_rows(self, phrase: str) -> list[tuple[int, float]]:
        """Rows of the table and what each weighs in the phrase; none where nothing of it is known."""
        head, others = self._read(split_words(phrase))
        known = [rows for word in head if (rows := self._rows(word))]
        rest = [rows for word in others if (rows := self._rows(word))]
        if not known:
            known, rest = rest, []
        if not known:
            return []
        rest = [*known[:-1], *rest]
        parts = [(row, self.reading.head_weight / len(known[-1])) for row in known[-1]]
        return parts + [(row, 1 / len(rest) / len(rows)) for rows in rest for row in rows]

    def _read(self, words: list[str]) -> tuple[list[str], list[str]]:
        """The words of the head, the head word last, and the words behind it."""
        _, prepositions, carriers = self._lists
        kept = self._content(words)
        start = next((i for i in range(0, len(kept), 2) if kept[i + 1 : i + 2] != ["of"] or not _any_of(kept[i], carriers)), 0)
        kept = kept[start:]
        cut = next((i for i in range(1, len(kept) - 1) if kept[i] in prepositions), len(kept))
        head, others = kept[:cut], [word for word in kept[cut:] if word not in prepositions]
        for first in range(max(0, len(head) - self._longest_name), len(head)):
            if (name := _any_of(" ".join(head[first:]), self._names)) is not None:
                return head[:first] + self._names[name], others
        return head, others

    def _rows(self, word: str) -> list[int]:
        """The row of a word, of its singular, or of its pieces; none where the table lacks a letter of it."""
        whole = _any_of(word, self._row_of)
        return self._pieces(word) if whole is None else [self._row_of[whole]]

    def _pieces(self, word: str) -> list[int]:
        """Rows of the longest pieces, from the left; none where one is missing."""
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(min(len(word), start + self._longest), start, -1):
                row = self._row_of.get(f"##{word[start:end]}" if start else word[:end])
                if row is not None:
                    found.append(row)
                    start = end
                    break
            else:
                return []
        return found


def split_words(phrase: str) -> list[str]:
    """Words of a phrase: lower case, accents taken off, cut at whatever is no letter or digit."""
    plain = phrase.lower()
    if not plain.isascii():
        plain = "".join(letter for letter in unicodedata.normalize("NFD", plain) if unicodedata.category(letter) != "Mn")
    return re.findall(r"[^\W_]+", plain)


def _any_of(word: str, known: Container[str]) -> str | None:
    """`word`, or what it may be the plural of, whichever is known."""
    if word in known:
        return word
    if not word.endswith("s"):
        return None
    singulars = (word[:-1], word[:-2], f"{word[:-3]}y", f"{word[:-3]}f", f"{word[:-3]}fe")
    endings = ("s", "es", "ies", "ves", "ves")
    return next((s for s, end in zip(singulars, endings, strict=True) if s and word.endswith(end) and s in known), None)
