"""From a deployed graph to a file of it: suppression inside on request, compared with its source on request, whole or not at all."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnx import helper

from wordbox.detection.detector import Detector
from wordbox.engines.base import Engine
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.engines.openvino import OpenVinoEngine
from wordbox.errors import InputError
from wordbox.exporting import target
from wordbox.exporting.openvino import write_xml
from wordbox.exporting.verify import KEY, Verified, verify
from wordbox.graphs import suppression
from wordbox.images.sources import Source

NMS = ("host", "graph")


@dataclass(frozen=True, kw_only=True)
class Check:
    """What an export is compared with."""

    reference: Detector
    """The model that it is made from."""
    against: str
    """The name of what runs it."""
    over: Callable[[Engine], Detector]
    """The same detector over another engine."""
    sources: Sequence[Source]
    """Photos."""


def export(graph: onnx.ModelProto, out: Path, *, nms: str, check: Check | None, partner: Path | None = None) -> Verified | None:
    """Write `graph` to `out`, an .onnx or .xml, and say how far it is from its source where there is a `check`.

    An .xml gets a .bin beside it. The files appear when all is done, in the place of older ones; where something fails, nothing is
    left. The file `partner`, if there is one, is moved beside `out` before them, since the model is of no use without it.
    Raises InputError, EngineError, or MissingExtraError for an .xml without OpenVINO.
    """
    model = _with_suppression(graph, nms)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=out.parent, prefix=".wordbox-", ignore_cleanup_errors=True) as folder:
            verified = None
            if check is not None:
                draft = Path(folder, f"draft{out.suffix}")
                write(model, draft)
                verified = verify(check.reference, check.against, _opened(draft, out.name), check.over, check.sources)
                helper.set_model_props(model, _metadata(model) | verified.to_metadata())
            ready = Path(folder, out.name)
            write(model, ready)
            with _beside(out, partner):
                for new, wanted in zip(target.files(ready), target.files(out), strict=True):
                    os.replace(new, wanted)
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}; {out.resolve()}); choose another place") from error
    return verified


def write(graph: onnx.ModelProto, path: Path) -> None:
    """Write a graph in the form that the ending of `path` names."""
    if path.suffix.lower() == ".xml":
        write_xml(graph, path)
    else:
        path.write_bytes(graph.SerializeToString())


@contextmanager
def _beside(out: Path, partner: Path | None) -> Iterator[None]:
    """`partner`, if there is one, beside `out`, and gone again where the block fails."""
    place = None if partner is None else out.with_name(partner.name)
    if partner is not None and place is not None:
        os.replace(partner, place)
    try:
        yield
    except OSError:
        if place is not None:
            place.unlink(missing_ok=True)
        raise


def _with_suppression(graph: onnx.ModelProto, nms: str) -> onnx.ModelProto:
    """A copy of `graph` whose suppression is where `nms` wants it."""
    if nms not in NMS:
        raise InputError(f"found nms {nms!r}, expected one of {', '.join(NMS)}")
    inside = any(value.name in suppression.INPUTS for value in graph.graph.input)
    if inside and nms == "host":
        raise InputError("found suppression inside this model, and nms 'host'; export the model that it was made from, or ask for 'graph'")
    model = onnx.ModelProto()
    model.CopyFrom(suppression.append(graph) if nms == "graph" and not inside else graph)
    helper.set_model_props(model, {key: value for key, value in _metadata(model).items() if key != KEY})  # of an export before
    return model


def _metadata(model: onnx.ModelProto) -> dict[str, str]:
    return {entry.key: entry.value for entry in model.metadata_props}


def _opened(path: Path, where: str) -> Engine:
    """The engine that a written file is meant for."""
    if path.suffix.lower() == ".xml":
        return OpenVinoEngine(path, where=where)
    return OnnxRuntimeEngine(path.read_bytes(), where=where)
