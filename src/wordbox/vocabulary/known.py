"""Known words in front of a text tower: most words that people ask for have a vector already, and then no tower is opened."""

import logging
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache as once
from functools import lru_cache, partial
from importlib.util import find_spec
from itertools import islice
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import VocabularyError, WeightsError
from wordbox.vocabulary.cache import VectorCache, key_of
from wordbox.vocabulary.encoders import CLIP_ADDRESS, CLIP_TOWERS, Brought, EncoderIdentity, TextEncoder
from wordbox.vocabulary.words import BACKGROUND, PLAIN, EmbeddedVocabulary, counted, shown

logger = logging.getLogger("wordbox")

Vectors = Mapping[str, NDArray[np.float32]]

MOST = 20_000
"""Vectors that are remembered beside the known ones; the oldest go first."""
SAMPLE = 16
"""Known words that a tower is tried with."""
STRANGE, SURE = 0.3, 0.98
"""Mean cosine of a tower's vectors with known ones of the same words: below the first it is another tower, from the second the same."""

_TOGETHER = 128  # words that the tower reads before progress is told
_MANY = 300  # words that take a text encoder some two seconds on two cores


class KnownWords:
    """A text encoder (a `SparingEncoder`) that knows vectors, and asks another for the rest.

    A phrase is looked for among what was asked before, in the known vocabularies, and in the cache on disk; then the tower computes it.
    Vectors of another prompt than the bare phrase stand in for it where there is no tower, which is logged once. Case, spaces and Unicode's
    ways to write one letter do not count.
    """

    def __init__(
        self,
        identity: EncoderIdentity,
        width: int,
        known: Sequence[EmbeddedVocabulary] = (),
        tower: TextEncoder | Callable[[], TextEncoder] | None = None,
        cache: VectorCache | None = None,
        *,
        precision: str | None = "float32",
        stored: str = "",
        tower_at: str = "",
    ) -> None:
        """Answer as the encoder `identity` would, in vectors of `width` numbers.

        `tower` is that encoder, or a function that opens it when it is first needed. `cache` is used where the encoder's checksum is
        known, and `precision`, how its matrices are kept: None where only opening it tells. Errors name `stored`, the file of the last
        known vocabulary, and `tower_at`, the tower's. Raises VocabularyError where a known vocabulary is of another encoder or width.
        """
        self._identity = identity
        self._width = width
        self._known = tuple(known)
        self._tower = tower
        self._open: TextEncoder | None = None
        self._cache = cache
        self._precision = precision
        self._stored, self._tower_at = stored, tower_at
        self._lock = Lock()
        self._memory: dict[str, NDArray[np.float32]] = {}
        self._exact: dict[str, tuple[NDArray[np.float32], EmbeddedVocabulary]] = {}
        self._near: dict[str, tuple[NDArray[np.float32], EmbeddedVocabulary]] = {}
        for vocabulary in known:
            check_fits(vocabulary, identity, width)
            for text, vector in _texts(vocabulary):
                self._exact.setdefault(phrase_key(text), (vector, vocabulary))
            for phrase, vector in _single(vocabulary):
                self._near.setdefault(phrase_key(phrase), (vector, vocabulary))

    @property
    def identity(self) -> EncoderIdentity:
        """Which encoder the vectors are of; its checksum may be known only after the tower was opened."""
        return self._identity

    @property
    def width(self) -> int:
        """D, the length of a vector."""
        return self._width

    def unknown(self, phrases: Sequence[str]) -> list[str]:
        """None: what has no vector is an error of `encode`."""
        return []

    def encode(self, phrases: Sequence[str], progress: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Vectors (K, D) float32; `progress` is told, now and again, how many the tower has still to read.

        Raises VocabularyError that names the phrases for which there is none, and says how to get one.
        """
        return self._encode(phrases, partial(self._sought, progress=progress), self._lacks)

    def at_hand(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """As `encode`, and no tower is opened for it: what only one that is not open yet could give is a VocabularyError."""
        seek = self._sought if self._tower is None or self._open is not None else self._kept
        return self._encode(phrases, seek, partial(_not_at_hand, self._identity))

    def brought_by(self, phrases: Sequence[str]) -> list[Brought | None]:
        """Which known vocabulary the vector of each phrase comes from; None where the tower gave or gives it."""
        return [self._brought(phrase_key(phrase)) for phrase in phrases]

    def agrees(self, tower: TextEncoder) -> float:
        """Mean cosine of the tower's vectors with the known ones of the same bare words, 1 where none is known.

        Logs a warning where it is not what one tower gives twice. Raises WeightsError that names both where it must be another tower.
        """
        bare = (pair for vocabulary in self._known if vocabulary.prompt == PLAIN for pair in _single(vocabulary))
        pairs = dict(pair for pair, _ in zip(bare, range(SAMPLE), strict=False))
        if not pairs:
            return 1.0
        own = np.stack([vector / max(float(np.linalg.norm(vector)), 1e-6) for vector in pairs.values()])
        cosine = float((own * tower.encode(list(pairs))).sum(axis=1).mean())
        said = f"the text encoder {tower.identity}{self._place} gives vectors with a mean cosine of {cosine:.2f} "
        said += f"to the model's own, of {self._identity}"
        if cosine < STRANGE:
            raise WeightsError(
                f"{said}, for {counted(len(pairs), 'word')}: it is another tower; name the one that the model was trained with"
            )
        if cosine < SURE:
            logger.warning("%s, where one tower gives 1.00; scores may suffer", said)
        return cosine

    def _encode(
        self,
        phrases: Sequence[str],
        seek: Callable[[Mapping[str, str]], Vectors],
        lacks: Callable[[Sequence[str]], VocabularyError],
    ) -> NDArray[np.float32]:
        """Vectors (K, D); `seek` looks for what is not known yet, by the key of each phrase, and `lacks` says what nobody has."""
        keys = [phrase_key(phrase) for phrase in phrases]
        found = {key: vector for key in keys if (vector := self._remembered(key)) is not None}
        missing: dict[str, str] = {}
        for key, phrase in zip(keys, phrases, strict=True):
            if key not in found:
                missing.setdefault(key, phrase)  # as it was written: the tower repairs texts before it drops their case
        if missing:
            found |= seek(missing)
            lacking = [phrase for key, phrase in missing.items() if key not in found]
            if lacking:
                raise lacks(lacking)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, self._width), np.float32)

    def _remembered(self, key: str) -> NDArray[np.float32] | None:
        found = self._memory.get(key)
        return self._exact[key][0] if found is None and key in self._exact else found

    def _brought(self, key: str) -> Brought | None:
        if key in self._memory:
            return None
        if key in self._exact:
            return Brought(self._exact[key][1], stands_in=False)
        return Brought(self._near[key][1], stands_in=True) if self._tower is None and key in self._near else None

    def _sought(self, phrases: Mapping[str, str], progress: Callable[[int], None] | None = None) -> Vectors:
        """Vectors of phrases, by their keys, as far as the cache, the tower, or vectors of another prompt have them."""
        if self._tower is None:
            found = self._kept(phrases)
            near = {key: self._near[key] for key in phrases if key in self._near and key not in found}
            for _, vocabulary in near.values():
                _say_stand_in(vocabulary.prompt, self._identity)
            return {**found, **{key: vector for key, (vector, _) in near.items()}}
        if not self._key:
            self._opened()  # without its checksum no cache can be trusted
        found = dict(self._kept(phrases))
        left = {key: phrase for key, phrase in phrases.items() if key not in found}
        if left:
            tower = self._opened()
            if len(left) > _MANY:
                logger.warning("the text encoder reads %d new words", len(left))
            for start in range(0, len(left), _TOGETHER):
                found |= self._computed(tower, dict(islice(left.items(), start, start + _TOGETHER)))
                if progress is not None:
                    progress(max(0, len(left) - start - _TOGETHER))
        return found

    def _computed(self, tower: TextEncoder, phrases: Mapping[str, str]) -> Vectors:
        """The tower's vectors of phrases, by their keys, which are kept."""
        vectors = tower.encode(list(phrases.values()))
        if vectors.shape != (len(phrases), self._width) or not np.isfinite(vectors).all():
            raise WeightsError(f"{self._identity} gives vectors {vectors.shape} for {counted(len(phrases), 'word')}, expected finite ones")
        computed = dict(zip(phrases, vectors, strict=True))
        if self._cache is not None:
            self._cache.put(self._key, computed)
        self._remember(computed)
        return computed

    @property
    def _place(self) -> str:
        """Where the tower lies, for a message."""
        return f" in {self._tower_at}" if self._tower_at else ""

    @property
    def _key(self) -> str:
        """What the tower's vectors are kept under on disk; empty where that is not known."""
        return key_of(self._identity.sha256, self._precision)

    def _kept(self, phrases: Mapping[str, str]) -> Vectors:
        """What the disk has of phrases, by their keys."""
        found = {} if self._cache is None else self._cache.get(self._key, list(phrases), self._width)
        self._remember(found)
        return found

    def _remember(self, found: Vectors) -> None:
        with self._lock:
            self._memory |= found
            for key in list(self._memory)[: max(0, len(self._memory) - MOST)]:
                del self._memory[key]

    def _opened(self) -> TextEncoder:
        """The tower, checked once."""
        with self._lock:
            if self._open is None:
                assert self._tower is not None, "who has no tower asks for none"
                tower: TextEncoder = self._tower() if callable(self._tower) else self._tower
                if not tower.identity.same_as(self._identity) or tower.width != self._width:
                    raise WeightsError(
                        f"found the text encoder {tower.identity}{self._place}, which gives vectors of {tower.width} numbers; "
                        f"the model was made for {self._identity} with {self._width}; name that one"
                    )
                for vocabulary in self._known:
                    check_fits(vocabulary, tower.identity, self._width)  # now that its checksum is known
                self.agrees(tower)
                self._identity = tower.identity if tower.identity.sha256 else self._identity
                self._precision = getattr(tower, "precision", "float32")  # most encoders have but one
                self._open = tower
            return self._open

    def _lacks(self, phrases: Sequence[str]) -> VocabularyError:
        """What is said of phrases without a vector."""
        said = f"there are no vectors for {shown(phrases)}"
        if self._identity.learned:
            own = [label for vocabulary in self._known for label in vocabulary.labels]
            return VocabularyError(
                f"{said}: the model was trained with {self._identity}, so it takes its own labels only"
                f"{f' ({shown(own)})' if own else ''}; choose among them, or load the model that it was trained from"
            )
        if self._stored:
            said += f" ({self._stored} holds {counted(len(self._known[-1].labels), 'word')}, none of these)"
        name = self._identity.name
        address = f" ({CLIP_ADDRESS}{name})" if name in CLIP_TOWERS.values() else ""
        caches = f" or in {self._cache.path.parent}" if self._cache is not None else ""
        install = "" if find_spec("tokenizers") and find_spec("ftfy") else " (it needs: pip install 'wordbox[clip]')"
        return VocabularyError(
            f"{said}: new words need the text encoder {name}{address}{install}; put that folder, by this name, beside the model{caches}, "
            "or name it with --text-encoder or text_encoder= (a folder of CLIP from Hugging Face, an official .pth, or a "
            ".vocab.safetensors that has the words)"
        )


def _not_at_hand(identity: EncoderIdentity, phrases: Sequence[str]) -> VocabularyError:
    return VocabularyError(f"no vector of {identity} is at hand for {shown(phrases)}")


@lru_cache(MOST)
def phrase_key(phrase: str) -> str:
    """What phrases have in common that every text encoder of this kind reads alike."""
    return " ".join(unicodedata.normalize("NFC", phrase).lower().split())


def check_fits(vocabulary: EmbeddedVocabulary, identity: EncoderIdentity, width: int, where: str = "a vocabulary") -> None:
    """Raise VocabularyError where the vectors of `vocabulary`, which came from `where`, are not of the encoder `identity`, `width` long."""
    own = vocabulary.identity
    if own.same_as(identity) and vocabulary.width == width:
        return
    todo = "encode its words with that one (wordbox words encode)"
    if identity.learned:
        todo = "such a model takes its own labels only"
    elif own.learned:
        todo = "no other model takes those; give the words themselves"
    raise VocabularyError(
        f"{where}: its vectors of {vocabulary.width} numbers are of the text encoder {own}, expected {width} of {identity}; {todo}"
    )


def _single(vocabulary: EmbeddedVocabulary) -> Iterable[tuple[str, NDArray[np.float32]]]:
    """(phrase, vector) of every vector that stands for one known phrase."""
    rows = zip(vocabulary.phrases, vocabulary.vectors, vocabulary.known, strict=True)
    return ((group[0], vector) for group, vector, known in rows if known and len(group) == 1)


def _texts(vocabulary: EmbeddedVocabulary) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """(text, vector) of every vector whose text is known: its phrase in the prompt, where all have one; the background stands bare."""
    prompted = vocabulary.without_background()
    if prompted.prompt:
        yield from ((prompted.prompt.replace(PLAIN, phrase), vector) for phrase, vector in _single(prompted))
    rows = zip(vocabulary.owners, vocabulary.phrases, vocabulary.vectors, vocabulary.known, strict=True)
    yield from ((group[0], vector) for owner, group, vector, known in rows if owner == BACKGROUND and known)


@once
def _say_stand_in(prompt: str, identity: EncoderIdentity) -> None:
    """Say it once in a process."""
    logger.warning("there is no text encoder %s, so vectors of the prompt %r stand in for those of the words alone", identity, prompt)
