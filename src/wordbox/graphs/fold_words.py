"""Words folded into weights: an open network and a list of words become a network of fixed classes.

Source: YOLO-World (Cheng et al., 2024), section 3.4 (re-parameterisation); spec yolo-world.md, section 5.3. Exact for words of any
length: gates take them as they are, heads at unit length.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.graphs.heads import RegionNames
from wordbox.specs import NanoSpec, YoloWorldSpec

Arrays = Mapping[str, NDArray[Any]]


def fold_words(
    spec: NanoSpec | YoloWorldSpec, arrays: Arrays, vectors: NDArray[np.float32], phrases: Sequence[int], background: int = 0
) -> tuple[NanoSpec | YoloWorldSpec, dict[str, NDArray[Any]]]:
    """The network of fixed classes that does what the open one does with these words, and its arrays.

    `vectors` (P, D) stand label by label, `phrases` says how many each label has, and the last `background` of them gate alone.
    YOLO-World's version 2 and wordbox-nano lose the comparison: their last convolutions answer for the words. Version 1 keeps all it
    has, since its words look at the picture, and gets the words as one more array.
    """
    if isinstance(spec, NanoSpec):
        return replace(spec, phrases=tuple(phrases)), _nano(spec, arrays, vectors)
    baked = replace(spec, phrases=tuple(phrases), background=background)
    return baked, {**arrays, "words": vectors} if spec.version == "v1" else _version2(spec, arrays, vectors, len(vectors) - background)


def _version2(spec: YoloWorldSpec, arrays: Arrays, vectors: NDArray[np.float32], named: int) -> dict[str, NDArray[Any]]:
    found = {name: array for name, array in arrays.items() if ".contrast." not in name and ".gate.guide." not in name}
    for name in arrays:
        stage, is_guide, _ = name.partition(".guide.weight")
        if is_guide:
            guide, bias = (arrays[f"{stage}.guide.{part}"].astype(np.float64) for part in ("weight", "bias"))
            found[f"{stage}.words"] = (vectors @ guide.T + bias).astype(np.float32)
    units = _unit(vectors[:named])
    for level in range(len(spec.strides)):
        name, contrast = f"head.label.{level}.predict", f"head.contrast.{level}"
        names = RegionNames(region=name, norm=f"{contrast}.norm", scale=f"{contrast}.scale", offset=f"{contrast}.offset")
        found |= _compared(arrays, units, names, spec.norm_epsilon, name)
    return found


def _nano(spec: NanoSpec, arrays: Arrays, vectors: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    parts = ("region", "norm", "scale", "offset")
    found = {name: array for name, array in arrays.items() if not name.startswith(tuple(f"head.{part}." for part in parts))}
    for i in range(len(spec.strides)):
        names = RegionNames(**{part: f"head.{part}.{i}" for part in parts})
        found |= _compared(arrays, vectors.astype(np.float64), names, spec.norm_epsilon, f"head.label.{i}")
    return found


def _compared(arrays: Arrays, words: NDArray[np.float64], names: RegionNames, epsilon: float, name: str) -> dict[str, NDArray[Any]]:
    """The 1x1 convolution `name` that gives exp(scale) (norm(region x) . word) + offset for each of `words` (P, D)."""
    kernel, bias = (arrays[f"{names.region}.{part}"].astype(np.float64) for part in ("weight", "bias"))
    gain, shift, mean, variance = (arrays[f"{names.norm}.{part}"].astype(np.float64) for part in ("weight", "bias", "mean", "variance"))
    steep = np.exp(arrays[names.scale].astype(np.float64))
    gain = gain / np.sqrt(variance + epsilon)
    weighted = steep * words * gain  # (P, D)
    weight = np.tensordot(weighted, kernel, 1)  # (P, C, 1, 1)
    constant = weighted @ bias + steep * (words @ (shift - mean * gain)) + arrays[names.offset].astype(np.float64)
    return {f"{name}.weight": weight.astype(np.float32), f"{name}.bias": constant.astype(np.float32)}


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    found: NDArray[np.float64] = wide / np.maximum(np.linalg.norm(wide, axis=1, keepdims=True), 1e-12)
    return found
