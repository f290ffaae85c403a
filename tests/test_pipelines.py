"""The pipeline takes what transformers' of that name takes, as documented, and answers in its form."""

import json
import logging
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
import pytest

import wordbox
from wordbox.errors import ImageError, InputError, SourceError, VocabularyError, WeightsError
from wordbox.pipelines import TASK, pipeline

LABELS = ["cup", "wooden table"]


class Counting:
    """An engine that counts its runs."""

    def __init__(self, engine):
        self.engine, self.runs = engine, 0

    def __getattr__(self, name):
        return getattr(self.engine, name)

    def run(self, feeds):
        self.runs += 1
        return self.engine.run(feeds)


@pytest.fixture(scope="module")
def pipe(detector):
    return pipeline(TASK, detector, threshold=0.35)


@pytest.fixture(scope="module")
def answer(pipe, photo):
    """What is in the photo."""
    found = pipe(str(photo), candidate_labels=LABELS)
    assert {one["label"] for one in found} == set(LABELS)
    return found


def test_the_answer_has_the_documented_form_and_no_more(answer):
    for one in answer:
        assert list(one) == ["score", "label", "box"]
        assert list(one["box"]) == ["xmin", "ymin", "xmax", "ymax"]
        assert (type(one["score"]), type(one["label"])) == (float, str)
        assert {type(side) for side in one["box"].values()} == {int}
    assert [one["score"] for one in answer] == sorted((one["score"] for one in answer), reverse=True)
    assert json.loads(json.dumps(answer)) == answer


def test_it_answers_as_detect_does_with_whole_pixels(detector, photo, answer):
    assert answer == detector.detect(photo, words=LABELS, conf=0.35).to_transformers()


def test_the_packaged_model_answers_where_nothing_is_named():
    assert wordbox.pipeline(TASK).detector.manifest.name == pipeline().detector.manifest.name == "wordbox-nano"
    assert pipeline(task=None, model="wordbox-nano", device=-1).task == TASK


def test_the_threshold_is_a_tenth_unless_told(detector, photo, answer):
    low = pipeline(TASK, detector)(photo, LABELS)
    assert 0.1 <= min(one["score"] for one in low) < 0.35
    assert [one for one in low if one["score"] >= 0.35] == answer
    assert pipeline(TASK, detector)(photo, LABELS, threshold=0.35) == answer


def test_top_k_keeps_the_best(pipe, detector, photo, answer):
    assert len(answer) > 1
    assert pipe(photo, LABELS, top_k=1) == pipeline(TASK, detector, threshold=0.35, top_k=1)(photo, LABELS) == answer[:1]
    assert pipe(photo, LABELS, top_k=10_000) == answer


def test_all_labels_cost_one_forward(detector, photo):
    engine = Counting(detector.engine)
    counted = pipeline(TASK, detector.with_engine(engine))
    counted(photo, candidate_labels=["cup", "table", "horse", "person", "spoon"])
    assert engine.runs == 1
    counted([photo, photo], candidate_labels=[["cup"], ["table", "horse"]])
    assert engine.runs == 2


def test_a_picture_comes_in_every_documented_form(pipe, photo, answer):
    image = pytest.importorskip("PIL.Image").open(photo)
    for given in (photo, str(photo), photo.read_bytes(), image):
        assert pipe(given, candidate_labels=LABELS) == pipe(given, LABELS) == pipe(image=given, candidate_labels=LABELS) == answer
    assert pipe({"image": photo, "candidate_labels": LABELS}) == answer
    assert pipe(photo, candidate_labels="cup, wooden table") == answer


def test_several_pictures_give_a_list_of_lists(pipe, photo, answer):
    asked = {"image": photo, "candidate_labels": LABELS}
    assert pipe([asked]) == pipe([photo], LABELS) == [answer]
    assert pipe([asked, asked]) == pipe([photo, str(photo)], candidate_labels=LABELS) == [answer, answer]
    cups, tables = pipe([photo, photo], candidate_labels=[["cup"], ["wooden table"]])
    assert ({one["label"] for one in cups}, {one["label"] for one in tables}) == ({"cup"}, {"wooden table"})
    assert pipe([{"image": photo, "candidate_labels": "cup"}, {"image": photo}, photo][:1]) == [cups]
    assert pipe([{"image": photo}, photo], candidate_labels=["cup"]) == [cups, cups]


def test_an_iterator_gives_an_iterator_that_reads_no_further_than_it_must(pipe, photo, answer):
    read = []
    found = pipe({"image": photo, "candidate_labels": LABELS} for _ in range(20) if read.append(1) is None)
    assert read == []
    assert next(found) == answer
    assert len(read) < 20


def test_a_folder_gives_a_list_of_lists(pipe, photo, answer, tmp_path, caplog):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(photo.read_bytes())
    (tmp_path / "notes.txt").write_text("none")
    assert pipe(tmp_path, LABELS) == [answer, answer]
    assert "skipped 1 file" in caplog.text


def test_labels_stay_as_they_were_typed_and_lists_may_differ_in_length(pipe, photo):
    found = pipe([photo, photo], candidate_labels=[["A  CUP"], ["Cup", "horse", "person"]])
    assert [{one["label"] for one in each} for each in found] == [{"A  CUP"}, {"Cup"}]


def test_labels_may_be_anything_that_means_words(pipe, detector, photo, answer, tmp_path):
    kept = detector.encode(LABELS)
    kept.save(tmp_path / "things.vocab.safetensors")
    (tmp_path / "things.txt").write_text("\n".join(LABELS))
    for labels in (kept, tmp_path / "things.vocab.safetensors", str(tmp_path / "things.vocab.safetensors"), tmp_path / "things.txt"):
        assert pipe(photo, labels) == answer
        assert pipe([{"image": photo, "candidate_labels": labels}, {"image": photo, "candidate_labels": "cup"}])[0] == answer
    (cups,) = pipe([photo], {"drink": ["cup", "mug"]})
    assert {one["label"] for one in cups} == {"drink"}


def test_nothing_found_is_an_empty_list(pipe, photo):
    assert pipe(photo, LABELS, threshold=1) == []


def test_without_labels_the_models_own_are_found(detector, photo):
    found = pipeline(TASK, detector.with_words("cup"), threshold=0.35)(photo)
    assert [one["label"] for one in found] == ["cup"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"task": "object-detection"}, "'object-detection'.*'zero-shot-object-detection'"),
        ({"tokenizer": "clip"}, "tokenizer='clip'.*brings its own"),
        ({"image_processor": "clip"}, "image_processor='clip'"),
        ({"framework": "pt"}, "framework='pt'.*wordbox.load"),
        ({"torch_dtype": "float16"}, "torch_dtype='float16'.*wordbox.load"),
        ({"revision": "main"}, "revision='main'.*nothing is downloaded"),
        ({"batch_size": 4}, "batch_size=4.*run together"),
        ({"trust_remote_code": False}, "trust_remote_code=False.*nothing in a model file is run"),
        ({"banana": None}, "banana"),
        ({"device": "mps"}, "'mps'.*'cuda'"),
        ({"device": 1}, "device 1"),
        ({"threshold": 1.5}, "threshold is 1.5"),
        ({"threshold": "0.1"}, "threshold is '0.1'"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"top_k": 0}, "top_k is 0"),
        ({"top_k": 2.5}, "top_k is 2.5"),
        ({"timeout": -1}, "timeout is -1"),
        ({"timeout": float("inf")}, "timeout is inf"),
    ],
)
def test_what_has_no_meaning_here_is_refused_in_a_line(arguments, words):
    with pytest.raises(InputError, match=words) as refused:
        pipeline(**arguments)
    assert "\n" not in str(refused.value)


def test_arguments_of_none_are_as_good_as_left_out(detector):
    assert pipeline(TASK, detector, tokenizer=None, revision=None).detector is detector


def test_a_device_beside_a_detector_is_refused(detector):
    with pytest.raises(InputError, match="beside a Detector"):
        pipeline(TASK, detector, device="cpu")


def test_a_name_of_another_library_is_no_model():
    with pytest.raises(WeightsError, match="google/owlvit-base-patch32"):
        pipeline(TASK, "google/owlvit-base-patch32")


def test_calls_that_mean_nothing_are_refused(pipe, photo):
    asked = {"image": photo, "candidate_labels": LABELS}
    for image, labels, words in (
        (np.zeros((9, 9, 3), np.uint8), LABELS, "an array"),
        ([np.zeros((9, 9, 3), np.uint8)], LABELS, "an array"),
        ([], LABELS, "empty"),
        (asked, LABELS, "beside those of the dictionary at position 0"),
        ([photo, {**asked, "threshold": 0.2}], None, "position 1.*'candidate_labels'"),
        ([{"candidate_labels": LABELS}], None, "position 0.*'image'"),
        ([photo.parent], LABELS, "at position 0 .*expected one"),
        ([photo, photo], [["cup"]], "1 lists .* 2 pictures"),
        (photo, [], "no words"),
        (photo, ["cup", ""], "empty word"),
        (photo, [["cup"], ["table"]], "2 lists .* 1 pictures"),
    ):
        with pytest.raises(InputError, match=words):
            pipe(image, labels)
    with pytest.raises(InputError, match="banana"):
        pipe(photo, LABELS, banana=1)


def test_a_picture_that_cannot_be_read_ends_the_call(pipe, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(photo.read_bytes()[:2000])
    with pytest.raises(ImageError, match=r"broken\.jpg"):
        pipe([photo, broken], LABELS)
    with pytest.raises(SourceError, match="nowhere"):
        pipe([photo, tmp_path / "nowhere.jpg"], LABELS)


def test_what_was_left_out_of_the_candidates_is_logged(detector, tmp_path, caplog):
    noise = tmp_path / "noise.png"
    cv2.imwrite(str(noise), np.random.default_rng(0).integers(0, 255, (512, 512, 3), dtype=np.uint8))
    with caplog.at_level(logging.WARNING, "wordbox"):
        pipeline(TASK, detector)(noise, threshold=0)
    assert "noise.png: the cap of 1000 candidates was reached" in caplog.text


def test_a_baked_model_finds_its_words_and_takes_no_labels(detector, photo, answer):
    baked = pipeline(TASK, wordbox.bake(detector, LABELS), threshold=0.35)
    found = baked(photo)
    assert [one["label"] for one in found] == [one["label"] for one in answer]
    for one, other in zip(found, answer, strict=True):
        assert one["box"] == pytest.approx(other["box"], abs=1)  # a whole pixel may tip over
    assert [one["score"] for one in found] == pytest.approx([one["score"] for one in answer], abs=1e-4)
    with pytest.raises(VocabularyError, match=r"finds its own labels only \(cup, wooden table\)"):
        baked(photo, LABELS)


@pytest.fixture
def address(photo, monkeypatch):
    """A server of the folder of the photo; /silent answers nothing until the test ends."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    over = threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/silent":
                over.wait(20)
                self.close_connection = True
            else:
                super().do_GET()

        def log_message(self, *_):
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(Path(photo).parent))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        over.set()
        server.shutdown()
        thread.join()


def test_addresses_are_fetched_and_timeout_is_their_limit(pipe, photo, answer, address):
    assert pipe(f"{address}/{photo.name}", LABELS) == pipe(f"{address}/{photo.name}", LABELS, timeout=20) == answer
    with pytest.raises(SourceError, match=r"silent took longer than 0\.2 seconds"):
        pipe(f"{address}/silent", LABELS, timeout=0.2)
    with pytest.raises(SourceError, match=r"silent took longer than 0\.2 seconds"):
        pipe([{"image": f"{address}/silent", "candidate_labels": LABELS}], timeout=0.2)
