"""Words to look for: labels as they were typed, the phrases behind each, and the vectors that stand for them."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import VocabularyError
from wordbox.vocabulary.encoders import Brought, EncoderIdentity, SparingEncoder, TextEncoder
from wordbox.vocabulary.lists import STORED, TEXTS, clean, is_path, looks_like_file, read_groups

logger = logging.getLogger("wordbox")

_TOLD = 5  # words that stand twice and are named one by one
BACKGROUND = -1
"""The owner of a word that competes with the others and is never found."""
PLAIN = "{}"
"""The prompt that adds nothing to a phrase."""
Merge = Literal["max", "mean"]
"""How phrases of one label are joined: each scores for itself and the best counts, or one vector in their middle stands for all."""


class Vocabulary:
    """Labels, each with one or more phrases that mean it; a thing is found under a label by its best phrase.

    >>> Vocabulary("person, red bus").labels
    ('person', 'red bus')
    >>> Vocabulary({"car": ["car", "automobile", "taxi"]}).phrases
    (('car', 'automobile', 'taxi'),)

    Takes a string with commas or lines between words, a list of words, a mapping from label to phrases, another Vocabulary, or a path:
    to a `.txt` with a word a line, or a `.json` with a list of words, a mapping as above, or class texts: a list with a list of synonyms
    a label, which the first of them names.
    `merge="mean"` makes one vector of all phrases of a label, so that a picture costs no more for them. Labels stay as they
    were typed, outer spaces aside; equal words (case and spaces aside) are merged, which is logged. Raises VocabularyError where a word
    is empty, no string or longer than 10,000 characters, or none is left.
    """

    def __init__(self, words: "Words", *, merge: Merge | None = None) -> None:
        """Read `words`; `merge` is "max" where nothing is said, or as `words` has it."""
        if merge not in (None, *get_args(Merge)):
            raise VocabularyError(f"found merge {merge!r}, expected 'max' or 'mean'")
        merged: dict[str, tuple[str, dict[str, str]]] = {}
        twice: list[tuple[str, str, str]] = []
        for label, phrases in _entries(words):
            key = word_key(label)
            if key in merged:
                twice.append((key, merged[key][0], label))
            known = merged.setdefault(key, (label, {}))[1]
            for phrase in phrases:
                known.setdefault(key if phrase == label else word_key(phrase), phrase)
        for key, first, label in twice[:_TOLD]:
            logger.warning("the word %r stands twice (as %r and %r); it is looked for once", key, first, label)
        if len(twice) > _TOLD:
            logger.warning("... and so do %d others", len(twice) - _TOLD)
        if not merged:
            raise VocabularyError("found no words, expected at least one, such as 'person, red bus'")
        self.labels: tuple[str, ...] = tuple(label for label, _ in merged.values())
        """What finds are called."""
        self.phrases: tuple[tuple[str, ...], ...] = tuple(tuple(phrases.values()) for _, phrases in merged.values())
        """The phrases of each label."""
        self.merge: Merge = merge or (words.merge if isinstance(words, Vocabulary | EmbeddedVocabulary) else "max")
        """How they are joined."""

    def __len__(self) -> int:
        return len(self.labels)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocabulary) and (self.labels, self.phrases, self.merge) == (other.labels, other.phrases, other.merge)

    def __hash__(self) -> int:
        return hash((self.labels, self.phrases, self.merge))

    def __repr__(self) -> str:
        merge = "" if self.merge == "max" else f", merge={self.merge!r}"
        return f"Vocabulary({dict(zip(self.labels, map(list, self.phrases), strict=True))!r}{merge})"


@dataclass(frozen=True, eq=False, repr=False)
class EmbeddedVocabulary:
    """A vocabulary with its vectors, ready for a graph: P vectors, K labels. `Detector.encode` makes one, `save` keeps it."""

    labels: tuple[str, ...]
    """(K,) what finds are called."""
    vectors: NDArray[np.float32]
    """(P, D) a vector a phrase, or a label where phrases were merged; of unit length where a text encoder made it."""
    known: NDArray[np.bool_]
    """(P,) False where the encoder knows nothing of the phrase, which then is never found."""
    owners: NDArray[np.int64]
    """(P,) the label of each vector; -1 for a background word: it competes with the others, and its boxes are never returned."""
    identity: EncoderIdentity
    """The text encoder that the vectors are of."""
    phrases: tuple[tuple[str, ...], ...]
    """(P,) the phrases that each vector stands for: one, or all of its label where they were merged by their mean."""
    prompt: str = PLAIN
    """What the encoder saw, with {} for the phrase; empty where it is not the same for all."""
    licence: str = ""
    """Under which terms the vectors stand, where somebody else made them."""
    origin: str = ""
    """Where they come from."""

    def __repr__(self) -> str:
        words, vectors = counted(len(self.labels), "word"), counted(len(self.vectors), "vector")
        return f"EmbeddedVocabulary({words}, {vectors} of {self.identity.name}: {shown(self.labels, 3)})"

    @property
    def merge(self) -> Merge:
        """How phrases of one label are joined."""
        return "mean" if any(len(group) > 1 for group in self.phrases) else "max"

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return int(self.vectors.shape[1])

    @cached_property
    def one_to_one(self) -> bool:
        """Whether vector k is label k: then what the network calls k needs no translation."""
        return np.array_equal(self.owners, np.arange(len(self.labels)))

    @property
    def unknown(self) -> tuple[str, ...]:
        """The phrases that the encoder knows nothing of."""
        return tuple(phrase for group, known in zip(self.phrases, self.known, strict=True) if not known for phrase in group)

    @property
    def background(self) -> str | None:
        """The word that competes with the others and is never found; None where there is none."""
        rows = np.flatnonzero(self.owners == BACKGROUND)
        return self.phrases[rows[0]][0] if len(rows) else None

    def without_background(self) -> "EmbeddedVocabulary":
        """The same without background words."""
        kept = self.owners != BACKGROUND
        phrases = tuple(group for group, keep in zip(self.phrases, kept, strict=True) if keep)
        return replace(self, vectors=self.vectors[kept], known=self.known[kept], owners=self.owners[kept], phrases=phrases)

    def with_background(self, phrase: str, vector: NDArray[np.float32]) -> "EmbeddedVocabulary":
        """The same with `phrase`, whose vector (D,) is given, as the only background word, behind all others."""
        plain = self.without_background()
        return replace(
            plain,
            vectors=np.concatenate([plain.vectors, vector.reshape(1, -1).astype(np.float32)]),
            known=np.append(plain.known, True),
            owners=np.append(plain.owners, BACKGROUND),
            phrases=(*plain.phrases, (phrase,)),
        )

    def save(self, path: str | Path, *, half: bool = False) -> None:
        """Write a `.vocab.safetensors`, which a detector takes wherever it takes words; `half` stores float16.

        Raises VocabularyError where it cannot be written.
        """
        from wordbox.vocabulary import files  # it needs this class

        files.save(Path(path), self, half=half)


Words = str | Path | Iterable[str] | Mapping[str, str | Sequence[str]] | Vocabulary | EmbeddedVocabulary


def embed(
    vocabulary: Vocabulary,
    encoder: TextEncoder,
    background: str | None = None,
    prompt: str = PLAIN,
    progress: Callable[[int], None] | None = None,
) -> EmbeddedVocabulary:
    """`vocabulary` with the vectors that `encoder` gives its phrases, put into `prompt`, and `background` behind them.

    `progress` is told how many phrases are still to be read, where that takes long.

    Logs a warning that names what the encoder knows nothing of, and another where it has no vector for the background, which then is
    left out. Raises VocabularyError where it can give no vector for a phrase, or `prompt` has no {}.
    """
    if PLAIN not in prompt:
        raise VocabularyError(f"found the prompt {prompt!r}, expected {{}} in it for the phrase, as in 'a {{}}'")
    phrases = [phrase for group in vocabulary.phrases for phrase in group]
    owners = np.repeat(np.arange(len(vocabulary)), [len(group) for group in vocabulary.phrases])
    texts = phrases if prompt == PLAIN else [prompt.replace(PLAIN, phrase) for phrase in phrases]
    unknown = set(encoder.unknown(texts))
    if unknown:
        logger.warning("the text encoder knows nothing of %s: not to be found", shown(sorted(unknown)))
    sparing = encoder if isinstance(encoder, SparingEncoder) else None
    vectors = encoder.encode(texts) if sparing is None else sparing.encode(texts, progress)
    known = np.array([text not in unknown for text in texts])
    groups: tuple[tuple[str, ...], ...] = tuple((phrase,) for phrase in phrases)
    if vocabulary.merge == "mean":
        vectors, known, groups = *_means(vectors, known, owners, len(vocabulary)), vocabulary.phrases
        owners = np.arange(len(vocabulary))
    brought = [None] if sparing is None else sparing.brought_by(texts)
    facts = _facts(brought, prompt)
    plain = EmbeddedVocabulary(vocabulary.labels, vectors, known, owners.astype(np.int64), encoder.identity, groups, *facts)
    return _behind(plain, background, encoder.encode if sparing is None or None in brought else sparing.at_hand)


def behind(vocabulary: EmbeddedVocabulary, background: str | None, encoder: TextEncoder) -> EmbeddedVocabulary:
    """`vocabulary` with the word `background`, or none, behind its own words; the vector that it brings is kept.

    No text encoder is opened for it. Logs a warning, once for an encoder, where there is no vector for that word, which then is left out.
    """
    return _behind(vocabulary, background, _at_hand(encoder))


def of_vectors(
    names: Sequence[str],
    vectors: NDArray[np.float32],
    identity: EncoderIdentity,
    *,
    prompt: str = PLAIN,
    licence: str = "",
    origin: str = "",
) -> EmbeddedVocabulary:
    """`vectors` (K, D) that somebody gives for K `names`, as they are; of equal names (case and spaces aside) the first stays.

    Raises VocabularyError where a name is empty, or the vectors are not as many, or not finite.
    """
    if vectors.ndim != 2 or len(vectors) != len(names) or not len(names) or not np.isfinite(vectors).all():
        raise VocabularyError(f"found {len(names)} names and vectors {vectors.shape}, expected a vector of finite numbers a name")
    first: dict[str, tuple[int, str]] = {}
    for row, name in enumerate(map(clean, names)):
        first.setdefault(word_key(name), (row, name))
    rows, labels = [row for row, _ in first.values()], tuple(name for _, name in first.values())
    groups = tuple((label,) for label in labels)
    owners, known = np.arange(len(labels), dtype=np.int64), np.ones(len(labels), np.bool_)
    return EmbeddedVocabulary(labels, vectors[rows].astype(np.float32), known, owners, identity, groups, prompt, licence, origin)


def word_key(word: str) -> str:
    """What two spellings of one word have in common: case and spaces do not count."""
    return " ".join(word.casefold().split())


def counted(count: int, thing: str) -> str:
    """ "1 word", "1,203 words"."""
    return f"{count:,} {thing}" + ("" if count == 1 else "s")


def shown(words: Sequence[str], most: int = 10) -> str:
    """The words in quotation marks, the first `most` of them, long ones cut, for a message."""
    parts = [repr(word if len(word) <= 60 else f"{word[:57]}...") for word in words[:most]]
    return ", ".join(parts) + (f" and {len(words) - most} more" if len(words) > most else "")


@cache
def _say_no_background(background: str, identity: EncoderIdentity) -> None:
    """Say it once in a process."""
    wanted = "the model wants the background word %r behind every list, and no vector of %s is at hand for it: scores differ without it; "
    todo = "name a text encoder with --text-encoder, or leave the background out with --no-background (background=False)"
    logger.warning(wanted + todo, background, identity)


def _behind(
    vocabulary: EmbeddedVocabulary, background: str | None, encode: Callable[[Sequence[str]], NDArray[np.float32]]
) -> EmbeddedVocabulary:
    """What `behind` gives, with the vector that `encode` gives the word."""
    if vocabulary.background == background:
        return vocabulary
    if background is None:
        return vocabulary.without_background()
    try:
        return vocabulary.with_background(background, encode([background])[0])
    except VocabularyError:
        _say_no_background(background, vocabulary.identity)
        return vocabulary.without_background()


def _at_hand(encoder: TextEncoder) -> Callable[[Sequence[str]], NDArray[np.float32]]:
    """What gives vectors without opening anything."""
    return encoder.at_hand if isinstance(encoder, SparingEncoder) else encoder.encode


def _facts(brought: Sequence[Brought | None], prompt: str) -> tuple[str, str, str]:
    """(prompt, licence, origin) of vectors that were asked for with `prompt`, and come from there."""
    prompts = {one.vocabulary.prompt.replace(PLAIN, prompt) if one is not None and one.stands_in else prompt for one in brought}
    sources = list(dict.fromkeys(one.vocabulary for one in brought if one is not None))
    licences, origins = ({source.licence: None for source in sources}, {source.origin: None for source in sources})
    return prompts.pop() if len(prompts) == 1 else "", "; ".join(filter(None, licences)), "; ".join(filter(None, origins))


def _means(
    vectors: NDArray[np.float32], known: NDArray[np.bool_], owners: NDArray[np.int64], count: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """(K, D) the unit vector in the middle of the known phrases of each label, and (K,) whether it has one."""
    sums = np.zeros((count, vectors.shape[1]), np.float32)
    np.add.at(sums, owners[known], vectors[known])
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    first = np.searchsorted(owners, np.arange(count))  # where nothing is known, or phrases cancel out, the first stands
    means = np.where(lengths > 1e-6, sums / np.maximum(lengths, 1e-6), vectors[first]).astype(np.float32)
    return means, np.bincount(owners, known, count) > 0


def _entries(words: Words) -> Iterator[tuple[str, list[str]]]:
    """(label, phrases) in the order given."""
    match words:
        case Vocabulary():
            yield from zip(words.labels, map(list, words.phrases), strict=True)
        case EmbeddedVocabulary():
            owned: dict[int, list[str]] = {}
            for owner, own in zip(words.owners.tolist(), words.phrases, strict=True):
                owned.setdefault(owner, []).extend(own)
            yield from ((label, owned[k]) for k, label in enumerate(words.labels))
        case str() | Path() if is_path(words, STORED):
            raise VocabularyError(
                f"{words}: holds words with their vectors; give its path to a detector, wherever that takes words "
                "(detector.with_words(path).vocabulary is what it holds)"
            )
        case Path():
            yield from read_groups(words)
        case str() if is_path(words, *TEXTS):
            yield from read_groups(Path(str(words).strip()))
        case str():
            parts = filter(None, (part.strip() for part in words.replace("\n", ",").split(",")))  # a comma too many is no word
            yield from _single_words(parts)
        case Mapping():
            for label, phrases in words.items():
                group = [phrases] if isinstance(phrases, str) else list(phrases)
                if not group:
                    raise VocabularyError(f"the label {label!r} has no phrases, expected at least one; give {{{label!r}: {label!r}}}")
                yield clean(label), [clean(phrase) for phrase in group]
        case Iterable() if not isinstance(words, bytes | bytearray):
            yield from _single_words(words)
        case _:
            raise VocabularyError(f"found words of type {type(words).__name__}, expected a string, a list, a mapping or a path")


def _single_words(words: Iterable[object]) -> Iterator[tuple[str, list[str]]]:
    """Each word as its own label. A file of words among them is refused, and of what looks like another file a warning is logged."""
    odd = []
    for word in map(clean, words):
        if "." in word and is_path(word, *TEXTS, STORED):
            raise VocabularyError(f"found the file {word!r} among the words, expected a word; give one file alone, or what stands in it")
        if looks_like_file(word):
            odd.append(word)
        yield word, [word]
    if odd:
        logger.warning("among the words, this looks like a file, and is looked for as a word: %s", shown(odd))
