"""Narrow YOLO-Worlds full of noise, narrow text towers, and files of both: what tests of opening, baking, exporting and engines share."""

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from wordbox.arrays import arrays as every_array
from wordbox.checkpoints import clip_names, native
from wordbox.manifest import Manifest, Preprocessing, Thresholds
from wordbox.specs import ClipTextSpec, DistributionHead, YoloWorldSpec
from wordbox.vocabulary.encoders import EncoderIdentity
from wordbox.vocabulary.words import of_vectors

HERE = Path(__file__).parent
WIDTH = 40
"""Numbers of a word's vector."""
NAMES = ("cat", "dog", "red bus")
"""What the narrow networks look for by themselves."""
MERGES = ("c a", "ca t</w>", "d o", "do g</w>")
TOWER = ClipTextSpec(width=64, layers=1, heads=1, projection=WIDTH, tokens=514 + len(MERGES), context=12)
IDENTITY = EncoderIdentity(name=f"clip-text-{WIDTH}")


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


golden = _load(HERE / "golden_world.py")
clip = _load(HERE / "graphs" / "numpy_clip.py")


def narrow(version="v2"):
    """A network of a few thousand numbers."""
    head = DistributionHead(box_width=16, label_width=24)
    pooled = {"pooled_width": 64} if version == "v1" else {}
    widths, repeats = (8, 16, 64, 64, 128), (1, 1, 1, 1)
    return YoloWorldSpec(version=version, widths=widths, repeats=repeats, neck_repeats=1, head=head, embedding=WIDTH, **pooled)


def arrays(spec):
    """All of its arrays by our names, full of noise."""
    return golden.filled(every_array(spec), spec.version)


def manifest(spec, **changes):
    """What a file of an open network says of itself."""
    facts = Manifest(
        name="narrow",
        names=NAMES,
        open=True,
        preprocessing=Preprocessing(size=96),
        thresholds=Thresholds(conf=0.1, iou=0.7),
        spec=spec,
        background=" ",
        origin="noise",
        licence="CC0-1.0",
    )
    return replace(facts, **changes)


def tower(seed=0):
    """Arrays of a narrow text tower, by our names."""
    return clip.random_arrays(TOWER, seed)


def merges_in(folder):
    """Put the tokenizer's file of the narrow towers into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *MERGES]), encoding="utf-8")


def tower_folder(folder, seed=0):
    """A narrow tower as Hugging Face keeps one."""
    merges_in(folder)
    save_file(clip_names.to_huggingface(tower(seed)), folder / "model.safetensors")
    return folder


def vectors(count, seed=1):
    """(count, D) of unit length."""
    found = np.random.default_rng(seed).normal(size=(count, WIDTH))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def vocabulary(*names, seed=1):
    """Words with vectors of the narrow towers' width."""
    return of_vectors(names, vectors(len(names), seed), IDENTITY)


def native_file(path, version="v2", *, text=None, known=None, **changes):
    """A file of ours, with a text tower and vectors of its names where they are given."""
    spec = narrow(version)
    stored = arrays(spec) | {f"text.{name}": array for name, array in (text or {}).items()}
    if known is not None:
        stored["vocabulary"] = known
    native.write(path, stored, manifest(spec, **changes))
    return path


def official_file(path, version="v2", *, text=None, prompts=None):
    """The same network as its authors' names have it, bare in a .safetensors."""
    stored = {golden.official(name): array for name, array in arrays(narrow(version)).items() if name != "head.bins"}
    stored |= {f"backbone.text_model.model.{name}": array for name, array in clip_names.to_huggingface(text or {}).items()}
    if prompts is not None:
        stored["embeddings"] = prompts
    save_file(stored, path)
    return path


def ultralytics_file(path, version="v2"):
    """The same network under the names of its rows, bare in a .safetensors."""
    spec = narrow(version)
    found = arrays(spec)
    save_file({one.published: found[one.name] for one in every_array(spec)}, path)
    return path


def picture(seed=0, sides=(96, 64)):
    """A picture of noise in patches, which a network sees more in than in noise."""
    patches = np.random.default_rng(seed).integers(0, 256, (-(-sides[0] // 8), -(-sides[1] // 8), 3), np.uint8)
    return patches.repeat(8, 0).repeat(8, 1)[: sides[0], : sides[1]]
