"""Load, convert, export, evaluate, describe: the bridge between files, graphs, engines and detectors."""

import importlib.util
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from wordbox import about, opening
from wordbox.checkpoints import native
from wordbox.data.records import Dataset
from wordbox.detection.detector import Detector
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
    from wordbox.export.verify import Verified

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
) -> Detector:
    """A Detector from a model file, or the model inside the package where nothing (or "wordbox-nano") is named.

    A file is a checkpoint of YOLOv5 or YOLOv8 (`.pt`, `.pth`, or bare `.safetensors`), of which nothing is run, a `.safetensors` of
    ours, an `.onnx`, ours or another tool's, or OpenVINO's `.xml` of ours; or a published name such as "yolov5s", whose file lies
    here or in the cache. `engine` is "auto", "onnxruntime", "openvino" or "torch" (`wordbox.engines.names`); `precision` "float32", or less
    where the engine has it. `threads` is how many processors to use, all that this process may use where None. `device` is "cpu", or
    "cuda" for the engines that reach it. `synonyms=False` switches off the list of synonyms that an open model's words are looked up
    in. `spec` names the network where bare arrays leave it open, such as "yolov5s@v3.1". The licence of weights that are not
    Wordbox's own is said once. Raises WeightsError, EngineError or InputError.
    """
    path = opening.locate(source)
    kind = names.chosen(engine, path.suffix)
    options: _Options = {"where": str(path), "threads": threads, "device": device, "precision": precision}
    if path.suffix.lower() == ".xml":
        running, manifest = _from_xml(path, options)
    else:
        model = opening.read(path, spec=spec)
        opening.check_published(source, model)
        running, manifest = _engine(kind, model, options), model.manifest
    if path.parent != opening.MODELS:
        opening.say_licence(manifest.name, manifest.licence)
    encoder = opening.encoder(path, manifest, synonyms=synonyms)
    if encoder is not None and encoder.width != running.inputs["words"].shape[2]:
        wanted = running.inputs["words"].shape[2]
        raise WeightsError(f"{path}: its words are vectors of {wanted} numbers, but its text encoder gives {encoder.width}; one is wrong")
    return Detector(running, manifest, encoder)


def convert(source: str | Path, out: str | Path, *, spec: str | None = None, strict: bool = True) -> Manifest:
    """Write the arrays of a foreign checkpoint as a `.safetensors` of ours, with its Manifest inside, and give that Manifest.

    Values keep their bits, and names become those of our networks. `spec` and `strict` are as in `load` and
    `checkpoints.foreign.read`. Raises WeightsError where the arrays do not fit the network, InputError where `out` cannot be written.
    """
    path, target = opening.locate(source), Path(out)
    if target.suffix.lower() != ".safetensors":
        raise InputError(f"{target}: found the ending {target.suffix!r}, expected .safetensors; wordbox export writes other forms")
    model = opening.read(path, spec=spec, strict=strict)
    opening.check_published(source, model)
    if model.arrays is None:
        raise WeightsError(f"{path}: it holds a graph and no named arrays, so it cannot be converted; use the checkpoint it was made from")
    if target.resolve() == path.resolve():
        raise InputError(f"{target} is the checkpoint itself; choose another name")
    model.graph()  # whatever does not fit is said now
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        native.write(target, model.arrays, model.manifest)
    except OSError as error:
        raise InputError(f"{target} cannot be written ({error.strerror}; {target.resolve()}); choose another place") from error
    return model.manifest


def export(
    source: str | Path | None,
    out: str | Path,
    *,
    nms: str = "host",
    verify: bool = False,
    photos: str | Path | None = None,
    spec: str | None = None,
) -> "Verified | None":
    """Write a model's deployed graph as `.onnx`, or as OpenVINO's `.xml` with its `.bin`, its Manifest in the metadata.

    `nms` "graph" puts suppression into the graph. `verify` runs both sides on `photos` (two in the package where None) and writes the
    largest difference into the metadata; it is given back. Raises WeightsError, EngineError or InputError.
    """
    from wordbox.export import run as exporting
    from wordbox.export import target

    path, place = opening.locate(source), Path(out)
    target.check(place, path)
    model = opening.read(path, spec=spec)
    opening.check_published(source, model)
    if path.parent != opening.MODELS:
        opening.say_licence(model.manifest.name, model.manifest.licence)
    graph = model.graph()
    check = None
    if verify:
        # where PyTorch is, its own drawing of the network is the other side
        kind = "torch" if model.arrays is not None and importlib.util.find_spec("torch") else "onnxruntime"
        running = _engine(kind, model, {"where": str(path), "threads": None, "device": "cpu", "precision": "float32"})
        encoder = opening.encoder(path, model.manifest, synonyms=True)

        def over(engine: "Engine") -> Detector:
            return Detector(engine, model.manifest, encoder)

        pictures = find(str(photos) if photos is not None else str(PHOTOS / "*.jpg")).items
        check = exporting.Check(reference=over(running), against=running.name, over=over, sources=pictures)
    if check is not None:
        logger.warning("comparing the file with the model on %d photos", len(check.sources))
    return exporting.export(graph, place, nms=nms, check=check)


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


class _Options(TypedDict):
    """What every engine is made with."""

    where: str
    threads: int | None
    device: str
    precision: str


def _engine(kind: str, model: opening.Model, options: _Options) -> "Engine":
    """The engine called `kind` over the model's graph, or over its arrays. Raises MissingExtraError where it is not installed."""
    graph = model.graph()
    match kind:
        case "torch":
            return _torch_engine(model, options)
        case "openvino":
            from wordbox.engines.openvino import OpenVinoEngine

            return OpenVinoEngine(graph.SerializeToString(), **options)
        case _:
            from wordbox.engines.onnxruntime import OnnxRuntimeEngine

            return OnnxRuntimeEngine(graph.SerializeToString(), **options)


def _torch_engine(model: opening.Model, options: _Options) -> "Engine":
    extra_module("torch", "torch")
    from wordbox.networks.build import build
    from wordbox.networks.engine import TorchEngine
    from wordbox.networks.weights import load_arrays

    manifest = model.manifest
    if model.arrays is None or manifest.spec is None:
        raise EngineError(f"{model.path}: a graph, which PyTorch does not run; name the checkpoint it was made from, or another engine")
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
