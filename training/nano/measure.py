"""Measure a model on words: python training/nano/measure.py instances.json bus.jpg [--weights FILE].

Prints the figures of the model card: AP and AP50 of COCO's 80 names and AP50 of each, the share of their AP50 that thirty names keep
under another word, the names behind adjectives that the solve never saw, the best score of phrases on one photo of a bus, and F1 by
threshold, by which the default one was chosen. It takes several minutes.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

import numpy as np

import wordbox
from wordbox.api import read_dataset
from wordbox.data.records import Dataset
from wordbox.detection.detections import Detections
from wordbox.detection.detector import Detector
from wordbox.evaluation.report import Report
from wordbox.geometry.boxes import overlaps

# Thirty names and words for them that stand neither in the list of synonyms nor in the solve.
THIRTY = {
    "person": "human", "bicycle": "bike", "car": "automobile", "motorcycle": "motorbike", "airplane": "plane", "bus": "coach",
    "train": "locomotive", "truck": "lorry", "boat": "ship", "dog": "puppy", "cat": "kitten", "couch": "sofa", "tv": "television",
    "cell phone": "mobile phone", "dining table": "table", "sports ball": "ball", "cup": "mug", "laptop": "notebook computer",
    "refrigerator": "fridge", "sheep": "lamb", "cow": "cattle", "handbag": "purse", "donut": "doughnut", "wine glass": "goblet",
    "potted plant": "houseplant", "toilet": "lavatory", "horse": "pony", "umbrella": "parasol", "bench": "park bench",
    "backpack": "rucksack",
}  # fmt: skip
UNSEEN_ADJECTIVES = ("green", "huge", "expensive")
COLUMNS = 4
BUS_PHRASES = ("bus", "a bus", "the bus", "buses", "red bus", "zebra")


def share(by_name: Report, swapped: Report, names: Mapping[str, str]) -> float:
    """Mean AP50 of `names` under other words, over that under their own."""
    own, other = (mean(report.per_class[name].AP50 or 0.0 for name in names) for report in (by_name, swapped))
    return other / own


def print_by_word(report: Report) -> None:
    """A table of AP50, best word first."""
    rows = sorted(report.per_class.items(), key=lambda item: item[1].AP50 or 0.0, reverse=True)
    cells = [f"{name} | {figures.AP50 or 0.0:.2f}" for name, figures in rows]
    print("| word | AP50 " * COLUMNS + "|\n" + "|---|---" * COLUMNS + "|")
    for i in range(0, len(cells), COLUMNS):
        print("| " + " | ".join(cells[i : i + COLUMNS]) + " |")


def print_f1(detector: Detector, dataset: Dataset) -> None:
    """F1 of all boxes together, at an overlap of 0.5, by threshold; each find takes the best free box of its label."""
    scores, hits, boxes = [], [], 0
    for record, found in zip(dataset.records, detector.stream([record.path for record in dataset.records], conf=0.2), strict=True):
        overlap = np.where(record.labels[None] == found.labels[:, None], overlaps(found.boxes, record.boxes), 0)
        boxes += int((~record.crowd).sum())
        for i in range(len(found)):
            fits = np.flatnonzero(overlap[i] >= 0.5)
            if len(fits) and record.crowd[fits].all():
                continue  # inside a crowd: counts neither way
            free = fits[~record.crowd[fits]]
            scores.append(found.scores[i])
            hits.append(len(free) > 0)
            if len(free):
                overlap[:, free[overlap[i, free].argmax()]] = 0
    score, hit = np.array(scores), np.array(hits)
    for conf in (0.25, 0.3, 0.35, 0.4, 0.45):
        print(f"threshold {conf}: F1 {2 * hit[score > conf].sum() / ((score > conf).sum() + boxes):.3f}")


def main() -> None:
    """Print the figures of one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("bus", type=Path)
    parser.add_argument("--weights", type=Path)
    asked = parser.parse_args()
    detector = wordbox.load(asked.weights)

    dataset = read_dataset(asked.labels)
    by_name = wordbox.evaluate(detector, dataset)
    print(f"80 names: AP {by_name.metrics['AP']:.4f}  AP50 {by_name.metrics['AP50']:.4f}")
    print_by_word(by_name)
    swapped = wordbox.evaluate(detector, dataset, words={name: THIRTY.get(name, name) for name in detector.words})
    print(f"thirty under another word keep {share(by_name, swapped, THIRTY):.3f} of their AP50")
    for adjective in UNSEEN_ADJECTIVES:
        behind = wordbox.evaluate(detector, dataset, words={name: f"{adjective} {name}" for name in detector.words})
        print(f"behind {adjective!r}: AP50 {behind.metrics['AP50']:.4f}")
    for phrase in BUS_PHRASES:
        found = detector.detect(asked.bus, words=[phrase], conf=0.01)
        best = max((d.score for d in found), default=0.0) if isinstance(found, Detections) else 0.0
        print(f"{phrase!r} on {asked.bus.name}: {best:.2f}")
    print_f1(detector, dataset)


if __name__ == "__main__":
    main()
