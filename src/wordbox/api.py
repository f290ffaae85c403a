"""Load, bake, convert, export, evaluate, describe: the bridge between files, graphs, engines and detectors."""

import importlib.util
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from wordbox import about, baking, opening
from wordbox.data.records import Dataset
from wordbox.detection.detector import Detector
from wordbox.encoding import encoder_of, with_vectors
from wordbox.engines import names
from wordbox.errors import EngineError, InputError, WeightsError, extra_module
from wordbox.evaluation import run
from wordbox.evaluation.report import Report
from wordbox.images.sources import find
from wordbox.manifest import Manifest, from_metadata
from wordbox.settings import EvaluateSettings
from wordbox.vocabulary.words import Words

if TYPE_CHECKING:
    from wordbox.engines.base import Engine
    from wordbox.exporting.verify import Verified

logger = logging.getLogger("wordbox")

PACKAGED = opening.PACKAGED
PHOTOS = Path(__file__).parent / "photos"


def load(
    source: str | Path | None = None,
    *,
    synonyms: bool = True,
    engine: str = "auto",
    device: str = "cpu",
    precision: str = "float32",
    threads: int | None = None,
    spec: str | None = None,
    text_encoder: str | Path | None = None,
    background: bool = True,
) -> Detector:
    """A Detector from a model file, or the model inside the package where nothing (or "wordbox-nano") is named.

    A file is a checkpoint of YOLOv5, YOLOv8 or YOLO-World (`.pt`, `.pth`, or bare `.safetensors`), of which nothing is run, a
    `.safetensors` of ours, an `.onnx`, ours or another tool's, or OpenVINO's `.xml` of ours; or a published name such as "yolov5s", whose
    file lies here or in the cache. `engine` is "auto", "onnxruntime", "openvino" or "torch" (`wordbox.engines.names`); `precision`
    "float32", or less where the engine has it. `threads` is how many processors to use, all that this process may use where None.
    `device` is "cpu", or "cuda" for the engines that reach it. `synonyms=False` switches off wordbox-nano's list of synonyms. `spec` names
    the network where bare arrays leave it open, such as "yolov5s@v3.1". `text_encoder` is where a YOLO-World's words get their vectors: a
    folder of CLIP from Hugging Face, an official `.pth`, an exported text encoder, or a `.vocab.safetensors`; what is inside the model or
    beside it where None. `background=False` leaves out the word that YOLO-World was trained to see behind every list.
    The licence of weights that are not Wordbox's own is said once. Raises WeightsError, EngineError or InputError.
    """
    path = opening.locate(source)
    kind = names.chosen(engine, path.suffix)
    options: _Options = {"where": str(path), "threads": threads, "device": device, "precision": precision}
    origin, known, has_tower = None, None, False
    if path.suffix.lower() == ".xml":
        running, manifest = _from_xml(path, options)
    else:
        model = opening.read(path, spec=spec)
        opening.check_published(source, model)
        running, manifest, known, has_tower = _engine(kind, model, options), model.manifest, model.words, bool(model.text)
        origin = _Origin(kind, options, partial(opening.read, path, spec=spec), text_encoder)
    opening.say_licence(path, manifest)
    encoder = encoder_of(path, manifest, synonyms=synonyms, known=known, has_tower=has_tower, named=text_encoder, threads=threads)
    if encoder is not None and encoder.width != running.inputs["words"].shape[2]:
        wanted = running.inputs["words"].shape[2]
        raise WeightsError(f"{path}: its words are vectors of {wanted} numbers, but its text encoder gives {encoder.width}; one is wrong")
    return Detector(running, manifest if background else replace(manifest, background=None), encoder, origin=origin)


def bake(detector: Detector | str | Path | None, words: Words) -> Detector:
    """A Detector of fixed classes that finds what `detector` finds with `words`, sooner, and needs no text encoder.

    `detector` may also be what `load` takes. YOLO-World's version 2 and wordbox-nano have the words in their weights from here on; version
    1, whose words look at each picture, keeps them as constants. `detector` stays open and can be baked again. `wordbox.export` writes the
    result. The file of `detector` is read again, so it must still be there. Raises WeightsError where it is not, where it was made from a
    graph or has fixed classes, VocabularyError where a word has no vector.
    """
    if not isinstance(detector, Detector):
        detector = load(detector)
    origin = detector.origin
    if not isinstance(origin, _Origin):
        raise WeightsError(f"{detector.manifest.name}: it was made from a graph, whose weights have no names; bake the checkpoint of it")
    model = origin.read()
    baking.check(model)
    vocabulary = detector.with_words(words).vocabulary
    assert vocabulary is not None, "words have vectors where they are an input"
    baked = baking.bake(model, vocabulary)
    return Detector(_engine(origin.kind, baked, origin.options), baked.manifest, origin=replace(origin, read=lambda: baked))


def how_baked(detector: Detector) -> str:
    """What became of the words of a Detector, in a sentence: in its weights, constants, or, where `bake` did not give it, nothing."""
    return baking.said_of(detector.manifest)


def convert(
    source: str | Path | Detector, out: str | Path, *, layout: str = "native", spec: str | None = None, strict: bool = True
) -> Manifest:
    """Write the arrays of a checkpoint, or of what a Detector was made from, baked words included, and give the Manifest.

    `layout` "native" is a `.safetensors` of ours, with the Manifest inside; "official" is a `.pth` as YOLO-World's authors name its
    arrays, "ultralytics" a `.pt` with Ultralytics' names: dictionaries of names and arrays (a `.safetensors` too), without modules. Values
    keep their bits. `spec` and `strict` are as in `load` and `checkpoints.foreign.read`. Raises WeightsError where the arrays do not fit
    the network or the layout, InputError where `out` cannot be written.
    """
    from wordbox import writing

    model, target = _model(source, spec, strict), Path(out)
    writing.check(target, layout, model.path)
    if model.exported is None:
        model.check()  # whatever does not fit is said now
    writing.write(model, target, layout)
    return model.manifest


def export(
    source: str | Path | Detector | None,
    out: str | Path,
    *,
    nms: str = "host",
    verify: bool = False,
    photos: str | Path | None = None,
    spec: str | None = None,
) -> "Verified | None":
    """Write a model's deployed graph as `.onnx`, or as OpenVINO's `.xml` with its `.bin`, its Manifest in the metadata.

    `source` is what `load` takes, or a Detector, baked or not. A YOLO-World that takes words gets a file beside it with their vectors: the
    text encoder, or the vocabulary, that a Detector was loaded with, else the text encoder inside the model, else the vectors of its own
    names. Words that `with_words` gave do not go along: `bake` them. `nms` "graph" puts suppression into the graph. `verify` runs both
    sides on `photos` (two in the package where None) and writes the largest difference into the metadata; it is given back. No file of
    another content is replaced by the one of words. Raises WeightsError, EngineError or InputError.
    """
    from wordbox.exporting import partner, target
    from wordbox.exporting import run as exporting

    place = Path(out)
    if not isinstance(source, Detector):
        target.check(place, opening.locate(source))  # before anything is read
    model = _model(source, spec)
    named = source.origin.text_encoder if isinstance(source, Detector) and isinstance(source.origin, _Origin) else None
    target.check(place, model.path)
    opening.say_licence(model.path, model.manifest)
    with partner.drafted(model, place, named) as (model, words, new):
        graph = model.graph()
        check = None
        if verify:
            # where PyTorch is, its own drawing of the network is the other side
            kind = "torch" if model.arrays is not None and importlib.util.find_spec("torch") else "onnxruntime"
            running = _engine(kind, model, {"where": str(model.path), "threads": None, "device": "cpu", "precision": "float32"})
            encoder = with_vectors(encoder_of(words, model.manifest), model.manifest)

            def over(engine: "Engine") -> Detector:
                return Detector(engine, model.manifest, encoder)

            pictures = find(str(photos) if photos is not None else str(PHOTOS / "*.jpg")).items
            check = exporting.Check(reference=over(running), against=running.name, over=over, sources=pictures)
            logger.warning("comparing the file with the model on %d photos", len(check.sources))
        return exporting.export(graph, place, nms=nms, check=check, partner=new)


def export_text_encoder(source: str | Path, out: str | Path, precision: str = "float32") -> float:
    """Write the text tower in `source`, a folder of CLIP from Hugging Face or a model's file, as an `.onnx` with its tokenizer inside.

    `precision` is how its matrices are kept: "float32", "float16" or "int8". Gives the least cosine between the vectors of COCO's 80 names
    before and after. Raises WeightsError, InputError, or MissingExtraError without the extra `clip`.
    """
    from wordbox import towers

    if precision not in towers.PRECISIONS:
        expected = f"expected one of {', '.join(towers.PRECISIONS)}; a folder of CLIP or a model goes in the place of the source"
        raise InputError(f"found precision {precision!r}, {expected}")
    return towers.export(towers.read(Path(source)), Path(out), precision)


def read_dataset(path: str | Path, split: str = "val") -> Dataset:
    """Labelled pictures from a COCO JSON file, a YOLO data.yaml, or a folder of either or of Pascal VOC's XML.

    `split` chooses among the parts that a data.yaml or a folder names: "val", "test", "train". Raises DatasetError.
    """
    from wordbox.data import read  # PyYAML is loaded for those who read labels only

    return read.read(Path(path), split)


def evaluate(
    detector: Detector,
    data: str | Path | Dataset,
    *,
    split: str = "val",
    words: Words | None = None,
    settings: EvaluateSettings | None = None,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Average precision of `detector` on labelled pictures by COCO's rules, with what a reader must know beside it.

    `data` and `split` are what `read_dataset` takes, or `data` is a Dataset. `words` are looked for instead of the detector's own;
    labels are matched with the data's classes by name, so a mapping such as {"car": "automobile"} measures other words for a class.
    `progress` is told how many pictures are done. Raises DatasetError, VocabularyError, or MissingExtraError without the extra
    `evaluate`.
    """
    asked = detector if words is None else detector.with_words(words)
    dataset = data if isinstance(data, Dataset) else read_dataset(data, split)
    return run.evaluate(asked, dataset, settings=settings or EvaluateSettings(), progress=progress)


def describe(source: str | Path | None = None, *, spec: str | None = None) -> dict[str, Any]:
    """What a model is: of a file, of a published name whose file is here, or of a network by its name alone, such as "yolov8n-p2".

    Keys: name, network (as published), parameters, flops (twice the multiply-adds of convolutions, at 640 for YOLOs; at its own size,
    with its own names and matrix products for others), layers (rows of the layer table), size, words, open, licence, origin; None
    where nothing is known. Raises WeightsError.
    """
    try:
        path = opening.locate(source)
    except WeightsError:
        if not opening.is_name(source):
            raise
        return about.network(opening.network_called(str(source))) | opening.published_facts(str(source))
    if path.suffix.lower() == ".xml":
        _, manifest = _from_xml(path, {"where": str(path), "threads": 1, "device": "cpu", "precision": "float32"})
        return about.manifest(manifest)
    model = opening.read(path, spec=spec)
    opening.check_published(source, model)
    return about.file(model)


def _model(source: str | Path | Detector | None, spec: str | None, strict: bool = True) -> opening.Model:
    """What `source` names, or what a Detector was made from, read."""
    if isinstance(source, Detector):
        if not isinstance(source.origin, _Origin):
            raise WeightsError(f"{source.manifest.name}: it was made from a graph that is not kept; name its file instead")
        model = source.origin.read()
        return replace(model, manifest=replace(model.manifest, background=source.manifest.background))
    path = opening.locate(source)
    model = opening.read(path, spec=spec, strict=strict)
    opening.check_published(source, model)
    return model


class _Options(TypedDict):
    """What every engine is made with."""

    where: str
    threads: int | None
    device: str
    precision: str


@dataclass(frozen=True)
class _Origin:
    """What a Detector was made from, and how."""

    kind: str
    options: _Options
    read: Callable[[], opening.Model]
    text_encoder: str | Path | None = None
    """Where its words get their vectors, where somebody named it."""


def _engine(kind: str, model: opening.Model, options: _Options) -> "Engine":
    """The engine called `kind` over the model's graph, or over its arrays. Raises MissingExtraError where it is not installed."""
    match kind:
        case "torch":
            return _torch_engine(model, options)
        case "openvino":
            from wordbox.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(model.graph().SerializeToString(), **options)
        case _:
            from wordbox.engines.onnxruntime import OnnxRuntimeEngine

            return OnnxRuntimeEngine(model.graph().SerializeToString(), **options)


def _torch_engine(model: opening.Model, options: _Options) -> "Engine":
    extra_module("torch", "torch")
    from wordbox.networks.build import build
    from wordbox.networks.engine import TorchEngine
    from wordbox.networks.weights import load_arrays

    manifest = model.manifest
    if model.arrays is None or manifest.spec is None:
        raise EngineError(f"{model.path}: a graph, which PyTorch does not run; name the checkpoint it was made from, or another engine")
    model.check()
    network = build(manifest.spec)
    load_arrays(network, model.arrays, str(model.path))
    return TorchEngine(network, manifest.to_metadata(), **options)


def _from_xml(path: Path, options: _Options) -> "tuple[Engine, Manifest]":
    from wordbox.engines.openvino import OpenVinoEngine

    engine = OpenVinoEngine(path, **options)
    manifest = from_metadata(engine.metadata, str(path))
    if manifest is None:
        raise WeightsError(f"{path}: it has no manifest of Wordbox's; make it with wordbox export, or use the ONNX it was made from")
    opening.check_manifest(manifest, path)
    opening.check_graph(engine.inputs, engine.outputs, manifest, path)
    return engine, manifest
