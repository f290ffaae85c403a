"""The Detector: pictures and words in, Detections out."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from wordbox.detection.classes import chosen
from wordbox.detection.detections import Detections
from wordbox.detection.select import select
from wordbox.detection.words import is_one_each, padded, runs
from wordbox.engines.base import Array, Engine
from wordbox.errors import InputError, VocabularyError, WordboxError
from wordbox.geometry.frames import Placement
from wordbox.images.letterbox import Resample, letterbox, place
from wordbox.images.pixels import Colour
from wordbox.images.sources import ImageInput, Source, Sources, find
from wordbox.manifest import Manifest
from wordbox.settings import Classes, DetectSettings
from wordbox.vocabulary import files
from wordbox.vocabulary.encoders import TextEncoder
from wordbox.vocabulary.known import check_fits
from wordbox.vocabulary.words import PLAIN, EmbeddedVocabulary, Vocabulary, Words, behind, counted, embed

logger = logging.getLogger("wordbox")

MAX_CANDIDATES = 1000
"""Candidates that leave the network unless the settings say otherwise."""
BATCH = 8
"""Pictures read ahead and, where their canvases are alike, run together."""

Images = ImageInput | Sequence[ImageInput]

Settings = TypeVar("Settings", bound=DetectSettings)


@dataclass(frozen=True, eq=False)
class _Task:
    """A picture to look at, and what to look for."""

    source: Source
    vocabulary: EmbeddedVocabulary | None
    wanted: NDArray[np.bool_] | None
    """(K,) which labels count; None where all do."""
    placement: Placement | None
    """How it lies on its canvas; None where the settings say."""
    resample: Resample


@dataclass(frozen=True, eq=False)
class _Canvas:
    """A picture made ready for the network, and what its Detections will say of it."""

    task: _Task
    pixels: NDArray[np.uint8]
    placement: Placement
    notes: tuple[str, ...]
    picture: Callable[[], NDArray[np.uint8]]


class Detector:
    """Finds things in pictures. It never changes: `with_words` gives another one that shares the engine.

    It may be used from several threads at once. `wordbox.load` makes one.
    """

    def __init__(
        self,
        engine: Engine,
        manifest: Manifest,
        encoder: TextEncoder | None = None,
        words: Words | None = None,
        *,
        origin: object = None,
    ) -> None:
        """Join an engine with what its file says.

        An open model needs the `encoder` whose vectors it was made for; `words` are looked for by default instead of
        the model's own names. Raises VocabularyError where a model with fixed classes is given words, or words are of another encoder.
        """
        self._engine = engine
        self._encoder = encoder
        self.origin = origin
        """What `wordbox.bake` and `wordbox.export` make others from."""
        self.manifest = manifest
        """Facts of the model."""
        self._vocabulary = self._embedded(words)
        self._names = Vocabulary(manifest.names).labels if manifest.open else manifest.names

    @property
    def words(self) -> tuple[str, ...]:
        """The labels that are looked for when a call names none."""
        return self._names if self._vocabulary is None else self._vocabulary.labels

    @property
    def vocabulary(self) -> EmbeddedVocabulary | None:
        """The same words with their vectors; None where classes are fixed.

        Raises VocabularyError where a model's own names have no vectors.
        """
        if self._vocabulary is None and self.manifest.open:
            self._vocabulary = self._embedded(self._names)  # on first use: whoever names other words needs no vectors of these
        return self._vocabulary

    def with_words(self, words: Words) -> "Detector":
        """Another detector that looks for `words` by default and shares this one's engine.

        `words` are what `wordbox.Vocabulary` takes, or, here and wherever a detector takes words, an EmbeddedVocabulary or the path of a
        `.vocab.safetensors`, whose vectors are used as they are.
        """
        other = copy(self)
        other._vocabulary = self._embedded(words)
        return other

    def encode(self, words: Words, *, prompt: str = PLAIN, progress: Callable[[int], None] | None = None) -> EmbeddedVocabulary:
        """`words` with the vectors that this model's text encoder gives them, to be kept: `.save("things.vocab.safetensors")`.

        `prompt` is what the encoder sees, with {} for a phrase; what has vectors already is encoded anew. `progress` is told, now and
        again, how many phrases a text encoder has still to read. Raises VocabularyError where there is no vector for a word, or the model
        has fixed classes.
        """
        encoder = self._own_encoder()
        given = files.load(Path(str(words).strip())) if files.is_file(words) else words
        return embed(Vocabulary(given), encoder, self.manifest.background, prompt, progress)

    @property
    def engine(self) -> Engine:
        """What runs the graph."""
        return self._engine

    def with_engine(self, engine: Engine) -> "Detector":
        """Another detector that does the same over another `engine` of the same graph."""
        other = copy(self)
        other._engine = engine
        return other

    def __repr__(self) -> str:
        shown = ", ".join(self.words[:5]) + (", ..." if len(self.words) > 5 else "")
        return f"Detector({self.manifest.name}, {counted(len(self.words), 'word')}: {shown})"

    def detect(
        self,
        images: Images,
        *,
        words: Words | Sequence[Words] | None = None,
        conf: float | None = None,
        iou: float | None = None,
        size: int | None = None,
        max_detections: int = DetectSettings.max_detections,
        max_candidates: int | None = None,
        classes: Classes | None = None,
        agnostic: bool = False,
        colour: Colour = "bgr",
    ) -> Detections | list[Detections]:
        """What is in `images`: one picture gives Detections; a list, folder or pattern gives a list in the same order.

        A picture is a path, address, bytes of a file, NumPy array (H, W), (H, W, 3) or (H, W, 4), or Pillow image; "-" is
        standard input. Arrays are read as `colour`, "bgr" as OpenCV gives them unless told.
        `words` are for all pictures, or a list of lists, one a picture.
        In a list, what cannot be read is an entry with `.error`; a lone picture that cannot be read raises ImageError.
        `conf`, `iou` and `size` are the model's own where None. Only labels of `classes` count, by name or position, where it is given;
        with `agnostic` the lower of two overlapping boxes goes whatever their labels. Boxes are xyxy float32 in pixels of the upright
        picture; `dropped` counts what did not become one.
        Raises InputError (SourceError, ImageError, VocabularyError) or EngineError.
        """
        sources = _found(images, colour)
        settings = DetectSettings(
            conf=conf,
            iou=iou,
            size=size,
            max_detections=max_detections,
            max_candidates=max_candidates,
            classes=classes,
            agnostic=agnostic,
        )
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
        max_candidates: int | None = None,
        classes: Classes | None = None,
        agnostic: bool = False,
        colour: Colour = "bgr",
    ) -> Iterator[Detections]:
        """The same as `detect` on a list, one Detections at a time, holding a few pictures in memory however many there are."""
        settings = DetectSettings(
            conf=conf,
            iou=iou,
            size=size,
            max_detections=max_detections,
            max_candidates=max_candidates,
            classes=classes,
            agnostic=agnostic,
        )
        return self.run(_found(images, colour).items, words, settings)

    def run(
        self,
        sources: Sequence[Source],
        words: Words | Sequence[Words] | None,
        settings: DetectSettings,
        *,
        keep: bool = False,
        placements: Sequence[Placement | None] | None = None,
        resample: Resample = "linear",
    ) -> Iterator[Detections]:
        """Detections of `sources` in order, `BATCH` pictures read ahead. What is wrong with the settings is said at once.

        With `keep` each holds its pixels for drawing; otherwise its source is read again for that. `placements` say how each picture lies
        on its canvas, in place of the size; None among them leaves it to the size.
        """
        self._size(settings.size)
        settings = settled(settings, self.manifest)
        vocabularies = self._vocabularies(words, len(sources))
        wanted = self._wanted(vocabularies, settings)
        each = zip(sources, vocabularies, placements or [None] * len(sources), strict=True)
        pending = (_Task(source, vocabulary, wanted[id(vocabulary)], placed, resample) for source, vocabulary, placed in each)
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
                found[position] = Detections.failed(task.source.name, error)
        most = self._engine.inputs["images"].shape[0] or BATCH
        for shape, group in groups.items():
            fixed = self._engine.inputs["images"].shape[0] is not None  # then a smaller batch is filled up and saves nothing
            whole: list[EmbeddedVocabulary | None] = [None if fixed else canvas.task.vocabulary for _, canvas in group]
            for together in runs(whole, shape, most):
                part = group[together]
                answers = self._run_group([canvas for _, canvas in part], settings)
                found.update(zip((i for i, _ in part), answers, strict=True))
        return [found[position] for position in range(len(batch))]

    def _canvas(self, task: _Task, settings: DetectSettings, keep: bool) -> _Canvas:
        wanted, picture = self.manifest.preprocessing, task.source.read()
        height, width = picture.pixels.shape[:2]
        placement = task.placement or place((height, width), self._size(settings.size), wanted.stride)
        kept = partial(_given, picture.pixels) if keep else partial(_read_again, task.source)
        pixels = letterbox(picture.pixels, placement, wanted.padding, task.resample)
        return _Canvas(task, pixels, placement, picture.notes, kept)

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
        if "iou" in self._engine.inputs:
            feeds["iou"] = np.array(1, np.float32)  # suppression inside the graph drops nothing then: it is done and counted here
        vocabularies = [canvas.task.vocabulary for canvas in full if canvas.task.vocabulary is not None]
        if vocabularies:
            feeds |= padded(vocabularies)
        shortlist = self._engine.run(feeds)
        return [self._detections(shortlist, row, canvas, settings) for row, canvas in enumerate(group)]

    def _detections(self, shortlist: Mapping[str, Array], row: int, canvas: _Canvas, settings: DetectSettings) -> Detections:
        task, notes = canvas.task, canvas.notes
        vocabulary = task.vocabulary
        owners = None if vocabulary is None or vocabulary.one_to_one else vocabulary.owners
        boxes, scores, labels, dropped = select(shortlist, row, owners, task.wanted, canvas.placement, settings)
        if dropped.beyond_limit:
            notes += (
                f"the best {settings.max_detections} boxes were kept, and there are {dropped.beyond_limit} more; "
                "raise max_detections or conf to lose none",
            )
        if int(shortlist["count"][row]) == settings.max_candidates:
            before = "" if task.wanted is None else ", before classes were chosen among them"
            notes += (
                f"the cap of {settings.max_candidates} candidates was reached{before}, the words of {int(shortlist['rows_passed'][row])} "
                "places passed the threshold; raise max_candidates or conf to lose none",
            )
        image, name = canvas.placement.image, task.source.name
        return Detections(
            boxes, scores, labels, self._labels(vocabulary), image, name, notes=notes, picture=canvas.picture, dropped=dropped
        )

    def _labels(self, vocabulary: EmbeddedVocabulary | None) -> tuple[str, ...]:
        return self.manifest.names if vocabulary is None else vocabulary.labels

    def _wanted(self, vocabularies: Iterable[EmbeddedVocabulary | None], settings: DetectSettings) -> dict[int, NDArray[np.bool_] | None]:
        """Which labels count, by the id of each vocabulary: many pictures share one."""
        different = {id(vocabulary): vocabulary for vocabulary in vocabularies}
        if settings.classes is None:
            return dict.fromkeys(different)
        return {key: chosen(settings.entries, self._labels(vocabulary)) for key, vocabulary in different.items()}

    def _vocabularies(self, words: Words | Sequence[Words] | None, count: int) -> Sequence[EmbeddedVocabulary | None]:
        """What to look for in each of `count` pictures."""
        if words is None:
            return [self.vocabulary] * count
        if is_one_each(words):
            if len(words) != count:
                raise VocabularyError(f"found {len(words)} lists of words for {count} pictures, expected one a picture, or one for all")
            return [self.vocabulary if one is None else self._embedded(one) for one in words]
        return [self._embedded(cast(Words, words))] * count

    def _embedded(self, words: Words | None) -> EmbeddedVocabulary | None:
        if words is None:
            return None
        encoder = self._own_encoder()
        if files.is_file(words):
            where, given = str(words), files.load(Path(str(words).strip()))
        elif isinstance(words, EmbeddedVocabulary):
            where, given = "the vocabulary", words
        else:
            return self.encode(words)
        check_fits(given, encoder.identity, encoder.width, where)
        return behind(given, self.manifest.background, encoder)

    def _own_encoder(self) -> TextEncoder:
        if self.manifest.open and self._encoder is not None:
            return self._encoder
        if self.manifest.open:
            raise VocabularyError(f"{self.manifest.name} takes words, and was given no text encoder for them; wordbox.load finds it")
        names = ", ".join(self.manifest.names[:10]) + (", ..." if len(self.manifest.names) > 10 else "")
        raise VocabularyError(
            f"{self.manifest.name} has fixed classes ({names}) and takes no words; leave them out, or choose among its own with classes"
        )


def settled(settings: Settings, manifest: Manifest) -> Settings:
    """The same settings with the model's own thresholds, and the usual cap, where they name none."""
    own = manifest.thresholds
    return replace(
        settings,
        max_candidates=MAX_CANDIDATES if settings.max_candidates is None else settings.max_candidates,
        conf=own.conf if settings.conf is None else settings.conf,
        iou=own.iou if settings.iou is None else settings.iou,
    )


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
