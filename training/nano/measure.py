"""Measure a model on words: python training/nano/measure.py instances.json bus.jpg [--weights FILE].

Prints the row of the model card: AP and AP50 of COCO's 80 names, the share of their AP50 that thirty names keep under another word,
the names behind adjectives that the solve never saw, and the best score of phrases on one photo of a bus. It takes a few minutes.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from statistics import mean

import wordbox
from wordbox.detection.detections import Detections
from wordbox.evaluation.report import Report

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
BUS_PHRASES = ("bus", "a bus", "the bus", "buses", "red bus", "zebra")


def share(by_name: Report, swapped: Report, names: Mapping[str, str]) -> float:
    """Mean AP50 of `names` under other words, over that under their own."""
    own, other = (mean(report.per_class[name].AP50 or 0.0 for name in names) for report in (by_name, swapped))
    return other / own


def main() -> None:
    """Print the figures of one model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("labels", type=Path)
    parser.add_argument("bus", type=Path)
    parser.add_argument("--weights", type=Path)
    asked = parser.parse_args()
    detector = wordbox.load(asked.weights)

    by_name = wordbox.evaluate(detector, asked.labels)
    print(f"80 names: AP {by_name.metrics['AP']:.4f}  AP50 {by_name.metrics['AP50']:.4f}")
    swapped = wordbox.evaluate(detector, asked.labels, words={name: THIRTY.get(name, name) for name in detector.words})
    print(f"thirty under another word keep {share(by_name, swapped, THIRTY):.3f} of their AP50")
    for adjective in UNSEEN_ADJECTIVES:
        behind = wordbox.evaluate(detector, asked.labels, words={name: f"{adjective} {name}" for name in detector.words})
        print(f"behind {adjective!r}: AP50 {behind.metrics['AP50']:.4f}")
    for phrase in BUS_PHRASES:
        found = detector.detect(asked.bus, words=[phrase], conf=0.01)
        best = max((d.score for d in found), default=0.0) if isinstance(found, Detections) else 0.0
        print(f"{phrase!r} on {asked.bus.name}: {best:.2f}")


if __name__ == "__main__":
    main()
