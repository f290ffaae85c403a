"""The Detector: pictures and words in, Detections out."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard, cast

import numpy as np
from numpy.typing import NDArray

from wordbox.detection.detections import Detections
from wordbox.detection.select import select
from wordbox.engines.base import Array, Engine
from wordbox.errors import InputError, VocabularyError, WordboxError
from wordbox.geometry.frames import Placement
from wordbox.images.letterbox import letterbox, place
from wordbox.images.pixels import Colour
from wordbox.images.sources import ImageInput, Source, Sources, find
from wordbox.manifest import Manifest
from wordbox.settings import DetectSettings
from wordbox.vocabulary.encoders import TextEncoder
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, Words, embed

logger = logging.getLogger("wordbox")

BATCH = 8
"""Pictures read ahead and, where their canvases are alike, run together."""

Images = ImageInput | Sequence[ImageInput]


_LISTS = (list, tuple, Mapping, Path, Vocabulary)
_Task = tuple[Source, EmbeddedVocabulary | None]


@dataclass(frozen=True, eq=False)
class _Canvas:
    """A picture made ready for the network, and what its Detections will say of it."""

    pixels: NDArray[np.uint8]
    placement: Placement
    vocabulary: EmbeddedVocabulary | None
    source: str
    notes: tuple[str, ...]
    picture: Callable[[], NDArray[np.uint8]]


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
        max_detections: int = DetectSettings.max_detections,
        max_candidates: int = DetectSettings.max_candidates,
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
        sources = _found(images, colour)
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
        max_detections: int = DetectSettings.max_detections,
        max_candidates: int = DetectSettings.max_candidates,
        colour: Colour = "bgr",
    ) -> Iterator[Detections]:
        """The same as `detect` on a list, one Detections at a time, holding a few pictures in memory however many there are."""
        settings = DetectSettings(conf=conf, iou=iou, size=size, max_detections=max_detections, max_candidates=max_candidates)
        return self.run(_found(images, colour).items, words, settings)

    def run(
        self, sources: Sequence[Source], words: Words | Sequence[Words] | None, settings: DetectSettings, *, keep: bool = False
    ) -> Iterator[Detections]:
        """Detections of `sources` in order, `BATCH` pictures read ahead. What is wrong with the settings is said at once.

        With `keep` each holds its pixels for drawing; otherwise its source is read again for that.
        """
        self._size(settings.size)
        own = self.manifest.thresholds
        settings = replace(
            settings,
            conf=own.conf if settings.conf is None else settings.conf,
            iou=own.iou if settings.iou is None else settings.iou,
        )
        pending = zip(sources, self._vocabularies(words, len(sources)), strict=True)
        batches = iter(lambda: list(islice(pending, BATCH)), [])
        return (found for batch in batches for found in self._run_batch(batch, settings, keep))

    def _run_batch(self, batch: Sequence[_Task], settings: DetectSettings, keep: bool) -> list[Detections]:
        """Read a few pictures, run those with equal canvases together, and put the answers in order."""
        found: dict[int, Detections] = {}
        groups: dict[tuple[int, int], list[tuple[int, _Canvas]]] = {}
        for position, task in enumerate(batch):
            try:
                canvas = self._canvas(task, settings, keep)
                groups.setdefault(canvas.placement.canvas, []).append((position, canvas))
            except WordboxError as error:
                found[position] = Detections.failed(task[0].name, error)
        most = self._engine.inputs["images"].shape[0] or BATCH
        for group in groups.values():
            for start in range(0, len(group), most):
                part = group[start : start + most]
                answers = self._run_group([canvas for _, canvas in part], settings)
                found.update(zip((i for i, _ in part), answers, strict=True))
        return [found[position] for position in range(len(batch))]

    def _canvas(self, task: _Task, settings: DetectSettings, keep: bool) -> _Canvas:
        source, vocabulary = task
        wanted, picture = self.manifest.preprocessing, source.read()
        height, width = picture.pixels.shape[:2]
        placement = place((height, width), self._size(settings.size), wanted.stride)
        kept = partial(_given, picture.pixels) if keep else partial(_read_again, source)
        return _Canvas(letterbox(picture.pixels, placement, wanted.padding), placement, vocabulary, source.name, picture.notes, kept)

    def _size(self, size: int | None) -> int | tuple[int, int]:
        own = self.manifest.preprocessing.size
        if size is None or size == own or own == (size, size):
            return own
        if isinstance(own, tuple):
            raise InputError(f"{self.manifest.name} sees pictures at {own[1]} x {own[0]} only, found size {size}; leave the size out")
        return size

    def _run_group(self, group: Sequence[_Canvas], settings: DetectSettings) -> list[Detections]:
        """One run of the engine over canvases of one shape."""
        batch = self._engine.inputs["images"].shape[0] or len(group)
        full = [*group, *[group[-1]] * (batch - len(group))]  # a graph of fixed batch sees the last canvas again
        feeds: dict[str, Array] = {
            "images": np.stack([canvas.pixels for canvas in full]),
            "conf": np.array(settings.conf, np.float32),
            "max_candidates": np.array([settings.max_candidates], np.int64),
        }
        vocabularies = [canvas.vocabulary for canvas in full if canvas.vocabulary is not None]
        if vocabularies:
            feeds |= _padded(vocabularies)
        shortlist = self._engine.run(feeds)
        return [self._detections(shortlist, row, canvas, settings) for row, canvas in enumerate(group)]

    def _detections(self, shortlist: Mapping[str, Array], row: int, canvas: _Canvas, settings: DetectSettings) -> Detections:
        vocabulary, notes = canvas.vocabulary, canvas.notes
        owners = vocabulary.owners if vocabulary is not None and vocabulary.has_synonyms else None
        most = settings.max_detections
        boxes, scores, labels = select(shortlist, row, owners, canvas.placement, settings.iou or 0.0, most + 1)
        if len(boxes) > most:
            notes += (f"the best {most} boxes were kept, and there are more; raise max_detections or conf to lose none",)
        if int(shortlist["count"][row]) == settings.max_candidates:
            notes += (
                f"the cap of {settings.max_candidates} candidates was reached, the words of {int(shortlist['rows_passed'][row])} places "
                "passed the threshold; raise max_candidates or conf to lose none",
            )
        words = self.manifest.names if vocabulary is None else vocabulary.labels
        return Detections(
            boxes[:most], scores[:most], labels[:most], words, canvas.placement.image, canvas.source, notes=notes, picture=canvas.picture
        )

    def _vocabularies(self, words: Words | Sequence[Words] | None, count: int) -> Iterable[EmbeddedVocabulary | None]:
        """What to look for in each of `count` pictures."""
        if words is None:
            return [self._vocabulary] * count
        if _is_one_each(words):
            if len(words) != count:
                raise VocabularyError(f"found {len(words)} lists of words for {count} pictures, expected one a picture, or one for all")
            return [self._vocabulary if one is None else self._embedded(one) for one in words]
        return [self._embedded(cast(Words, words))] * count

    def _embedded(self, words: Words | None) -> EmbeddedVocabulary | None:
        if words is None:
            return None
        if not self.manifest.open or self._encoder is None:
            names = ", ".join(self.manifest.names[:10]) + (", ..." if len(self.manifest.names) > 10 else "")
            raise VocabularyError(f"{self.manifest.name} has fixed classes ({names}) and takes no words; leave the words out")
        return embed(Vocabulary(words), self._encoder)


def _found(images: Images, colour: Colour) -> Sources:
    """The pictures that `images` leads to; what was passed over is logged."""
    sources = find(images, colour=colour)
    for note in sources.notes:
        logger.warning("%s", note)
    return sources


def _read_again(source: Source) -> NDArray[np.uint8]:
    """The upright picture. Whoever detects in a thousand files keeps none of them in memory."""
    return source.read().pixels


def _given(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels


def _is_one_each(words: Any) -> TypeGuard[Sequence[Words]]:
    """Whether `words` holds a vocabulary a picture (None: the detector's own), not plain words."""
    return isinstance(words, list | tuple) and len(words) > 0 and all(word is None or isinstance(word, _LISTS) for word in words)


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
