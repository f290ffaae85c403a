"""From what a user names to an opened model: paths, published names, and Manifests that must fit their arrays."""

import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from wordbox import opening
from wordbox.arrays import arrays
from wordbox.checkpoints import native
from wordbox.errors import WeightsError
from wordbox.graphs import clip_text, yolo
from wordbox.graphs.builder import GraphBuilder
from wordbox.manifest import Manifest, Partner, Preprocessing, Thresholds
from wordbox.published.entries import ENTRIES
from wordbox.specs import DistributionHead
from wordbox.variants import named, yolov5, yolov8

SMALL = replace(yolov8("n", classes=2), widths=(8, 8, 8, 8, 8), head=DistributionHead(box_width=8, label_width=8, bins=4))
SMALL5 = replace(yolov5("n", classes=2), widths=(8, 8, 8, 8, 8))


@pytest.fixture(autouse=True)
def nowhere(tmp_path, monkeypatch):
    """An empty current folder, and a cache of its own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("WORDBOX_CACHE", str(tmp_path / "cache"))


def manifest(spec, **changes):
    names = tuple(f"thing {i}" for i in range(spec.classes))
    return replace(Manifest(name="small", names=names, open=False, preprocessing=Preprocessing(size=64), spec=spec), **changes)


def zeros(spec):
    return {one.name: np.zeros(one.shape, np.float32) for one in arrays(spec)}


def refusal(call, *arguments, **options):
    with pytest.raises(WeightsError) as caught:
        call(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# -- what a name means


@pytest.mark.parametrize("source", [None, "wordbox-nano"])
def test_nothing_is_the_packaged_model(source):
    assert opening.locate(source) == opening.MODELS / "wordbox-nano.safetensors"


@pytest.mark.parametrize("source", ["best.pt", "a/yolov5n", "best.onnx", "./yolov5n", "model.SAFETENSORS", Path("yolov5n"), "yolov5n.xml"])
def test_paths_stay_paths(source):
    assert opening.locate(source) == Path(source)
    assert not opening.is_name(source)


@pytest.mark.parametrize("source", ["yolov5n", "YOLOv5n", "yolov5n@v7.0", "yolov5n@V6.1", "best"])
def test_names_are_names(source):
    assert opening.is_name(source)


def test_a_published_name_is_its_file_here_or_in_the_cache(shared, tmp_path):
    published = shared / "data" / "weights" / "yolov5n-v6.1-coco.pt"
    assert "yolov5n@v7.0" in refusal(opening.locate, "yolov5n")
    kept = tmp_path / "cache" / "yolov5" / "v7.0" / "yolov5n.pt"
    kept.parent.mkdir(parents=True)
    shutil.copyfile(published, kept)
    assert opening.locate("yolov5n") == kept
    shutil.copyfile(published, "yolov5n.pt")
    assert opening.locate("YOLOv5n@v6.2") == Path("yolov5n.pt")


def test_a_file_called_like_a_network_comes_first_and_a_folder_does_not(tmp_path):
    Path("yolov5n").mkdir()
    assert "neither in this folder" in refusal(opening.locate, "yolov5n")
    Path("yolov8n").write_bytes(b"weights")
    assert opening.locate("yolov8n") == Path("yolov8n")


@pytest.mark.parametrize(
    ("source", "said"),
    [("", "empty name"), ("yolov5q", "nearest"), ("yolov5s@v1.0", "those of v2.0"), ("runs", "yolov5s"), ("x" * 300, "yolov5s")],
)
def test_what_leads_nowhere_is_named(source, said):
    assert said in refusal(opening.locate, source)


def test_a_network_is_known_by_its_published_name_without_its_file():
    assert opening.network_called("YOLOv8n@v8.3.0") == "yolov8n"
    assert opening.network_called("yolov5s@v3.1") == "yolov5s@v3.1"
    assert opening.network_called("yolov8n-p2") == "yolov8n-p2"
    Path("yolov5n.pt").write_bytes(b"another file")
    assert "expected that of yolov5n" in refusal(opening.network_called, "yolov5n")


def test_a_published_file_is_known_by_its_checksum_whatever_it_is_called(shared, tmp_path):
    for file, name in (("yolov5n-v6.1-coco.pt", "yolov5n@v7.0"), ("yolov5n-v6.0-coco.pt", "yolov5n@v6.0")):
        shutil.copyfile(shared / "data" / "weights" / file, "mine.pt")
        found = opening.read(Path("mine.pt")).manifest
        assert (found.name, found.licence) == (name, "GPL-3.0 at release, AGPL-3.0 since")
        assert found.origin.startswith(f"{ENTRIES[name].address}; a checkpoint of YOLOv5")


@pytest.mark.parametrize(
    ("source", "path", "spec", "fits"),
    [
        ("yolov5s@v3.1", "cache/yolov5s.pt", named("yolov5s@v3.1"), True),
        ("yolov5s@v3.1", "cache/yolov5s.pt", named("yolov5s@v2.0"), False),
        ("yolov8n", "yolov8n.pt", named("yolov8n"), True),
        ("yolov8n", "yolov8n.pt", yolov8("n", classes=3), False),
        ("yolov8n", "yolov8n.pt", None, False),
        ("yolov8n.pt", "yolov8n.pt", yolov8("n", classes=3), True),  # a path says nothing of what is in it
        (Path("yolov8n"), "yolov8n", None, True),
        ("yolov8n", "yolov8n", None, True),
        ("wordbox-nano", "wordbox-nano.safetensors", None, True),
        (None, "wordbox-nano.safetensors", None, True),
    ],
)
def test_what_lies_under_a_published_name_is_the_published_network(source, path, spec, fits):
    model = opening.Model(Path(path), replace(manifest(SMALL), spec=spec), {}, {}, None)
    if fits:
        opening.check_published(source, model)
    else:
        assert f"{path}: its network is not the published {str(source).partition('@')[0]}@" in refusal(
            opening.check_published, source, model
        )


# -- what is read


@pytest.mark.parametrize(
    "file", ["away.pt", "away.pth", "away.safetensors", "away.onnx", "away.xml", "away.engine", "folder", f"{'x' * 300}.pt"]
)
def test_what_is_not_there_is_named(file):
    assert file in refusal(opening.read, Path(file))


def test_what_is_no_model_file_is_refused(tmp_path):
    Path("a.tflite").write_bytes(b"x")
    assert "no model of that kind" in refusal(opening.read, Path("a.tflite"))
    Path("a.xml").write_bytes(b"<x/>")
    assert "only OpenVINO reads" in refusal(opening.read, Path("a.xml"))
    Path("folder.pt").mkdir()
    assert "folder.pt" in refusal(opening.read, Path("folder.pt"))


@pytest.mark.parametrize("spec", [SMALL, SMALL5], ids=["yolov8", "yolov5"])
def test_a_file_of_ours_comes_back_and_is_drawn(spec):
    facts = manifest(spec, thresholds=Thresholds(conf=0.3, iou=0.6))
    native.write(Path("small.safetensors"), zeros(spec), facts)
    model = opening.read(Path("small.safetensors"))
    assert model.manifest == facts
    graph = model.graph()
    opening.check_graph([value.name for value in graph.graph.input], [value.name for value in graph.graph.output], facts, model.path)
    assert {entry.key: entry.value for entry in graph.metadata_props} == facts.to_metadata()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"names": ("a",)}, "has 1 names, but its network has 2 fixed classes"),
        ({"names": ("a", "b", "c")}, "has 3 names"),
        ({"names": ()}, "lacks names"),
        ({"open": True}, "lacks the text encoder"),
        ({"open": True, "encoder": Partner(name="words.npz", sha256="0")}, "is open, but its network has 2 fixed classes"),
    ],
)
def test_a_manifest_that_does_not_fit_its_network_is_refused(change, said):
    native.write(Path("small.safetensors"), zeros(SMALL), manifest(SMALL, **change))
    assert said in refusal(opening.read, Path("small.safetensors"))


def test_a_file_that_says_which_network_it_holds_takes_no_spec():
    native.write(Path("small.safetensors"), zeros(SMALL), manifest(SMALL))
    assert "leave the spec 'yolov8n' out" in refusal(opening.read, Path("small.safetensors"), spec="yolov8n")


def test_a_manifest_without_a_network_is_refused():
    native.write(Path("small.safetensors"), zeros(SMALL), replace(manifest(SMALL), spec=None))
    assert "names no network" in refusal(opening.read(Path("small.safetensors")).graph)


def doctored(found):
    """Arrays with three faults."""
    first, second, third = list(found)[1:4]
    changed = {name: array for name, array in found.items() if name != first}
    changed[second] = np.zeros((*found[second].shape, 2), np.float32)
    changed[third] = np.zeros((), np.float32)
    changed["telepathy"] = np.zeros(1, np.float32)
    return changed, (first, second, third)


@pytest.mark.parametrize("spec", [SMALL, SMALL5], ids=["yolov8", "yolov5"])
def test_all_that_does_not_fit_is_told_at_once_by_the_files_own_names(spec):
    changed, (first, second, third) = doctored(zeros(spec))
    native.write(Path("ours.safetensors"), changed, manifest(spec))
    said = refusal(opening.read(Path("ours.safetensors")).graph)
    assert said.startswith("ours.safetensors: 4 arrays do not fit")
    for fault in (f"missing {first} [", f"{second} is [", f"{third} is [], expected", "unexpected telepathy [1]"):
        assert fault in said

    theirs, (first, second, third) = doctored({one.published: np.zeros(one.shape, np.float32) for one in arrays(spec)})
    save_file(theirs, "theirs.safetensors")
    said = refusal(opening.read(Path("theirs.safetensors")).graph)
    for fault in (f"missing {first} [", f"{second} is [", f"{third} is [], expected", "unexpected telepathy [1]"):
        assert fault in said
    said = refusal(opening.read(Path("theirs.safetensors"), strict=False).graph)  # what is too much is left out, what lacks is not
    assert "telepathy" not in said
    assert f"missing {first} [" in said


# -- small files that describe huge networks

HUGE = {
    "classes": replace(yolov5("n"), classes=65536),
    "wide": replace(yolov8("n"), widths=(65536,) * 5),
    "deep": replace(yolov5("n"), repeats=(100,) * 4, neck_repeats=100),
    "head": replace(yolov8("n"), head=DistributionHead(box_width=65536, label_width=65536, bins=65536)),
    "anchors": replace(yolov5("n"), head=replace(yolov5("n").head, anchors=(((1.0, 1.0),) * 2000,) * 3)),
    "published": named("yolov5x6@v5.0"),
}


def peak(call, *arguments):
    """What a refusal said, and the most bytes it needed on the way."""
    tracemalloc.start()
    try:
        return refusal(call, *arguments), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("spec", HUGE.values(), ids=HUGE)
def test_a_tiny_file_that_describes_a_huge_network_fills_no_memory(spec):
    native.write(Path("huge.safetensors"), {"x": np.zeros(1, np.float32)}, manifest(spec))
    said, grown = peak(lambda: opening.read(Path("huge.safetensors")).graph())
    assert said.startswith("huge.safetensors: ")
    assert "unexpected x [1]" in said
    assert grown < 64 * 2**20


def test_a_drawing_asked_for_arrays_that_are_not_there_stops_in_time():
    said, grown = peak(yolo.draw, HUGE["wide"], {}, {}, "huge.safetensors")
    assert said.startswith("huge.safetensors: ")
    assert grown < 64 * 2**20


# -- YOLO-World: what travels with the network


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_text_tower_and_vectors_in_a_file_of_ours_are_told_from_the_network(worlds, version):
    path, tower = Path("w.safetensors"), worlds.tower()
    model = opening.read(worlds.native_file(path, version, text=tower, known=worlds.vectors(3)))
    assert model.arrays.keys() == worlds.arrays(worlds.narrow(version)).keys()
    assert {name: array.tobytes() for name, array in model.text.items()} == {name: array.tobytes() for name, array in tower.items()}
    assert (model.words.labels, model.words.identity) == (worlds.NAMES, worlds.IDENTITY)
    assert np.array_equal(model.words.vectors, worlds.vectors(3))
    model.graph()


def test_an_official_file_gives_its_tower_or_its_prompts(worlds):
    model = opening.read(worlds.official_file(Path("a.safetensors"), text=worlds.tower()))
    assert model.text.keys() == worlds.tower().keys()
    assert (model.words, model.manifest.words_from, model.manifest.background) == (None, worlds.IDENTITY, " ")
    model = opening.read(worlds.official_file(Path("b.safetensors"), prompts=worlds.vectors(2)))
    assert (model.text, model.manifest.names, model.manifest.background) == ({}, ("0", "1"), None)
    assert np.array_equal(model.words.vectors, worlds.vectors(2))
    assert model.manifest.words_from.learned
    assert model.words.identity == model.manifest.words_from
    assert (model.manifest.words_from.name, len(model.manifest.words_from.sha256)) == ("learned prompts of b", 64)
    others = [opening.read(worlds.official_file(Path(f"{name}.safetensors"), prompts=worlds.vectors(2, seed))) for name, seed in PROMPTS]
    same = [model.words.identity.same_as(other.words.identity) for other in others]
    assert same == [True, False, True]
    assert [other.manifest.name for other in others] == [name for name, _ in PROMPTS]


PROMPTS = [("c", 1), ("b", 2), ("\u732b" * 70, 1)]


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_arrays_are_checked_without_a_drawing_as_with_one(worlds, version):
    spec = worlds.narrow(version)
    whole = opening.Model(Path("w.pt"), worlds.manifest(spec), worlds.arrays(spec), {}, None)
    whole.check()
    name = "backbone.stem.conv.weight"
    endless = np.full_like(whole.arrays[name], np.nan)
    for change in ({name: endless}, {name: endless[:1]}, {"more": endless}):
        broken = replace(whole, arrays=whole.arrays | change)
        assert refusal(broken.check) == refusal(broken.graph)
    assert refusal(replace(whole, arrays=None).check) == refusal(replace(whole, arrays=None).graph)
    nano = opening.read(opening.locate(None))
    nano.check()
    assert "missing" in refusal(replace(nano, arrays={}).check)
    replace(whole, exported=whole.graph(), arrays=None).check()


@pytest.mark.parametrize(
    "known",
    [np.ones((2, 40), np.float32), np.ones((3, 41), np.float32), np.ones(3, np.float32), np.ones((3, 40), np.int64)],
    ids=["count", "width", "flat", "integers"],
)
def test_vectors_of_another_kind_are_refused(worlds, known):
    worlds.native_file(Path("w.safetensors"), known=known)
    said = refusal(opening.read, Path("w.safetensors"))
    assert f"w.safetensors: found vectors {list(known.shape)} of 3 names, which its network does not take" in said


def test_vectors_that_are_no_numbers_and_those_of_other_networks_are_refused(worlds):
    worlds.native_file(Path("w.safetensors"), known=np.full((3, 40), np.nan, np.float32))
    assert "its vectors of words cannot be used" in refusal(opening.read, Path("w.safetensors"))
    native.write(Path("y.safetensors"), zeros(SMALL) | {"vocabulary": np.ones((2, 4), np.float32)}, manifest(SMALL))
    assert "which its network does not take" in refusal(opening.read, Path("y.safetensors"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"open": False}, "its manifest has 3 names, but its network takes words"),
        ({"names": ()}, "lacks names"),
    ],
)
def test_a_manifest_that_does_not_fit_an_open_network_is_refused(worlds, change, said):
    assert said in refusal(opening.read, worlds.native_file(Path("w.safetensors"), **change))


def test_a_tower_in_a_file_for_another_width_is_no_matter_of_the_network(worlds):
    spec = replace(worlds.narrow(), embedding=48)
    native.write(Path("w.safetensors"), worlds.arrays(spec) | {"text.norm.bias": np.zeros(64, np.float32)}, worlds.manifest(spec))
    model = opening.read(Path("w.safetensors"))
    assert model.text.keys() == {"norm.bias"}
    model.graph()


def test_a_tiny_file_that_describes_a_huge_yolo_world_fills_no_memory(worlds):
    facts = worlds.manifest(named("yolov8xl-worldv2"))
    native.write(Path("huge.safetensors"), {"x": np.zeros(1, np.float32)}, facts)
    baked = replace(facts, open=False, spec=replace(facts.spec, phrases=(65536,) * 3))
    native.write(Path("folded.safetensors"), {"x": np.zeros(1, np.float32)}, baked)
    for path in ("huge.safetensors", "folded.safetensors"):
        said, grown = peak(lambda path=path: opening.read(Path(path)).graph())
        assert "unexpected x [1]" in said
        assert grown < 64 * 2**20


def test_files_of_words_are_told_from_models(tmp_path):
    with pytest.raises(WeightsError, match="holds words and no network"):
        opening.read(tmp_path / "things.vocab.safetensors")
    graph = GraphBuilder()
    graph.output("vectors", graph.cast(graph.input("tokens", np.int64, ("P", "T")), np.float32), np.float32, ("P", "D"))
    path = tmp_path / "tower.onnx"
    path.write_bytes(graph.model({clip_text.KEY: "{}"}).SerializeToString())
    with pytest.raises(WeightsError, match="finds nothing by itself"):
        opening.read(path)
