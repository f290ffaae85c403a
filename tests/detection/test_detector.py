"""The Detector's promises: the same answer always, whatever else is in the call."""

import logging
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

import wordbox
from wordbox.detection.detections import Detections
from wordbox.errors import ImageError, InputError, SourceError, VocabularyError
from wordbox.geometry.boxes import overlaps
from wordbox.geometry.frames import Placement
from wordbox.images.sources import find
from wordbox.settings import DetectSettings

CONF = 0.05
SIZE = 192  # of the canvas, so that hundreds of runs take seconds


@pytest.fixture(scope="module")
def pictures(photo):
    """Pieces of a photo in many sizes and shapes, BGR."""
    whole, rng = cv2.imread(str(photo)), np.random.default_rng(0)
    height, width = whole.shape[:2]
    pieces = []
    for _ in range(24):
        tall, wide = int(rng.integers(height // 3, height)), int(rng.integers(width // 3, width))
        top, left = int(rng.integers(0, height - tall + 1)), int(rng.integers(0, width - wide + 1))
        pieces.append(np.ascontiguousarray(whole[top : top + tall, left : left + wide]))
    return pieces


@pytest.fixture(scope="module")
def alone(detector, pictures):
    return [detector.detect(picture, conf=CONF, size=SIZE) for picture in pictures]


def test_any_batch_order_and_mix_gives_the_answers_of_single_runs(detector, pictures, alone, assert_same):
    rng, scale = np.random.default_rng(1), max(max(p.shape) for p in pictures) / SIZE
    for _ in range(200):
        chosen = rng.choice(len(pictures), size=int(rng.integers(1, 9)))
        found = detector.detect([pictures[i] for i in chosen], conf=CONF, size=SIZE)
        for i, result in zip(chosen, found, strict=True):
            assert_same(result, alone[i], pixels=scale * 1e-3, conf=CONF)


def test_something_is_found_to_compare(alone):
    assert sum(map(len, alone)) > 50


def test_eight_threads_at_once_give_the_answers_of_single_runs(detector, pictures, alone, assert_same):
    scale = max(max(p.shape) for p in pictures) / SIZE
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda picture: detector.detect(picture, conf=CONF, size=SIZE), pictures * 2))
    for result, single in zip(found, alone * 2, strict=True):
        assert_same(result, single, pixels=scale * 1e-3, conf=CONF)


def test_other_words_for_each_of_sixteen_pictures_equal_sixteen_single_runs(detector, pictures, assert_same):
    names = list(detector.manifest.names)
    lists = [names[i : i + 1 + 3 * i] for i in range(16)]
    found = detector.detect(pictures[:16], words=lists, conf=CONF, size=SIZE)
    for picture, words, result in zip(pictures[:16], lists, found, strict=True):
        single = detector.detect(picture, words=words, conf=CONF, size=SIZE)
        assert result.words == tuple(words)
        assert_same(result, single, pixels=max(picture.shape) / SIZE * 1e-3, conf=CONF)


def test_a_count_of_lists_that_is_not_the_count_of_pictures_is_refused(detector, pictures):
    with pytest.raises(VocabularyError, match="2 lists of words for 3 pictures"):
        detector.detect(pictures[:3], words=[["person"], ["cup"]])


def test_one_picture_gives_one_answer_and_a_list_a_list(detector, photo, pictures):
    assert isinstance(detector.detect(photo, words="cup"), Detections)
    assert isinstance(detector.detect(str(photo), words="cup"), Detections)
    assert isinstance(detector.detect(photo.read_bytes(), words="cup"), Detections)
    assert [type(found) for found in detector.detect([photo], words="cup")] == [Detections]
    assert len(detector.detect(photo.parent, words="cup")) == len(list(photo.parent.glob("*.jpg")))


def test_every_way_of_giving_a_picture_gives_the_same_boxes(detector, photo, assert_same):
    image = pytest.importorskip("PIL.Image")
    bgr = cv2.imread(str(photo))
    by_path = detector.detect(photo)
    with image.open(photo) as opened:
        others = detector.detect([photo.read_bytes(), bgr, opened])
    others.append(detector.detect(bgr[:, :, ::-1], colour="rgb"))
    for other in others:
        # Pillow's JPEG decoder may round a pixel differently from OpenCV's.
        assert_same(other, by_path, pixels=0.5, score=0.01, conf=detector.manifest.thresholds.conf)


def test_a_broken_picture_in_a_list_is_an_entry_and_alone_an_error(detector, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:5000])
    found = detector.detect([photo, broken, tmp_path / "missing.jpg", photo], words="cup")
    assert [result.error is None for result in found] == [True, False, False, True]
    assert isinstance(found[1].error, ImageError)
    assert "broken.jpg" in str(found[1].error)
    assert len(found[1]) == 0
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        detector.detect(broken)
    with pytest.raises(SourceError, match=r"missing\.jpg"):
        detector.detect(tmp_path / "missing.jpg")


def test_of_a_thousand_pictures_three_broken_ones_are_reported(detector, tmp_path):
    small = np.full((48, 64, 3), 90, np.uint8)
    data = cv2.imencode(".png", small)[1].tobytes()
    for i in range(1000):
        (tmp_path / f"{i}.png").write_bytes(data[: len(data) // 2] if i in (7, 500, 999) else data)
    found = detector.detect(tmp_path, words="person", size=32)
    assert [i for i, result in enumerate(found) if result.error is not None] == [7, 500, 999]
    assert [Path(result.source).name for result in found] == [f"{i}.png" for i in range(1000)]


def test_with_words_gives_another_detector_and_leaves_this_one(detector, photo):
    before = detector.words
    other = detector.with_words("cup, dog")
    assert other.words == ("cup", "dog")
    assert detector.words == before
    assert other.detect(photo).words == ("cup", "dog")


def test_a_word_given_twice_is_merged_and_said(detector, photo, caplog, assert_same):
    with caplog.at_level(logging.WARNING, logger="wordbox"):
        twice = detector.detect(photo, words=["Cup", "table", " cup "])
    assert "stands twice" in caplog.text
    assert twice.words == ("Cup", "table")
    once = detector.detect(photo, words=["Cup", "table"])
    assert_same(twice, once)


def test_synonyms_are_merged_by_their_best_score(detector, photo):
    apart = detector.detect(photo, words=["cup", "bowl"], conf=CONF, iou=1.0, max_candidates=50_000, max_detections=50_000)
    merged = detector.detect(photo, words={"vessel": ["cup", "bowl"]}, conf=CONF, iou=1.0, max_candidates=50_000, max_detections=50_000)
    best: dict[tuple[float, ...], float] = {}
    for found in apart:
        best[found.box] = max(best.get(found.box, 0.0), found.score)
    assert {found.box: found.score for found in merged} == pytest.approx(best)
    assert len(merged) < len(apart)


def test_the_cap_on_candidates_is_said(detector, photo):
    found = detector.detect(photo, conf=0.0, max_candidates=100)
    assert any("cap of 100 candidates was reached" in note for note in found.notes)
    assert not detector.detect(photo, max_candidates=5000).notes


def test_at_most_max_detections_are_kept(detector, photo):
    many, few = detector.detect(photo, conf=0.01), detector.detect(photo, conf=0.01, max_detections=3)
    assert len(few) == 3 < len(many)
    np.testing.assert_array_equal(few.boxes, many.boxes[:3])


def test_boxes_are_inside_the_upright_picture(detector, pictures):
    for found, picture in zip(detector.detect(pictures, conf=0.001), pictures, strict=True):
        height, width = picture.shape[:2]
        assert found.image_size == (height, width)
        assert (found.boxes >= 0).all()
        assert (found.boxes <= [width, height, width, height]).all()
        assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"conf": 1.5}, "conf"),
        ({"iou": -1}, "iou"),
        ({"size": 0}, "size"),
        ({"max_detections": 0}, "max_detections"),
        ({"conf": float("nan")}, "conf"),
    ],
)
def test_numbers_out_of_range_are_refused_by_name(detector, photo, wrong, named):
    with pytest.raises(InputError, match=named):
        detector.detect(photo, **wrong)


def test_no_words_at_all_are_refused_before_the_engine_runs(detector, photo):
    with pytest.raises(VocabularyError, match="found no words"):
        detector.detect(photo, words=[])


def test_a_stream_holds_the_answers_of_detect_and_reads_as_it_goes(detector, pictures, assert_same):
    stream = detector.stream(pictures[:10], conf=CONF, size=SIZE)
    first = next(stream)
    assert_same(first, detector.detect(pictures[0], conf=CONF, size=SIZE), pixels=0.01, conf=CONF)
    assert len(list(stream)) == 9


def test_the_packaged_model_is_what_load_gives(detector):
    assert wordbox.load("wordbox-nano").words == detector.words
    assert len(detector.words) == 80


def test_none_among_the_lists_is_the_detectors_own_words(detector, photo):
    own = detector.with_words("table")
    first, second = own.detect([photo, photo], words=[None, ["cup"]])
    assert (first.words, second.words) == (("table",), ("cup",))
    assert {d.label for d in first} == {"table"}
    assert {d.label for d in second} == {"cup"}


def test_words_that_are_no_text_are_named(detector, photo):
    with pytest.raises(VocabularyError, match="found 1 of type int"):
        detector.detect(photo, words=[1, 2])


def test_what_is_cut_by_max_detections_is_said(detector, photo):
    cut = detector.detect(photo, conf=0.01, max_detections=3)
    assert any("the best 3 boxes were kept" in note for note in cut.notes)
    assert not any("boxes were kept" in note for note in detector.detect(photo).notes)


def test_numbers_of_numpy_are_numbers(detector, photo, assert_same):
    given = {"conf": np.float32(0.25), "size": np.int64(256), "max_detections": np.int32(50)}
    assert_same(detector.detect(photo, **given), detector.detect(photo, conf=0.25, size=256, max_detections=50))


def test_detections_travel_between_processes(detector, photo, assert_same):
    found = detector.detect(photo, words="cup")
    there_and_back = pickle.loads(pickle.dumps(found))
    assert_same(there_and_back, found)
    np.testing.assert_array_equal(there_and_back.plot(), found.plot())


def test_memory_stays_flat_over_many_pictures(patches, tmp_path):
    picture = cv2.imencode(".png", np.full((600, 800, 3), 90, np.uint8))[1].tobytes()
    for i in range(300):
        (tmp_path / f"{i}.png").write_bytes(picture)
    tracemalloc.start()
    try:
        peaks = []
        for i, _ in enumerate(patches(64).stream(tmp_path)):
            if i in (99, 299):
                peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 200_000  # NumPy's memory is traced: one picture more would be 1,440,000


def test_skipped_files_are_said_by_detect_and_by_stream(detector, photo, tmp_path, caplog):
    (tmp_path / "photo.jpg").write_bytes(photo.read_bytes())
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    for call in (detector.detect, lambda folder: list(detector.stream(folder))):
        caplog.clear()
        with caplog.at_level(logging.WARNING, logger="wordbox"):
            assert len(call(tmp_path)) == 1
        assert "notes.txt" in caplog.text


def test_only_the_classes_that_were_asked_for_are_found(detector, photo):
    everything = detector.detect(photo, conf=CONF)
    found = detector.detect(photo, conf=CONF, classes="Cup, dining table")
    assert {d.label for d in found} == {"cup", "dining table"}
    assert [d for d in everything if d.label in ("cup", "dining table")] == list(found)
    assert found.dropped.other_classes > 0
    assert found.words == everything.words
    position = detector.words.index("cup")
    assert list(detector.detect(photo, conf=CONF, classes=position)) == list(detector.detect(photo, conf=CONF, classes=["cup"]))
    (streamed,) = detector.stream([photo], conf=CONF, classes=["cup"])
    assert {d.label for d in streamed} == {"cup"}


def test_an_unknown_class_is_refused_before_the_work(detector, photo):
    with pytest.raises(VocabularyError, match="did you mean 'cup'"):
        detector.stream([photo], classes=["cupp"])
    with pytest.raises(VocabularyError, match="none of the labels"):
        detector.detect([photo, photo], words=[["cup", "dog"], ["cup"]], classes="dog")


def test_classes_are_those_of_each_pictures_words(detector, photo):
    first, second = detector.detect([photo, photo], words=[["cup", "table"], ["table", "spoon", "cup"]], classes=["cup"], conf=CONF)
    assert {d.label for d in first} == {d.label for d in second} == {"cup"}


def test_across_labels_the_better_box_stays(detector, photo):
    apart = detector.detect(photo, words=["cup", "mug"], conf=CONF)
    across = detector.detect(photo, words=["cup", "mug"], conf=CONF, agnostic=True)
    assert len(across) < len(apart)
    assert not (np.triu(overlaps(across.boxes, across.boxes), 1) > detector.manifest.thresholds.iou + 1e-3).any()


def test_whatever_is_dropped_makes_up_what_left_the_network(detector, photo):
    found = detector.detect(photo, conf=0.0, max_candidates=500, max_detections=20)
    assert len(found) + sum(vars(found.dropped).values()) == 500
    assert any(f"there are {found.dropped.beyond_limit} more" in note for note in found.notes)
    chosen = detector.detect(photo, conf=0.0, max_candidates=500, classes="cup")
    assert any("cap of 500 candidates was reached, before classes were chosen" in note for note in chosen.notes)


def test_placements_say_how_pictures_lie(patches):
    picture = np.full((60, 100, 3), 128, np.uint8)
    picture[10:30, 20:60] = (0, 0, 255)
    sources = find([picture, picture]).items
    placed = Placement(image=(60, 100), resized=(60, 100), offset=(4, 28), canvas=(96, 160))
    for found in patches(64).run(sources, None, DetectSettings(), placements=[placed, None]):
        np.testing.assert_allclose(found.boxes, [[20, 10, 60, 30]], atol=1)


def test_a_placement_for_another_picture_is_that_pictures_error(patches):
    sources = find([np.zeros((60, 100, 3), np.uint8)]).items
    placed = Placement(image=(60, 90), resized=(60, 90), offset=(0, 0), canvas=(64, 96))
    (found,) = patches(64).run(sources, None, DetectSettings(), placements=[placed])
    assert "placement is for (60, 90, 3)" in str(found.error)
