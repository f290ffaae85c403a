"""The call that people know from the transformers library: pictures and candidate labels in, plain dictionaries out."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np

from wordbox import api
from wordbox.detection.detector import BATCH, MAX_CANDIDATES, Detector
from wordbox.errors import InputError, VocabularyError
from wordbox.images.download import download
from wordbox.images.read import Picture, decode
from wordbox.images.sources import ImageInput, Source, find
from wordbox.settings import DetectSettings
from wordbox.vocabulary import files
from wordbox.vocabulary.words import EmbeddedVocabulary, Vocabulary, Words

logger = logging.getLogger("wordbox")

TASK = "zero-shot-object-detection"
"""The one task that is here."""
THRESHOLD = 0.1
"""Least score of a box where nothing is said, as transformers has it."""

Found: TypeAlias = list[dict[str, Any]]
"""What is in one picture, best first."""
Given = ImageInput | Mapping[str, Any]
"""A picture, or a dictionary of "image" and "candidate_labels"."""

_DAY = 86_400
_DEVICES = {"None": "cpu", "-1": "cpu", "cpu": "cpu", "0": "cuda", "cuda": "cuda", "cuda:0": "cuda"}
_OWN_PARTS = "a model file of Wordbox's brings its own"
_NO_HUB = "nothing is downloaded; model is a file, or a published name whose file is here"
_LOADED = "give model=wordbox.load(...), which chooses it"
_REFUSED = {
    **dict.fromkeys(("config", "tokenizer", "feature_extractor", "image_processor", "processor", "use_fast"), _OWN_PARTS),
    **dict.fromkeys(("revision", "token", "use_auth_token"), _NO_HUB),
    **dict.fromkeys(("framework", "device_map", "dtype", "torch_dtype", "model_kwargs"), _LOADED),
    **dict.fromkeys(("text_encoder", "background", "engine", "precision", "threads", "synonyms", "spec"), _LOADED),
    "trust_remote_code": "nothing in a model file is run",
    "pipeline_class": "there is one class only",
    **dict.fromkeys(("batch_size", "num_workers"), "pictures of like shape run together as it is"),
}
"""What the function of that name in transformers takes, or `wordbox.load`, and why it is not taken here."""


def pipeline(
    task: str | None = TASK,
    model: str | Path | Detector | None = None,
    *,
    device: object = None,
    threshold: float = THRESHOLD,
    top_k: int | None = None,
    timeout: float | None = None,
    **others: Any,
) -> "ZeroShotObjectDetectionPipeline":
    """The transformers pipeline "zero-shot-object-detection" over a Wordbox model, called and answering as that one does.

        >>> import wordbox
        >>> detector = wordbox.pipeline("zero-shot-object-detection")
        >>> detector("street.jpg", candidate_labels=["person", "red bus"])  # doctest: +SKIP
        [{'score': 0.71, 'label': 'person', 'box': {'xmin': 12, 'ymin': 40, 'xmax': 96, 'ymax': 310}}]

    `model` is what `wordbox.load` takes, or a Detector; wordbox-nano where nothing is named. `device` is "cpu", "cuda", -1 (the processor)
    or 0 (the first NVIDIA card). `threshold`, `top_k` and `timeout` hold for every call that says nothing else. The threshold of 0.1 is
    transformers' own: wordbox-nano's is 0.35, so that with nothing said here come boxes that `Detector.detect` would not give; pass
    `threshold=0.35` for what that gives. Other arguments of the transformers function are refused, each with what to do instead.
    Raises InputError, and what `wordbox.load` raises.
    """
    if task not in (TASK, None):
        raise InputError(f"found the task {task!r}, expected {TASK!r}, the only one that is here")
    _refuse(others, "task, model, device, threshold, top_k or timeout")
    choice = _Choice(threshold, top_k, timeout)
    if isinstance(model, Detector):
        if device is not None:
            raise InputError(f"found device {device!r} beside a Detector, which runs where it was loaded; give one of the two")
        detector = model
    elif str(device) in _DEVICES:
        detector = api.load(model, device=_DEVICES[str(device)])
    else:
        raise InputError(f"found device {device!r}, expected 'cpu' or -1, 'cuda' or 0; for others, {_LOADED}")
    return ZeroShotObjectDetectionPipeline(detector, choice)


def _refuse(others: Mapping[str, Any], expected: str) -> None:
    """Raise InputError for arguments that are not taken here; None counts as left out, as transformers has it."""
    for name, value in others.items():
        if name not in _REFUSED:
            raise InputError(f"found the argument {name}, expected {expected}; leave it out")
        if value is not None:
            raise InputError(f"found {name}={value!r:.80}, expected none: {_REFUSED[name]}; leave it out")


@dataclass(frozen=True)
class _Choice:
    """What of the found is given, and how long an address may take."""

    threshold: float
    top_k: int | None
    timeout: float | None

    def __post_init__(self) -> None:
        if not (isinstance(self.threshold, Real) and 0 <= float(self.threshold) <= 1):
            raise InputError(f"threshold is {self.threshold!r}, expected a number from 0 to 1")
        if not (self.top_k is None or (isinstance(self.top_k, Integral) and self.top_k >= 1)):
            raise InputError(f"top_k is {self.top_k!r}, expected a whole number from 1, or None for all")
        if not (self.timeout is None or (isinstance(self.timeout, Real) and 0 < float(self.timeout) <= _DAY)):
            raise InputError(f"timeout is {self.timeout!r}, expected seconds, above 0 and up to {_DAY}, or None for the usual")


class ZeroShotObjectDetectionPipeline:
    """What `wordbox.pipeline` gives: call it with pictures and labels."""

    task = TASK

    def __init__(self, detector: Detector, choice: _Choice) -> None:
        self.detector = detector
        """What finds."""
        self._choice = choice

    def __repr__(self) -> str:
        return f"ZeroShotObjectDetectionPipeline({self.detector!r})"

    def __call__(
        self,
        image: Given | Iterable[Given],
        candidate_labels: Words | Sequence[Words] | None = None,
        *,
        threshold: float | None = None,
        top_k: int | None = None,
        timeout: float | None = None,
        **others: Any,
    ) -> Found | list[Found] | Iterator[Found]:
        """What is in `image`: [{"score": float, "label": str, "box": {"xmin": int, "ymin": int, "xmax": int, "ymax": int}}], best first.

        `image` is a path, an address, the bytes of a file, a Pillow image, or {"image": one of these, "candidate_labels": its labels};
        of several, in a list, folder or pattern, a list of such lists is given, and of an iterator an iterator of them.
        `candidate_labels` are the labels, a list or a string with commas, or a list of such lists, one a picture; the model's own where
        None. Boxes are whole pixels, cut off after the point, of the upright picture. `threshold` is the least score, `top_k` the most
        boxes a picture, `timeout` the seconds that an address may take (30 where nothing is said); left out, or None, they are the
        pipeline's own.

        Unlike transformers, which runs its network once for each label, this runs once for all, drops overlapping boxes of a label, and
        takes a flat list of labels for each of several pictures as a whole, where transformers would deal them out, one a picture.
        Raises InputError (SourceError, ImageError, VocabularyError), also where one picture of several cannot be read.
        """
        _refuse(others, "image, candidate_labels, threshold, top_k or timeout")
        own = self._choice
        choice = _Choice(
            own.threshold if threshold is None else threshold,
            own.top_k if top_k is None else top_k,
            own.timeout if timeout is None else timeout,
        )
        if isinstance(image, Iterator):
            return self._streamed(image, candidate_labels, choice)
        if isinstance(image, list | tuple):
            return self._each(image, candidate_labels, choice)
        if isinstance(image, Mapping):
            return self._each([image], candidate_labels, choice)[0]
        found = find(_checked(image))
        for note in found.notes:
            logger.warning("%s", note)
        answers = self._run(found.items, _for_each(candidate_labels, len(found.items)), choice)
        return answers[0] if found.single else answers

    def _streamed(self, images: Iterator[Given], labels: Any, choice: _Choice) -> Iterator[Found]:
        for part in iter(lambda: list(islice(images, BATCH)), []):
            yield from self._each(part, labels, choice)

    def _each(self, images: Sequence[Given], labels: Any, choice: _Choice) -> list[Found]:
        """The answers for a list, of which each item is one picture."""
        if not images:
            raise InputError("the list of pictures is empty, expected at least one")
        sources, words = [], []
        for i, (given, wanted) in enumerate(zip(images, _for_each(labels, len(images)), strict=True)):
            image = given
            if isinstance(given, Mapping):
                image, wanted = _opened(given, wanted, i)
            found = find(_checked(image))
            if not found.single:
                raise InputError(f"found {len(found.items)} pictures at position {i} of the list, {image!r}, expected one")
            sources.append(found.items[0])
            words.append(wanted)
        return self._run(sources, words, choice)

    def _run(self, sources: Sequence[Source], labels: Sequence[Words | None], choice: _Choice) -> list[Found]:
        manifest, words = self.detector.manifest, [_vocabulary(one) for one in labels]
        if not manifest.open and any(one is not None for one in words):
            own = ", ".join(manifest.names[:5]) + (", ..." if len(manifest.names) > 5 else "")
            raise VocabularyError(f"{manifest.name} finds its own labels only ({own}); leave candidate_labels out, or take an open model")
        asked = words[0] if all(one == words[0] for one in words) else cast("Sequence[Words]", words)
        settings = DetectSettings(conf=choice.threshold, max_detections=MAX_CANDIDATES)
        answers = []
        for found in self.detector.run([_within(one, choice.timeout) for one in sources], asked, settings):
            if found.error is not None:
                raise found.error
            for note in found.notes:
                logger.warning("%s: %s", found.source, note)
            answers.append(found[: choice.top_k].to_transformers())
        return answers


def _opened(given: Mapping[str, Any], labels: Any, place: int) -> tuple[ImageInput, Any]:
    """Picture and labels of a dictionary; `labels` stand in where it has none."""
    if "image" not in given or set(given) - {"image", "candidate_labels"}:
        raise InputError(f"found a dictionary of {list(given)} at position {place}, expected 'image' and 'candidate_labels'")
    if "candidate_labels" not in given:
        return given["image"], labels
    if labels is not None:
        raise InputError(f"found candidate_labels beside those of the dictionary at position {place}, expected one of the two")
    return given["image"], given["candidate_labels"]


def _checked(image: object) -> ImageInput:
    """An array does not say whether it is RGB, as transformers' users have it, or BGR, as OpenCV's."""
    if isinstance(image, np.ndarray):
        raise InputError("found an array, expected a path, an address, bytes or a Pillow image; Image.fromarray makes one of RGB")
    return cast(ImageInput, image)


def _for_each(labels: Any, count: int) -> Sequence[Words | None]:
    """The labels of each of `count` pictures."""
    if not (isinstance(labels, list | tuple) and labels and all(isinstance(one, list | tuple) for one in labels)):
        return [labels] * count
    if len(labels) != count:
        raise VocabularyError(f"found {len(labels)} lists of candidate_labels for {count} pictures, expected one a picture, or one for all")
    return labels


def _vocabulary(words: Words | None) -> Vocabulary | EmbeddedVocabulary | Path | None:
    """In a form that is one picture's labels without doubt."""
    if words is None or isinstance(words, EmbeddedVocabulary):
        return words
    return Path(str(words).strip()) if files.is_file(words) else Vocabulary(words)


def _within(source: Source, seconds: float | None) -> Source:
    """The same picture, whose address may take so long."""
    if seconds is None or not source.name.lower().startswith(("http://", "https://")):
        return source
    return Source(source.name, partial(_fetched, source.name, seconds))


def _fetched(address: str, seconds: float) -> Picture:
    return decode(download(address, seconds=seconds), name=address)
