"""A measurement says what it measured: names are matched, and everything left out is named."""

import contextlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from wordbox.data.formats import coco
from wordbox.data.records import Dataset
from wordbox.errors import DatasetError, MissingExtraError, VocabularyError
from wordbox.evaluation.report import METRICS
from wordbox.evaluation.run import evaluate
from wordbox.images.sources import find
from wordbox.settings import EvaluateSettings

# Two marked things found with score 0.8, and a false alarm with 0.9 in a picture without objects: AP is 2/3. A lost picture, a lost,
# moved or renamed box, or one too many gives another figure.
A, B, C = (96, 96, 180, 180), (320, 256, 448, 352), (200, 400, 296, 496)
FINDS: dict[str, Any] = {"a.png": [("red", A, 0.8)], "b.png": [("red", B, 0.8)], "c.png": [("red", C, 0.9)]}
COLOURS = ("red", "green", "blue", "white", "black")
IMAGES = [(1, "a.png"), (2, "b.png"), (3, "c.png")]
CATEGORIES = [(1, "red"), (2, "green"), (3, "blue")]


def _note(number: int, image: Any, category: Any, box: tuple[float, ...], **more: Any) -> dict[str, Any]:
    x0, y0, x1, y1 = box
    about = {"id": number, "image_id": image, "category_id": category, "bbox": [x0, y0, x1 - x0, y1 - y0]}
    return {**about, "area": (x1 - x0) * (y1 - y0), "iscrowd": 0, **more}


PAIR = [_note(1, 1, 1, A), _note(2, 2, 1, B)]


def _data(
    folder: Path,
    annotations: Sequence[dict[str, Any]] = PAIR,
    images: Sequence[tuple[Any, str]] = IMAGES,
    categories: Sequence[tuple[Any, str]] = CATEGORIES,
) -> Dataset:
    """A labels file and its pictures, which the oracle never opens."""
    folder.mkdir(parents=True, exist_ok=True)
    for _, name in images:
        picture = folder / name.replace("\\", "/")
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(b"")
    content = {
        "images": [{"id": key, "file_name": name, "width": 640, "height": 640} for key, name in images],
        "categories": [{"id": key, "name": name} for key, name in categories],
        "annotations": annotations,
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return coco.read(folder / "instances.json")


CASES: dict[str, tuple[dict[str, Any], dict[str, float | None], list[str]]] = {
    "sparse category ids": (
        {"categories": [(90, "blue"), (3, "red"), (17, "green")], "annotations": [_note(1, 1, 3, A), _note(2, 2, 3, B)]},
        {"AP": 2 / 3},
        [],
    ),
    "parent category without boxes": ({"categories": [(0, "things"), *CATEGORIES]}, {"AP": 2 / 3}, ["things (0 boxes)"]),
    "unlabelled picture and unused categories": ({}, {"AP": 2 / 3}, []),
    "neither area nor iscrowd": (
        {"annotations": [{key: note[key] for key in ("id", "image_id", "category_id", "bbox")} for note in PAIR]},
        {"AP": 2 / 3, "APs": None, "APm": 0.5, "APl": 0.5},
        [],
    ),
    "crowd over the false alarm": (
        {"annotations": [*PAIR, _note(3, 3, 1, (160, 360, 360, 540), iscrowd=1, segmentation={"size": [9, 9], "counts": [81]})]},
        {"AP": 1.0},
        [],
    ),
    "box without width": ({"annotations": [*PAIR, _note(3, 2, 1, (500, 500, 500, 520))]}, {"AP": 2 / 3}, ["1 annotation (3 ", "no area"]),
    "folders in names": ({"images": [(1, "val/north/a.png"), (2, "val\\south\\b.png"), (3, "./val/c.png")]}, {"AP": 2 / 3}, []),
    "annotation id 0": ({"annotations": [_note(0, 1, 1, A), _note(1, 2, 1, B)]}, {"AP": 2 / 3}, []),
    "strangers": ({"annotations": [*PAIR, _note(3, 9991, 1, C), _note(4, 2, 7772, C)]}, {"AP": 2 / 3}, ["9991", "7772"]),
    "text ids": (
        {"images": [("a", "a.png"), ("b", "b.png"), ("c", "c.png")], "annotations": [_note(1, "a", 1, A), _note(2, "b", 1, B)]},
        {"AP": 2 / 3},
        [],
    ),
    "classes in another order": (
        {"categories": [(1, "blue"), (2, "green"), (3, "Red ")], "annotations": [_note(1, 1, 3, A), _note(2, 2, 3, B)]},
        {"AP": 2 / 3},
        [],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_labels_as_people_write_them(tmp_path: Path, oracle: Any, case: str) -> None:
    lists, expected, said = CASES[case]
    report = evaluate(oracle(FINDS, COLOURS), _data(tmp_path, **lists))
    for name, value in expected.items():
        assert report.metrics[name] == (None if value is None else pytest.approx(value, abs=1.5e-3))
    marked = [figures for figures in report.per_class.values() if figures.boxes]
    assert [figures.AP for figures in marked] == [pytest.approx(expected["AP"], abs=1.5e-3)]
    assert report.images == 3
    assert report.failed == ()
    for text in said:
        assert any(text in note for note in report.notes)
    assert not any("\n" in note for note in report.notes)


def test_equal_scores_go_by_picture_id(tmp_path: Path, oracle: Any) -> None:
    finds = {"hits.png": [("red", A, 0.9)], "misses.png": [("red", B, 0.9)]}
    for folder, ids, expected in (("first", (1, 2), 1.0), ("second", (20, 3), 0.5)):
        data = _data(tmp_path / folder, [_note(1, ids[0], 1, A)], list(zip(ids, ("hits.png", "misses.png"), strict=True)))
        assert evaluate(oracle(finds, ["red"]), data).metrics["AP"] == pytest.approx(expected)


def test_more_boxes_than_are_counted_is_said(tmp_path: Path, oracle: Any) -> None:
    boxes = [(16 * column + 2, 16 * row + 2, 16 * column + 14, 16 * row + 14) for row in range(4, 14) for column in range(5, 20)]
    data = _data(tmp_path, [_note(number, 1, 1, box) for number, box in enumerate(boxes)], [(1, "shelf.png")])
    report = evaluate(oracle({"shelf.png": [("red", box, 0.9) for box in boxes]}, COLOURS), data)
    # The figures of pycocotools: 100 of 150 at full precision is 67 of its 101 points.
    assert report.metrics["AP"] == pytest.approx(67 / 101)
    assert [report.metrics[name] for name in ("AR1", "AR10", "AR100")] == [pytest.approx(part / 150) for part in (1, 10, 100)]
    assert any("shelf.png" in note and "100" in note for note in report.notes)


def test_unmatched_names_are_left_out_and_named(tmp_path: Path, oracle: Any) -> None:
    data = _data(tmp_path, [*PAIR, _note(3, 3, 4, C)], categories=[*CATEGORIES, (4, "helmet")])
    report = evaluate(oracle(FINDS, COLOURS), data)
    assert report.metrics["AP"] == pytest.approx(2 / 3, abs=1.5e-3)
    assert report.only_data == ("helmet",)
    assert report.only_model == ("white", "black")
    assert list(report.per_class) == ["red", "green", "blue"]
    assert any("helmet (1 box)" in note for note in report.notes)
    assert any("white, black" in note for note in report.notes)
    assert report.boxes == 2


def test_finds_of_unmatched_words_do_not_count(tmp_path: Path, oracle: Any) -> None:
    finds = {**FINDS, "c.png": [("white", C, 0.9)]}
    assert evaluate(oracle(finds, COLOURS), _data(tmp_path)).metrics["AP"] == pytest.approx(1)


def test_labels_follow_the_words_of_each_picture(tmp_path: Path, oracle: Any) -> None:
    finds = {"a.png": [(" RED", A, 0.8)], "b.png": [(" RED", B, 0.8)]}
    report = evaluate(oracle(finds, ["black", "blue", " RED"]), _data(tmp_path))
    assert list(report.per_class) == ["red", "blue"]
    assert [one.AP for one in report.per_class.values()] == [pytest.approx(1), None]


def test_no_common_name_is_an_error_with_both_lists(tmp_path: Path, oracle: Any) -> None:
    with pytest.raises(DatasetError) as caught:
        evaluate(oracle({}, ["zebra", "giraffe"]), _data(tmp_path))
    assert "red, green, blue" in str(caught.value)
    assert "zebra, giraffe" in str(caught.value)


def test_unreadable_pictures_count_as_empty_and_are_named(tmp_path: Path, oracle: Any) -> None:
    report = evaluate(oracle({**FINDS, "b.png": None}, COLOURS), _data(tmp_path))
    (failure,) = report.failed
    assert failure.source.endswith("b.png")
    assert "cut off" in failure.error
    assert report.images == 3
    assert report.metrics["AR100"] == pytest.approx(0.5)
    assert any("b.png" in note and "cut off" in note for note in report.notes)


def test_nothing_readable_and_nothing_there_are_errors(tmp_path: Path, oracle: Any) -> None:
    with pytest.raises(DatasetError, match=r"none of its 3 pictures can be read.*cut off"):
        evaluate(oracle(dict.fromkeys(FINDS), COLOURS), _data(tmp_path))
    with pytest.raises(DatasetError, match="no picture"):
        evaluate(oracle({}, COLOURS), _data(tmp_path / "empty", [], []))


def test_pictures_of_another_size_are_named(tmp_path: Path, oracle: Any) -> None:
    report = evaluate(oracle(FINDS, COLOURS, size=(480, 640)), _data(tmp_path))
    assert any("3 of 3 pictures" in note and "a.png is 640 x 480, in the labels 640 x 640" in note for note in report.notes)


def test_notes_of_pictures_are_told_once(tmp_path: Path, oracle: Any) -> None:
    detector = oracle(FINDS, COLOURS)
    detector.notes = ("the cap of 3000 candidates was reached",)
    notes = evaluate(detector, _data(tmp_path)).notes
    (note,) = [note for note in notes if "3000" in note]
    assert "a.png" in note
    assert "and 2 more pictures" in note


def test_settings_and_progress_are_passed_on(tmp_path: Path, oracle: Any) -> None:
    detector, done = oracle(FINDS, COLOURS), []
    settings = EvaluateSettings(conf=0.25, iou=0.5, size=320, max_detections=7, max_candidates=9, agnostic=True)
    report = evaluate(detector, _data(tmp_path), settings=settings, progress=done.append)
    assert detector.asked == {"settings": settings, "placements": None, "resample": "linear"}
    assert report.settings == settings
    assert report.dropped.overlapping == 3
    assert done == [1, 2, 3]


def test_what_was_left_open_is_the_models_own_and_is_reported(tmp_path: Path, oracle: Any) -> None:
    settings = evaluate(oracle(FINDS, COLOURS), _data(tmp_path)).settings
    assert (settings.protocol, settings.size, settings.conf, settings.iou) == ("coco", 640, 0.001, 0.7)


@pytest.mark.parametrize(("protocol", "iou", "resample"), [("yolov5", 0.6, "area"), ("yolov8", 0.7, "linear")])
def test_a_protocol_places_pictures_and_runs_equal_canvases_together(
    tmp_path: Path, oracle: Any, protocol: str, iou: float, resample: str
) -> None:
    images = [(number, f"{number}.png") for number in range(20)]
    data = _data(tmp_path, [_note(1, 19, 1, A)], images)
    for number in range(20):
        shape = (480, 640, 3) if number % 2 else (640, 480, 3)
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros(shape, np.uint8))
    (tmp_path / "4.png").write_bytes(b"no picture")
    detector, done = oracle({"19.png": [("red", A, 0.9)], "4.png": None}, COLOURS), []
    report = evaluate(detector, data, settings=EvaluateSettings(protocol=protocol), progress=done.append)
    assert report.metrics["AP"] == pytest.approx(1)
    assert [failure.source.endswith("4.png") for failure in report.failed] == [True]
    assert (report.settings.iou, detector.asked["resample"]) == (iou, resample)
    unread, *placed = detector.asked["placements"]
    assert unread is None
    assert [one.canvas for one in placed] == [(672, 512)] * 3 + [(672, 672)] * 16
    assert done == list(range(1, 21))


def test_only_the_classes_that_were_asked_for_are_measured(tmp_path: Path, oracle: Any) -> None:
    data = _data(tmp_path, [*PAIR, _note(3, 3, 2, C)])
    report = evaluate(oracle(FINDS, COLOURS), data, settings=EvaluateSettings(classes="RED, 3"))
    assert list(report.per_class) == ["red"]
    assert (report.only_data, report.only_model) == (("green", "blue"), ("white",))
    with pytest.raises(VocabularyError, match="did you mean 'red'"):
        evaluate(oracle(FINDS, COLOURS), data, settings=EvaluateSettings(classes="rod"))


def test_a_file_name_that_leads_to_many_pictures_is_refused(tmp_path: Path, oracle: Any) -> None:
    images = [(1, "a.png"), (2, "b.png"), (3, "more.txt")]
    data = _data(tmp_path, images=images)
    (tmp_path / "more.txt").write_text("a.png\nb.png\n")
    with pytest.raises(DatasetError, match="more or less than one picture"):
        evaluate(oracle(FINDS, COLOURS), data)


def test_names_that_mean_something_alone_are_pictures_here(tmp_path: Path, oracle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = _data(Path(), [_note(1, 1, 1, A)], [(1, "-")])
    detector, seen = oracle({"-": [("red", A, 0.9)]}, COLOURS), []
    run = detector.run
    detector.run = lambda sources, *rest, **asked: run(seen.extend(sources) or sources, *rest, **asked)
    assert evaluate(detector, data).metrics["AP"] == pytest.approx(1)
    assert [source.path for source in seen] == [tmp_path / "-"]


def test_a_missing_extra_is_said_before_the_work(tmp_path: Path, oracle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    detector = oracle(FINDS, COLOURS)
    with pytest.raises(MissingExtraError, match=r"wordbox\[evaluate\]"):
        evaluate(detector, _data(tmp_path))
    assert detector.asked == {}


boxes = st.tuples(*[st.integers(0, 8).map(lambda n: 16 * n)] * 2, *[st.integers(1, 8).map(lambda n: 16 * n)] * 2)
pictures = st.tuples(
    st.lists(st.tuples(st.integers(0, 2), boxes, st.booleans()), max_size=4),
    st.lists(st.tuples(st.integers(0, 2), boxes, st.sampled_from([0.25, 0.5, 0.75])), max_size=6),
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(pictures, min_size=1, max_size=4), st.permutations([70, 8, 900, 11]), st.permutations([0, 44, 3]), st.permutations(range(3))
)
def test_equal_to_pycocotools_on_the_same_file(
    tmp_path_factory: pytest.TempPathFactory, oracle: Any, drawn: list[Any], image_ids: list[int], class_ids: list[int], words: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("peer")
    names = ["red", "green", "blue"]
    images = [(key, f"{number}.png") for number, key in enumerate(image_ids[: len(drawn)])]
    marks: list[dict[str, Any]] = []
    finds: dict[str, Any] = {}
    for (key, name), (truths, found) in zip(images, drawn, strict=True):
        for label, (x, y, w, h), crowd in truths:
            marks.append(_note(len(marks) + 1, key, class_ids[label], (x, y, x + w, y + h), iscrowd=int(crowd)))
        finds[name] = [(names[label], (x, y, x + w, y + h), score) for label, (x, y, w, h), score in found]
    data = _data(folder, marks, images, list(zip(class_ids, names, strict=True)))
    detector = oracle(finds, [names[label] for label in words])
    report = evaluate(detector, data)
    results = []
    for key, name in images:
        one = next(detector.run(find([Path(name)]).items, None, None))
        results += one.to_coco(key, [class_ids[label] for label in words])
    for ours, theirs in zip(METRICS, _peer(folder / "instances.json", results), strict=False):
        assert (-1 if report.metrics[ours] is None else report.metrics[ours]) == pytest.approx(theirs, abs=1e-6)


def _peer(labels: Path, results: list[dict[str, Any]]) -> list[float]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = COCO(labels), COCO()
        found.dataset = {"images": truth.dataset["images"], "categories": truth.dataset["categories"]}
        found.dataset["annotations"] = [
            {**result, "id": number, "area": float(np.prod(result["bbox"][2:])), "iscrowd": 0} for number, result in enumerate(results, 1)
        ]
        found.createIndex()
        peer = COCOeval(truth, found, "bbox")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
    stats: list[float] = peer.stats.tolist()
    return stats
