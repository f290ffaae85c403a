"""The packaged model is as good as its card says, on real photos (../shared/data/coco-val-400)."""

import contextlib
import io
import json
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from wordbox import api
from wordbox.evaluation import run
from wordbox.evaluation.report import METRICS

UNSEEN_ADJECTIVE = "expensive"


@pytest.fixture(scope="module")
def measure(root):
    """`training/nano/measure.py`, which holds the thirty words."""
    spec = spec_from_file_location("measure", root / "training" / "nano" / "measure.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dataset(shared):
    return api.read_dataset(shared / "data" / "coco-val-400" / "instances.json")


class Recorder:
    """A Finder that keeps what it passes on."""

    def __init__(self, detector):
        self.detector, self.words, self.manifest, self.found = detector, detector.words, detector.manifest, []

    def run(self, sources, words, settings, **places):
        for found in self.detector.run(sources, words, settings, **places):
            self.found.append(found)
            yield found


@pytest.fixture(scope="module")
def recorder(detector):
    return Recorder(detector)


@pytest.fixture(scope="module")
def by_name(recorder, dataset):
    return run.evaluate(recorder, dataset)


def test_average_precision_of_the_eighty_names(by_name):
    assert by_name.metrics["AP50"] >= 0.415
    assert by_name.metrics["AP"] >= 0.258
    assert len(by_name.per_class) == 80


def test_pycocotools_gives_the_same_figures(by_name, recorder, dataset, shared):
    coco = pytest.importorskip("pycocotools.coco")
    scorer = pytest.importorskip("pycocotools.cocoeval")
    labels = json.loads((shared / "data" / "coco-val-400" / "instances.json").read_text(encoding="utf-8"))
    ids = {image["file_name"].rpartition("/")[2]: image["id"] for image in labels["images"]}
    categories = {category["name"]: category["id"] for category in labels["categories"]}
    order = [categories[word] for word in recorder.words]
    results = [
        one for record, found in zip(dataset.records, recorder.found, strict=True) for one in found.to_coco(ids[record.path.name], order)
    ]
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO(shared / "data" / "coco-val-400" / "instances.json")
        peer = scorer.COCOeval(truth, truth.loadRes(results), "bbox")
        peer.evaluate()
        peer.accumulate()
        peer.summarize()
    assert [by_name.metrics[name] for name in METRICS] == pytest.approx(list(peer.stats[:9]), abs=1e-6)


def test_synonyms_that_no_list_holds_keep_their_share(detector, dataset, by_name, measure):
    swapped = api.evaluate(detector, dataset, words={name: measure.THIRTY.get(name, name) for name in dataset.names})
    assert measure.share(by_name, swapped, measure.THIRTY) >= 0.58


def test_the_thirty_and_the_adjectives_stand_in_no_list(root, detector, measure):
    synonyms = json.loads((root / "training" / "nano" / "synonyms.json").read_text(encoding="utf-8"))
    assert tuple(synonyms) == detector.manifest.names
    assert len(measure.THIRTY) == 30
    assert not {word for group in synonyms.values() for word in group} & set(measure.THIRTY.values())
    solve = (root / "training" / "nano" / "solve.py").read_text(encoding="utf-8")
    assert not [adjective for adjective in (*measure.UNSEEN_ADJECTIVES, UNSEEN_ADJECTIVE) if f'"{adjective}"' in solve]


def test_names_behind_an_adjective_that_the_solve_never_saw(detector, dataset):
    behind = api.evaluate(detector, dataset, words={name: f"{UNSEEN_ADJECTIVE} {name}" for name in dataset.names})
    assert behind.metrics["AP50"] >= 0.38


@pytest.mark.parametrize("others", [[], ["person"]])
@pytest.mark.parametrize("phrase", ["bus", "a bus", "the bus", "buses", "red bus"])
def test_a_phrase_finds_the_bus(detector, shared, phrase, others):
    found = detector.detect(shared / "data" / "photos" / "bus.jpg", words=[phrase, *others])
    boxes = [d.box for d in found if d.label == phrase]
    assert any(box == pytest.approx((7, 227, 798, 738), abs=12) for box in boxes)


def test_three_persons_and_no_zebra(detector, shared):
    photo = shared / "data" / "photos" / "bus.jpg"
    assert len(detector.detect(photo, words="person")) >= 3
    assert len(detector.detect(photo, words="zebra")) == 0
