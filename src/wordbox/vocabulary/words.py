"""Words to look for: labels as they were typed, the phrases behind each, and the vectors that stand for them."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import TextEncoder

logger = logging.getLogger("wordbox")


class Vocabulary:
    """Labels, each with one or more phrases that mean it; a thing is found under a label by its best phrase.

    >>> Vocabulary("person, red bus").labels
    ('person', 'red bus')
    >>> Vocabulary({"car": ["car", "automobile", "taxi"]}).phrases
    (('car', 'automobile', 'taxi'),)

    Takes a string with commas or lines between words, a list of words, a mapping from label to phrases, a path to a text
    file with a word a line, or another Vocabulary. Labels stay as they were typed, outer spaces aside; equal words (case
    and spaces aside) are merged, which is logged. Raises VocabularyError where a word is empty, no string, or none is left.
    """

    def __init__(self, words: "Words") -> None:
        """Read `words`."""
        merged: dict[str, tuple[str, list[str]]] = {}
        for label, phrases in _entries(words):
            key = word_key(label)
            if key in merged:
                logger.warning("the word %r stands twice (as %r and %r); it is looked for once", key, merged[key][0], label)
            known = merged.setdefault(key, (label, []))[1]
            keys = {word_key(phrase) for phrase in known}
            known.extend(phrase for phrase in phrases if word_key(phrase) not in keys)
        if not merged:
            raise VocabularyError("found no words, expected at least one, such as 'person, red bus'")
        self.labels: tuple[str, ...] = tuple(label for label, _ in merged.values())
        """What finds are called."""
        self.phrases: tuple[tuple[str, ...], ...] = tuple(tuple(phrases) for _, phrases in merged.values())
        """The phrases of each label."""

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.labels, self.phrases) == (other.labels, other.phrases)

    def __hash__(self) -> int:
        return hash((self.labels, self.phrases))

    def __repr__(self) -> str:
        return f"Vocabulary({dict(zip(self.labels, map(list, self.phrases), strict=True))!r})"


Words = str | Path | Iterable[str] | Mapping[str, str | Sequence[str]] | Vocabulary


@dataclass(frozen=True, eq=False)
class EmbeddedVocabulary:
    """A vocabulary with its vectors, ready for a graph: P phrases, K labels."""

    labels: tuple[str, ...]
    """(K,) what finds are called."""
    vectors: NDArray[np.float32]
    """(P, D) a unit vector a phrase."""
    known: NDArray[np.bool_]
    """(P,) False where the encoder knows nothing of the phrase, which then is never found."""
    owners: NDArray[np.int64]
    """(P,) the label of each phrase."""

    @property
    def has_synonyms(self) -> bool:
        """Whether some label has more than one phrase."""
        return len(self.owners) > len(self.labels)


def embed(vocabulary: Vocabulary, encoder: TextEncoder) -> EmbeddedVocabulary:
    """`vocabulary` with the vectors of `encoder`. Logs a warning that names what the encoder knows nothing of."""
    phrases = [phrase for group in vocabulary.phrases for phrase in group]
    owners = [label for label, group in enumerate(vocabulary.phrases) for _ in group]
    unknown = set(encoder.unknown(phrases))
    if unknown:
        logger.warning("the text encoder knows nothing of %s: not to be found", ", ".join(repr(p) for p in sorted(unknown)))
    known = np.array([phrase not in unknown for phrase in phrases])
    return EmbeddedVocabulary(vocabulary.labels, encoder.encode(phrases), known, np.array(owners, np.int64))


def read_words(path: Path) -> Vocabulary:
    """The words of a text file, one a line; blank lines and lines that start with # are passed over.

    Raises VocabularyError if it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise VocabularyError(f"{path}: cannot be read ({error.strerror}); expected one word a line; looked at {path.resolve()}") from error
    except UnicodeDecodeError as error:
        raise VocabularyError(f"{path}: is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    words = [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]
    if not words:
        raise VocabularyError(f"{path}: found no words, expected one a line; looked at {path.resolve()}")
    return Vocabulary(words)


def word_key(word: str) -> str:
    """What two spellings of one word have in common: case and spaces do not count."""
    return " ".join(word.casefold().split())


def _entries(words: Words) -> Iterator[tuple[str, list[str]]]:
    """(label, phrases) in the order given."""
    match words:
        case Vocabulary():
            yield from zip(words.labels, map(list, words.phrases), strict=True)
        case Path():
            yield from _entries(read_words(words))
        case str() if words.strip().lower().endswith(".txt") and "," not in words:
            yield from _entries(read_words(Path(words.strip())))
        case str():
            parts = [part.strip() for part in words.replace("\n", ",").split(",")]
            yield from ((part, [part]) for part in parts if part)  # a comma too many is no word
        case Mapping():
            for label, phrases in words.items():
                group = [phrases] if isinstance(phrases, str) else list(phrases)
                if not group:
                    raise VocabularyError(f"the label {label!r} has no phrases, expected at least one; give {{{label!r}: {label!r}}}")
                yield _clean(label), [_clean(phrase) for phrase in group]
        case Iterable() if not isinstance(words, bytes | bytearray):
            yield from ((word, [word]) for word in map(_clean, words))
        case _:
            raise VocabularyError(f"found words of type {type(words).__name__}, expected a string, a list, a mapping or a path")


def _clean(word: object) -> str:
    if not isinstance(word, str):
        raise VocabularyError(f"found {word!r} of type {type(word).__name__} among the words, expected a string")
    if not word.strip():
        raise VocabularyError(f"found an empty word ({word!r}), expected text; take it out of the list")
    return word.strip()
