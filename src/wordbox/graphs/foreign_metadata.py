"""What another tool's export says about itself: text in its metadata, parsed as data and never evaluated."""

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from wordbox.errors import WeightsError
from wordbox.manifest import Preprocessing, numbered

_LITERAL_LIMIT = 1_000_000  # characters of metadata that are parsed at all
# Numbers, strings and brackets: a long chain of operators would crash Python 3.10's own parser.
_LITERAL = re.compile(r"""(?:[\s\d{}\[\](),:.]|None|True|False|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")*""")
_TASK = "detect"


def check_task(metadata: Mapping[str, str], where: str) -> None:
    """Raise WeightsError that names the task where the metadata says another one than detection."""
    task = metadata.get("task", _TASK)
    if task != _TASK:
        raise WeightsError(f"{where}: found a model for the task {task!r}, expected {_TASK!r}; Wordbox detects boxes only")


def names(metadata: Mapping[str, str], where: str) -> tuple[str, ...]:
    """Class names; none where the metadata has none. Raises WeightsError."""
    if "names" not in metadata:
        return ()
    try:
        return numbered(_literal(metadata["names"]))
    except ValueError as error:
        raise WeightsError(f"{where}: found names {metadata['names'][:80]!r} in its metadata, {error}") from error


def preprocessing(metadata: Mapping[str, str], canvas: tuple[int | None, int | None], where: str) -> Preprocessing:
    """Size and stride of the canvas. A graph that takes just one `canvas` (height, width) is believed before its metadata.

    Where neither tells the size it is 640, and 1280 for a stride of 64 and more. Raises WeightsError.
    """
    stride_text = metadata.get("stride", "32")
    stride = _whole(_largest(_literal(stride_text)))
    size_text = metadata.get("imgsz", "1280" if type(stride) is int and stride > 32 else "640")
    height, width = canvas
    try:
        if height and width:
            return Preprocessing(size=(height, width), stride=stride)
        size = _whole(_largest(_literal(size_text)))
        return Preprocessing(size=(height or size, width or size) if height or width else size, stride=stride)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{where}: found imgsz {size_text[:80]!r} and stride {stride_text[:80]!r} in its metadata: {error}") from error


def suppresses(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata says that overlaps are dropped inside the graph."""
    arguments = _literal(metadata.get("args", ""))
    inside = isinstance(arguments, dict) and arguments.get("nms") is True
    return inside or metadata.get("end2end", "").strip().lower() in ("true", "1")


def _largest(value: Any) -> Any:
    """The largest of a list of numbers; anything else as it is."""
    whole = isinstance(value, list | tuple) and len(value) > 0 and all(type(side) in (int, float) for side in value)
    return max(value) if whole else value


def _whole(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() else value


def _literal(text: str) -> Any:
    """A value written as JSON or as a Python literal; None where it is neither."""
    if len(text) > _LITERAL_LIMIT:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if not _LITERAL.fullmatch(text):
        return None
    try:
        return ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):  # a TypeError for keys such as {[]: 1}
        return None
