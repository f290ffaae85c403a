"""The Detector: pictures and words in, Detections out."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from wordbox.detection.detections import Detections
from wordbox.detection.select import select
from wordbox.engines.base import Array, Engine
from wordbox.errors import InputError, VocabularyError, WordboxError
from wordbox.geometry.frames import Placement
from wordbox.images.letterbox import letterbox, place
from wordbox.images.sources import ImageInput, Source, find
from wordbox.manifest import Manifest
from wordbox.settings import DetectSettings
from wordbox.vocabulary.encoders import TextEncoder
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, Words, embed

logger = logging.getLogger("wordbox")

BATCH = 8
"""Pictures read ahead and, where their canvases are alike, run together."""

Images = ImageInput | Sequence[ImageInput]
Colour = Literal["bgr", "rgb"]


@dataclass(frozen=True, eq=False)
class _Canvas:
    """A picture made ready for the network."""

    pixels: NDArray[np.uint8]
    placement: Placement
    notes: tuple[str, ...]


class Detector:
    """Finds things in pictures. It never changes: `with_words` gives another one that shares the engine.

    It may be used from several threads at once. `wordbox.load` makes one.
    """

    def __init__(self, engine: Engine, manifest: Manifest, encoder: TextEncoder | None = None, words: Words | None = None) -> None:
        """Join an engine with what its file says.

        An open model needs the `encoder` whose vectors it was made for; `words` are looked for by default instead of
        the model's own names. Raises VocabularyError where a model with fixed classes is given words.
        """
        self._engine = engine
        self._encoder = encoder
        self.manifest = manifest
        """Facts of the model."""
        self._vocabulary = self._embedded(manifest.names if words is None and manifest.open else words)

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that are looked for when a call names none."""
        return self.manifest.names if self._vocabulary is None else self._vocabulary.labels

    def with_words(self, words: Words) -> "Detector":
        """Another detector that looks for `words` by default and shares this one's engine."""
        return Detector(self._engine, self.manifest, self._encoder, words)

    def __repr__(self) -> str:
        shown = ", ".join(self.words[:5]) + (", ..." if len(self.words) > 5 else "")
        return f"Detector({self.manifest.name}, {len(self.words)} words: {shown})"

    def detect(
        self,
        images: Images,
        *,
        words: Words | Sequence[Words] | None = None,
        conf: float | None = None,
        iou: float | None = None,
        size: int | None = None,
        max_detections: int = 300,
        max_candidates: int = 1000,
        colour: Colour = "bgr",
    ) -> Detections | list[Detections]:
        """What is in `images`: one picture gives Detections; a list, folder or pattern gives a list in the same order.

        A picture is a path, address, bytes of a file, NumPy array (H, W), (H, W, 3) or (H, W, 4), or Pillow image; "-" is
        standard input. Arrays are read as `colour`, "bgr" as OpenCV gives them unless told.
        `words` are for all pictures, or a list of lists, one a picture.
        In a list, what cannot be read is an entry with `.error`; a lone picture that cannot be read raises ImageError.
        `conf`, `iou` and `size` are the model's own where None. Boxes are xyxy float32 in pixels of the upright picture.
        Raises InputError (SourceError, ImageError, VocabularyError) or EngineError.
        """
        sources = find(images, colour=colour)
        for note in sources.notes:
            logger.warning("%s", note)
        settings = DetectSettings(conf=conf, iou=iou, size=size, max_detections=max_detections, max_candidates=max_candidates)
        found = list(self.run(sources.items, words, settings))
        if not sources.single:
            return found
        if found[0].error is not None:
            raise found[0].error
        return found[0]

    def stream(
        self,
        images: Images,
        *,
        words: Words | Sequence[Words] | None = None,
        conf: float | None = None,
        iou: float | None = None,
        size: int | None = None,
        max_detections: int = 300,
        max_candidates: int = 1000,
        colour: Colour = "bgr",
    ) -> Iterator[Detections]:
        """The same as `detect` on a list, one Detections at a time, holding a few pictures in memory however many there are."""
        settings = DetectSettings(conf=conf, iou=iou, size=size, max_detections=max_detections, max_candidates=max_candidates)
        return self.run(find(images, colour=colour).items, words, settings)

    def run(self, sources: Sequence[Source], words: Words | Sequence[Words] | None, settings: DetectSettings) -> Iterator[Detections]:
        """Detections of `sources` in order, `BATCH` pictures read ahead. What is wrong with the settings is said at once."""
        size = self._size(settings.size)
        pending = zip(sources, self._vocabularies(words, len(sources)), strict=True)
        batches = iter(lambda: list(islice(pending, BATCH)), [])
        return (found for batch in batches for found in self._run_batch(batch, size, settings))

    def _run_batch(
        self, batch: Sequence[tuple[Source, EmbeddedVocabulary | None]], size: int | tuple[int, int], settings: DetectSettings
    ) -> list[Detections]:
        """Read a few pictures, run those with equal canvases together, and put the answers in order."""
        found: dict[int, Detections] = {}
        groups: dict[tuple[int, int], list[tuple[int, _Canvas]]] = {}
        for position, (source, _) in enumerate(batch):
            try:
                canvas = self._canvas(source, size)
                groups.setdefault(canvas.placement.canvas, []).append((position, canvas))
            except WordboxError as error:
                found[position] = Detections.failed(source.name, error)
        most = self._engine.inputs["images"].shape[0] or BATCH
        for group in groups.values():
            for start in range(0, len(group), most):
                part = group[start : start + most]
                answers = self._run_group([(canvas, batch[i][1]) for i, canvas in part], [batch[i][0] for i, _ in part], settings)
                found.update(zip((i for i, _ in part), answers, strict=True))
        return [found[position] for position in range(len(batch))]

    def _canvas(self, source: Source, size: int | tuple[int, int]) -> _Canvas:
        wanted, picture = self.manifest.preprocessing, source.read()
        height, width = picture.pixels.shape[:2]
        placement = place((height, width), size, wanted.stride)
        return _Canvas(letterbox(picture.pixels, placement, wanted.padding), placement, picture.notes)

    def _size(self, size: int | None) -> int | tuple[int, int]:
        own = self.manifest.preprocessing.size
        if size is None or size == own or own == (size, size):
            return own
        if isinstance(own, tuple):
            raise InputError(f"{self.manifest.name} sees pictures at {own[1]} x {own[0]} only, found size {size}; leave the size out")
        return size

    def _run_group(
        self, group: Sequence[tuple[_Canvas, EmbeddedVocabulary | None]], sources: Sequence[Source], settings: DetectSettings
    ) -> list[Detections]:
        """One run of the engine over canvases of one shape."""
        conf = self.manifest.thresholds.conf if settings.conf is None else settings.conf
        iou = self.manifest.thresholds.iou if settings.iou is None else settings.iou
        feeds: dict[str, Array] = {
            "images": np.stack([canvas.pixels for canvas, _ in group]),
            "conf": np.array(conf, np.float32),
            "max_candidates": np.array([settings.max_candidates], np.int64),
        }
        vocabularies = [vocabulary for _, vocabulary in group if vocabulary is not None]
        if vocabularies:
            feeds |= _padded(vocabularies)
        fixed = self._engine.inputs["images"].shape[0]
        if fixed is not None and fixed > len(group):  # a graph of fixed batch sees the last canvas again
            feeds["images"] = np.concatenate([feeds["images"], np.repeat(feeds["images"][-1:], fixed - len(group), axis=0)])
        shortlist = self._engine.run(feeds)
        return [
            self._detections(shortlist, row, canvas, vocabulary, source, iou, settings)
            for row, ((canvas, vocabulary), source) in enumerate(zip(group, sources, strict=True))
        ]

    def _detections(
        self,
        shortlist: Mapping[str, Array],
        row: int,
        canvas: _Canvas,
        vocabulary: EmbeddedVocabulary | None,
        source: Source,
        iou: float,
        settings: DetectSettings,
    ) -> Detections:
        owners = vocabulary.owners if vocabulary is not None and vocabulary.has_synonyms else None
        boxes, scores, labels = select(shortlist, row, owners, canvas.placement, iou, settings.max_detections)
        notes = canvas.notes
        if int(shortlist["count"][row]) == settings.max_candidates:
            notes += (
                f"the cap of {settings.max_candidates} candidates was reached ({int(shortlist['rows_passed'][row])} places passed the "
                "threshold); raise conf or max_candidates to lose none",
            )
        words = self.manifest.names if vocabulary is None else vocabulary.labels
        return Detections(
            boxes,
            scores,
            labels,
            words,
            canvas.placement.image,
            source.name,
            notes=notes,
            picture=lambda: source.read().pixels,
        )

    def _vocabularies(self, words: Words | Sequence[Words] | None, count: int) -> Iterable[EmbeddedVocabulary | None]:
        """What to look for in each of `count` pictures."""
        if words is None:
            return [self._vocabulary] * count
        if _is_one_each(words):
            if len(words) != count:
                raise VocabularyError(f"found {len(words)} lists of words for {count} pictures, expected one a picture, or one for all")
            return [self._embedded(one) for one in words]
        return [self._embedded(cast(Words, words))] * count

    def _embedded(self, words: Words | None) -> EmbeddedVocabulary | None:
        if words is None:
            return None
        if not self.manifest.open or self._encoder is None:
            names = ", ".join(self.manifest.names[:10]) + (", ..." if len(self.manifest.names) > 10 else "")
            raise VocabularyError(f"{self.manifest.name} has fixed classes ({names}) and takes no words; leave the words out")
        return embed(Vocabulary(words), self._encoder)


def _is_one_each(words: Any) -> TypeGuard[Sequence[Words]]:
    """Whether `words` holds a vocabulary a picture: a list of anything but plain words."""
    return isinstance(words, list | tuple) and len(words) > 0 and not any(isinstance(word, str) for word in words)


def _padded(vocabularies: Sequence[EmbeddedVocabulary]) -> dict[str, Array]:
    """The inputs `words` and `words_mask`: one row for all where they share a vocabulary, else one each, padded and masked."""
    if all(vocabulary is vocabularies[0] for vocabulary in vocabularies):
        return {"words": vocabularies[0].vectors[None], "words_mask": vocabularies[0].known[None]}
    longest = max(len(vocabulary.vectors) for vocabulary in vocabularies)
    words = np.zeros((len(vocabularies), longest, vocabularies[0].vectors.shape[1]), np.float32)
    mask = np.zeros(words.shape[:2], np.bool_)
    for i, vocabulary in enumerate(vocabularies):
        words[i, : len(vocabulary.vectors)] = vocabulary.vectors
        mask[i, : len(vocabulary.known)] = vocabulary.known
    return {"words": words, "words_mask": mask}
