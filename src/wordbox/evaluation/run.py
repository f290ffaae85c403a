"""A detector measured on labelled pictures."""

import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from wordbox.data.pictures import upright_size
from wordbox.data.records import Dataset, Record
from wordbox.detection.classes import chosen
from wordbox.detection.detections import Detections, Dropped
from wordbox.detection.detector import settled
from wordbox.errors import DatasetError
from wordbox.evaluation.coco import MAX_DETECTIONS, figures, scorer_module
from wordbox.evaluation.protocols import placements, protocol_of
from wordbox.evaluation.report import Failure, Report
from wordbox.geometry.frames import Placement
from wordbox.images.letterbox import Resample
from wordbox.images.sources import Source, find
from wordbox.manifest import Manifest
from wordbox.settings import DetectSettings, EvaluateSettings
from wordbox.vocabulary.words import word_key

MAX_CANDIDATES = 3000
"""Candidates that leave the network where neither settings nor protocol say otherwise."""
SHOWN = 20
"""How many names or notes are written out before the rest is only counted; the report itself lists all names."""


class Finder(Protocol):
    """What is measured: a Detector, or anything else that names boxes."""

    @property
    def manifest(self) -> Manifest:
        """Its size and thresholds, where the settings name none."""
        ...

    @property
    def words(self) -> tuple[str, ...]:
        """What it looks for."""
        ...

    def run(
        self,
        sources: Sequence[Source],
        words: None,
        settings: DetectSettings,
        *,
        placements: Sequence[Placement | None] | None,
        resample: Resample,
    ) -> Iterator[Detections]:
        """What it finds, an entry for each picture, in order."""
        ...


def evaluate(
    detector: Finder,
    dataset: Dataset,
    *,
    settings: EvaluateSettings = EvaluateSettings(),  # noqa: B008 - frozen
    progress: Callable[[int], None] | None = None,
) -> Report:
    """How well the detector finds what the dataset marks, by COCO's rules.

    Pictures are laid before the network as `settings.protocol` says. Classes of the data and words of the model are matched by name, case
    and spaces aside. What has no partner counts neither way and is named in the report. Pictures that cannot be read count as pictures
    without finds and are named too. `progress` is told how many pictures are done. Raises DatasetError where there are no pictures, none
    can be read, or no name matches; MissingExtraError without the extra `evaluate`.
    """
    started = time.perf_counter()
    if not dataset.records:
        raise DatasetError(f"{dataset.source}: there is no picture in it, so nothing can be measured")
    settings = _settled(settings, detector.manifest)
    asked = detector.words
    if settings.classes is not None:
        asked = tuple(word for word, wanted in zip(asked, chosen(settings.entries, asked).tolist(), strict=True) if wanted)
    matched = _matched(dataset.names, asked)
    classes = sorted(set(matched.values()))
    if not classes:
        raise DatasetError(
            f"{dataset.source}: none of its classes is among the words of the model; the classes are {_listed(dataset.names)}; "
            f"the words are {_listed(asked)}; {'give the classes as words, or ' if detector.manifest.open else ''}use other weights"
        )
    scorer_module()  # a missing extra is said now, not after an hour of detection
    found = _found(detector, dataset, matched, settings, progress)
    failed = tuple(Failure(one.source, str(one.error)) for one in found if one.error is not None)
    if len(failed) == len(found):
        raise DatasetError(f"{dataset.source}: none of its {len(found)} pictures can be read, the first because: {failed[0].error}")
    metrics, per_class = figures(dataset.names, dataset.records, found, classes)
    only_data = tuple(name for label, name in enumerate(dataset.names) if label not in classes)
    only_model = tuple(word for word in asked if word not in matched)
    return Report(
        metrics=metrics,
        per_class=per_class,
        images=len(found),
        boxes=sum(entry.boxes for entry in per_class.values()),
        only_data=only_data,
        only_model=only_model,
        notes=(
            *dataset.notes,
            *_notes_on_names(dataset, only_data, only_model, settings.classes is not None),
            *_notes_on_failures(failed, len(found)),
            *_notes_on_sizes(dataset.records, found),
            *_notes_on_pictures(found),
            *_notes_on_crowding(dataset, classes),
        ),
        failed=failed,
        settings=settings,
        dropped=sum((one.dropped for one in found), Dropped()),
        seconds=time.perf_counter() - started,
    )


def _matched(names: Sequence[str], words: Sequence[str]) -> dict[str, int]:
    """The position of its class for each word that has one."""
    position = {word_key(name): label for label, name in enumerate(names)}
    return {word: position[word_key(word)] for word in words if word_key(word) in position}


def _settled(settings: EvaluateSettings, manifest: Manifest) -> EvaluateSettings:
    """The same with the protocol's and then the model's own values for what they leave open."""
    protocol, own = protocol_of(settings.protocol), manifest.preprocessing.size
    iou = protocol.iou if settings.iou is None and protocol is not None else settings.iou
    size = own if settings.size is None and isinstance(own, int) else settings.size
    most = MAX_CANDIDATES if protocol is None else protocol.candidates
    most = most if settings.max_candidates is None else settings.max_candidates
    return settled(replace(settings, iou=iou, size=size, max_candidates=most), manifest)


def _found(
    detector: Finder, dataset: Dataset, matched: Mapping[str, int], settings: EvaluateSettings, progress: Callable[[int], None] | None
) -> list[Detections]:
    """What the detector finds in each record, in the data's names and without the pictures."""
    # Absolute, because a picture may have a name that means something else alone, such as "-".
    sources = find([record.path.absolute() for record in dataset.records]).items
    if len(sources) != len(dataset.records):
        raise DatasetError(f"{dataset.source}: one of its file names leads to more or less than one picture; expected pictures only")
    protocol, order = protocol_of(settings.protocol), list(range(len(sources)))
    placed: list[Placement | None] | None = None
    if protocol is not None:
        wanted = detector.manifest.preprocessing
        sizes = [upright_size(record.path) for record in dataset.records]
        layout = placements(protocol, sizes, settings.size or wanted.size, wanted.stride)
        order.sort(key=lambda position: (0, 0) if (one := layout[position]) is None else one.canvas)  # equal canvases run together
        placed = [layout[position] for position in order]
    answers = detector.run(
        [sources[position] for position in order],
        None,
        settings,
        placements=placed,
        resample="linear" if protocol is None else protocol.resample,
    )
    found: dict[int, Detections] = {}
    for position, one in zip(order, answers, strict=True):
        found[position] = _in_names(one, str(dataset.records[position].path), dataset.names, matched)
        if progress is not None:
            progress(len(found))
    return [found[position] for position in range(len(sources))]


def _in_names(found: Detections, source: str, names: tuple[str, ...], matched: Mapping[str, int]) -> Detections:
    """The same finds with the data's names for words, without those that have none."""
    label_of = np.array([matched.get(word, -1) for word in found.words], np.int64)
    labels = label_of[found.labels] if len(found) else found.labels
    kept = labels >= 0
    return replace(found[kept], labels=labels[kept], words=names, source=source, picture=None)


def _notes_on_names(dataset: Dataset, only_data: Sequence[str], only_model: Sequence[str], chosen_ones: bool) -> Iterator[str]:
    if only_data:
        every = np.concatenate([record.labels[~record.crowd] for record in dataset.records])
        boxes = dict(zip(dataset.names, np.bincount(every, minlength=len(dataset.names)).tolist(), strict=True))
        listed = _listed([f"{name} ({boxes[name]} box{'' if boxes[name] == 1 else 'es'})" for name in only_data])
        why = "that were not chosen or are no words of the model" if chosen_ones else "that are no words of the model"
        yield f"classes of the data {why}, left out of every figure: {listed}"
    if only_model:
        yield f"words of the model that are no classes of the data, whose finds do not count: {_listed(only_model)}"


def _notes_on_failures(failed: Sequence[Failure], count: int) -> Iterator[str]:
    if failed:
        listed = _listed([one.source for one in failed])
        reason = f"the first because: {failed[0].error}"
        yield f"{len(failed)} of {count} pictures cannot be read and count as pictures without finds: {listed}; {reason}"


def _notes_on_sizes(records: Sequence[Record], found: Sequence[Detections]) -> Iterator[str]:
    """Where a picture is not as large as the labels say, its boxes may be those of another one."""
    differ = [
        f"{record.path} is {_size(one.image_size)}, in the labels {_size(record.size)}"
        for record, one in zip(records, found, strict=True)
        if one.error is None and record.size != (0, 0) and record.size != one.image_size
    ]
    if differ:
        count = f"{len(differ)} of {len(found)} pictures"
        yield f"{count} are not as large as the labels say (width x height), boxes are compared as they are: {differ[0]}"


def _notes_on_pictures(found: Sequence[Detections]) -> Iterator[str]:
    """What the detector said of single pictures: notes that differ in numbers alone are told once, with their count."""
    alike: dict[str, list[str]] = {}
    for one in found:
        for note in one.notes:
            alike.setdefault(re.sub(r"\d+", "0", note.replace(one.source, "")), []).append(f"{one.source}: {note}")
    for notes in alike.values():
        yield notes[0] + (f" (and {len(notes) - 1} more pictures)" if len(notes) > 1 else "")


def _notes_on_crowding(dataset: Dataset, classes: Sequence[int]) -> Iterator[str]:
    def most(record: Record) -> int:
        return int(np.bincount(record.labels[~record.crowd], minlength=len(dataset.names))[classes].max())

    full = [str(record.path) for record in dataset.records if len(record.labels) > MAX_DETECTIONS and most(record) > MAX_DETECTIONS]
    if full:
        yield (
            f"{len(full)} of {len(dataset.records)} pictures have more than {MAX_DETECTIONS} boxes of one class, and COCO counts no "
            f"more finds of a class in a picture, so these cannot reach 1: {_listed(full)}"
        )


def _size(size: tuple[int, int]) -> str:
    height, width = size
    return f"{width} x {height}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
