"""What a report says can be written as JSON and printed as a table."""

import json

from wordbox.detection.detections import Dropped
from wordbox.evaluation.report import METRICS, ClassFigures, Failure, Report
from wordbox.settings import EvaluateSettings

REPORT = Report(
    metrics={**dict.fromkeys(METRICS, 0.25), "APs": None},
    per_class={"red": ClassFigures(0.1, 0.2, 3), "green": ClassFigures(None, None, 0), "blue": ClassFigures(0.4, 0.5678, 5)},
    images=3,
    boxes=8,
    only_data=("helmet",),
    only_model=("white", "black"),
    notes=("one",),
    failed=(Failure("b.png", "cut off"),),
    settings=EvaluateSettings(protocol="yolov5", size=640, iou=0.6, classes=["red"]),
    dropped=Dropped(overlapping=7),
    seconds=1.23456,
)


def test_json_has_the_nine_figures_at_the_top() -> None:
    answer = json.loads(json.dumps(REPORT.to_dict(), allow_nan=False))
    assert tuple(answer)[:9] == METRICS
    assert (answer["AP"], answer["APs"]) == (0.25, None)
    assert answer["per_class"]["blue"] == {"AP": 0.4, "AP50": 0.5678, "boxes": 5}
    assert answer["unmatched"] == {"data": ["helmet"], "model": ["white", "black"]}
    assert answer["failed"] == [{"source": "b.png", "error": "cut off"}]
    assert (answer["images"], answer["boxes"], answer["notes"], answer["seconds"]) == (3, 8, ["one"], 1.235)
    assert {name: answer["settings"][name] for name in ("protocol", "size", "conf", "iou")} == {
        "protocol": "yolov5",
        "size": 640,
        "conf": 0.001,
        "iou": 0.6,
    }
    assert answer["settings"]["classes"] == ["red"]
    assert answer["dropped"]["overlapping"] == 7


def test_the_conditions_are_a_sentence() -> None:
    assert REPORT.conditions == "protocol yolov5, size 640, conf 0.001, iou 0.6, at most 300 boxes a picture"


def test_table_has_all_first_and_the_best_next() -> None:
    assert REPORT.table() == [
        ("class", "boxes", "AP", "AP50"),
        ("all", "8", "0.250", "0.250"),
        ("blue", "5", "0.400", "0.568"),
        ("red", "3", "0.100", "0.200"),
        ("green", "0", "-", "-"),
    ]
