"""Known words in front of a text tower: most words that people ask for have a vector already, and then no tower is opened."""

import logging
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from wordbox.errors import VocabularyError, WeightsError
from wordbox.vocabulary.cache import VectorCache
from wordbox.vocabulary.encoders import EncoderIdentity, TextEncoder
from wordbox.vocabulary.words import PLAIN, EmbeddedVocabulary, shown

logger = logging.getLogger("wordbox")

Vectors = Mapping[str, NDArray[np.float32]]

MOST = 20_000
"""Vectors that are remembered beside the known ones; the oldest go first."""
SAMPLE = 16
"""Known words that a tower is tried with."""
STRANGE, SURE = 0.3, 0.98
"""Mean cosine of a tower's vectors with known ones of the same words: below the first it is another tower, from the second the same."""


_MANY = 300  # words that take a text encoder some two seconds on two cores


class KnownWords:
    """A text encoder (a `TextEncoder`) that knows vectors, and asks another for the rest.

    A phrase is looked for among what was asked before, in the known vocabularies, and in the cache on disk; then the tower computes it.
    Vectors of another prompt than the bare phrase stand in for it where there is no tower. Case, spaces and Unicode's
    ways to write one letter do not count.
    """

    def __init__(
        self,
        identity: EncoderIdentity,
        width: int,
        known: Sequence[EmbeddedVocabulary] = (),
        tower: TextEncoder | Callable[[], TextEncoder] | None = None,
        cache: VectorCache | None = None,
    ) -> None:
        """Answer as the encoder `identity` would, in vectors of `width` numbers.

        `tower` is that encoder, or a function that opens it when it is first needed. `cache` is used where the encoder's checksum is
        known. Raises VocabularyError where a known vocabulary is of another encoder or width.
        """
        self._identity = identity
        self._width = width
        self._known = tuple(known)
        self._tower = tower
        self._open: TextEncoder | None = None
        self._cache = cache
        self._lock = Lock()
        self._memory: dict[str, NDArray[np.float32]] = {}
        self._exact: dict[str, NDArray[np.float32]] = {}
        self._near: dict[str, NDArray[np.float32]] = {}
        for vocabulary in known:
            check_fits(vocabulary, identity, width)
            for phrase, vector in _single(vocabulary):
                self._exact.setdefault(phrase_key(vocabulary.prompt.replace(PLAIN, phrase)), vector)
                self._near.setdefault(phrase_key(phrase), vector)

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

    def encode(self, phrases: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (K, D) float32. Raises VocabularyError that names the phrases for which there is none, and says how to get one."""
        keys = [phrase_key(phrase) for phrase in phrases]
        found = {key: vector for key in keys if (vector := self._remembered(key)) is not None}
        missing = [key for key in dict.fromkeys(keys) if key not in found]
        if missing:
            found |= self._sought(missing)
            lacking = dict.fromkeys(phrase for phrase, key in zip(phrases, keys, strict=True) if key not in found)
            if lacking:
                raise _no_vectors(list(lacking), self._identity)
        return np.stack([found[key] for key in keys]) if keys else np.zeros((0, self._width), np.float32)

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
        said = f"the text encoder {tower.identity} gives vectors with a mean cosine of {cosine:.2f} to the model's own, of {self._identity}"
        if cosine < STRANGE:
            raise WeightsError(f"{said}, for {len(pairs)} words: it is another tower; name the one that the model was trained with")
        if cosine < SURE:
            logger.warning("%s, where one tower gives 1.00; scores may suffer", said)
        return cosine

    def _remembered(self, key: str) -> NDArray[np.float32] | None:
        found = self._memory.get(key)
        return self._exact.get(key) if found is None else found

    def _sought(self, keys: Sequence[str]) -> Vectors:
        """Vectors of `keys` as far as the cache, the tower, or vectors of another prompt have them."""
        if self._tower is None:
            found = self._kept(keys)
            return {key: self._near[key] for key in keys if key in self._near} | found
        if not self._identity.sha256:
            self._opened()  # without its checksum no cache can be trusted
        found = self._kept(keys)
        left = [key for key in keys if key not in found]
        if left:
            tower = self._opened()
            if len(left) > _MANY:
                logger.warning("the text encoder reads %d new words", len(left))
            vectors = tower.encode(left)
            if vectors.shape != (len(left), self._width) or not np.isfinite(vectors).all():
                raise WeightsError(f"{self._identity} gives vectors {vectors.shape} for {len(left)} words, expected finite ones")
            computed = dict(zip(left, vectors, strict=True))
            if self._cache is not None and self._identity.sha256:
                self._cache.put(self._identity.sha256, computed)
            found |= computed
        self._remember(found)
        return found

    def _kept(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        if self._cache is None or not self._identity.sha256:
            return {}
        return self._cache.get(self._identity.sha256, keys, self._width)

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
                        f"found the text encoder {tower.identity}, which gives vectors of {tower.width} numbers; the model was made for "
                        f"{self._identity} with {self._width}; name that one"
                    )
                self.agrees(tower)
                self._identity = tower.identity if tower.identity.sha256 else self._identity
                self._open = tower
            return self._open


def phrase_key(phrase: str) -> str:
    """What phrases have in common that every text encoder of this kind reads alike."""
    return " ".join(unicodedata.normalize("NFC", phrase).lower().split())


def check_fits(vocabulary: EmbeddedVocabulary, identity: EncoderIdentity, width: int, where: str = "a vocabulary") -> None:
    """Raise VocabularyError where the vectors of `vocabulary`, which came from `where`, are not of the encoder `identity`, `width` long."""
    own = vocabulary.identity
    if own.same_as(identity) and vocabulary.width == width:
        return
    raise VocabularyError(
        f"{where}: its vectors of {vocabulary.width} numbers are of the text encoder {own}, expected {width} of {identity}; "
        "encode its words with that one (wordbox words encode)"
    )


def _single(vocabulary: EmbeddedVocabulary) -> Iterable[tuple[str, NDArray[np.float32]]]:
    """(phrase, vector) of every vector that stands for one known phrase."""
    rows = zip(vocabulary.phrases, vocabulary.vectors, vocabulary.known, strict=True)
    return ((group[0], vector) for group, vector, known in rows if known and len(group) == 1)


def _no_vectors(phrases: Sequence[str], identity: EncoderIdentity) -> VocabularyError:
    return VocabularyError(
        f"there are no vectors for {shown(phrases)}: new words need the text encoder {identity.name}; name it with --text-encoder or "
        "text_encoder= (a folder of CLIP from Hugging Face, or an official .pth), or give words from a .vocab.safetensors"
    )
