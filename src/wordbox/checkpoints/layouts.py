"""A network's arrays under the names that others gave them: what `wordbox convert --layout` writes.

Values keep their bits. Counters of BatchNorms, which no network computes with, are zeros.
"""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wordbox.arrays import arrays as arrays_of
from wordbox.checkpoints import clip_names, official
from wordbox.checkpoints.word_vectors import WordVectors
from wordbox.errors import WeightsError
from wordbox.specs import AnchorHead, Spec, YoloSpec, YoloWorldSpec

Arrays = Mapping[str, NDArray[Any]]

_COUNTED = re.compile(r"\.running_var$")


def to_official(spec: Spec, arrays: Arrays, text: Arrays, words: WordVectors | None, where: str) -> dict[str, NDArray[Any]]:
    """An open YOLO-World as its authors' files hold it: bare, with its text tower where it has one.

    `text` is the tower by our names, with nothing leading them. Learned prompts (`words` without names) stand in place of a tower; vectors
    of words are no part of this layout. Raises WeightsError, led by `where`, for a network of another family, one with words folded in,
    and arrays that do not fit.
    """
    if not isinstance(spec, YoloWorldSpec):
        raise WeightsError(f"{where}: found a network of the family {spec.family}, expected a YOLO-World: nobody else has that layout")
    _check(spec, arrays, where)
    if spec.head.depthwise:
        raise WeightsError(
            f"{where}: its class towers have depthwise convolutions, which the layout of YOLO-World's authors has no names for"
        )
    found = _counted({theirs: arrays[ours] for ours, theirs in official.names(spec).items()})
    if words is not None and words.names is None:
        if text:
            raise WeightsError(
                f"{where}: found learned prompts beside a text tower; expected one of both, since the prompts replace the tower"
            )
        found[official.PROMPTS] = words.vectors
    found |= {f"{official.TOWER}{theirs}": array for theirs, array in clip_names.to_huggingface(text).items()}
    return found


def to_ultralytics(spec: Spec, arrays: Arrays, where: str) -> dict[str, NDArray[Any]]:
    """A YOLO under the names of its layer table, as the state_dict of a model that `ultralytics` or YOLOv5 has built.

    It has no place for a text tower, words or class names. YOLOv5 v1.0 is written as v2.0, which is the same function under other rows.
    Raises WeightsError, led by `where`, for other networks, YOLO-World with words folded in, and arrays that do not fit.
    """
    if not isinstance(spec, YoloSpec):
        raise WeightsError(f"{where}: found a network of the family {spec.family}, expected a YOLO: nobody else has that layout")
    _check(spec, arrays, where)
    entries = arrays_of(spec)
    # a fresh model of theirs holds this one number in a list, and takes no other shape
    listed = {one.name for one in entries if one.name.startswith("head.contrast.") and one.name.endswith(".offset")}
    found = _counted({one.published: arrays[one.name].reshape(1) if one.name in listed else arrays[one.name] for one in entries})
    if isinstance(spec.head, AnchorHead):
        last = entries[-1].published.split(".")[1]
        cells = np.array(spec.head.anchors, np.float64) / np.array(spec.strides).reshape(-1, 1, 1)
        narrow = cells.astype(arrays[entries[-1].name].dtype)
        found[f"model.{last}.anchors"] = narrow if np.array_equal(narrow, cells) else cells.astype(np.float32)
    return found


def _check(spec: YoloSpec, arrays: Arrays, where: str) -> None:
    if isinstance(spec, YoloWorldSpec) and spec.phrases:
        raise WeightsError(
            f"{where}: {len(spec.phrases)} words are folded into its weights, which no layout but Wordbox's own can hold exactly; "
            "convert the open model that they were folded into"
        )
    shapes = {one.name: one.shape for one in arrays_of(spec)}
    faults = [f"missing {name} {list(shape)}" for name, shape in shapes.items() if name not in arrays]
    faults += [f"{name} is {list(arrays[name].shape)}, expected {list(shape)}" for name, shape in shapes.items()
               if name in arrays and arrays[name].shape != shape]  # fmt: skip
    faults += [f"unexpected {name} {list(array.shape)}" for name, array in arrays.items() if name not in shapes]
    if faults:
        more = f" and {len(faults) - 8} more" if len(faults) > 8 else ""
        raise WeightsError(f"{where}: its arrays are not those of its network: {'; '.join(faults[:8])}{more}")


def _counted(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """The arrays with a counter behind each BatchNorm's variance, where PyTorch keeps it."""
    found: dict[str, NDArray[Any]] = {}
    for name, array in arrays.items():
        found[name] = array
        if _COUNTED.search(name):
            found[_COUNTED.sub(".num_batches_tracked", name)] = np.zeros((), np.int64)
    return found
