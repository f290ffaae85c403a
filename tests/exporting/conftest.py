"""What the tests of export share: wordbox-nano on small canvases, over any engine."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest

import wordbox
from wordbox.checkpoints import native
from wordbox.detection.detector import Detector
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.exporting.run import Check
from wordbox.graphs import nano
from wordbox.images.sources import find
from wordbox.manifest import Manifest, Partner, Preprocessing, Thresholds, from_metadata
from wordbox.vocabulary.table import TableEncoder

PHOTOS = sorted((Path(wordbox.__file__).parent / "photos").glob("*.jpg"))


@dataclass
class Model:
    graph: onnx.ModelProto
    manifest: Manifest
    encoder: Any
    photos: list

    def over(self, engine):
        return Detector(engine, self.manifest, self.encoder)

    def engine(self, graph=None):
        return OnnxRuntimeEngine((graph or self.graph).SerializeToString(), where="reference")

    def check(self, photos=None):
        return Check(reference=self.over(self.engine()), against="the reference", over=self.over, sources=photos or self.photos)


@pytest.fixture(scope="session")
def packaged():
    """The trained model, drawn."""
    package = Path(wordbox.__file__).parent
    arrays, manifest = native.read(package / "models" / "wordbox-nano.safetensors")
    smaller = Manifest(
        name="nano",
        names=("cat", "person", "helmet", "flag"),
        open=True,
        preprocessing=Preprocessing(size=256),
        thresholds=Thresholds(conf=0.1, iou=0.5),
        spec=manifest.spec,
        encoder=Partner(name=manifest.encoder.name, sha256=manifest.encoder.sha256),
        licence="Apache-2.0",
    )
    encoder = TableEncoder.load(package / "models" / manifest.encoder.name)
    graph = nano.draw(manifest.spec, arrays, smaller.to_metadata(), "nano")
    return Model(graph, smaller, encoder, list(find([str(path) for path in PHOTOS]).items))


@pytest.fixture
def manifest_of():
    """The Manifest in an engine's metadata."""
    return lambda engine: from_metadata(engine.metadata, "the export")
