"""What a saved model says about itself: one JSON under one key, in safetensors and ONNX metadata alike.

Whoever opens a file reads it; nothing is guessed from a file's name.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import PurePath
from typing import Any

from wordbox import specs
from wordbox.errors import WeightsError
from wordbox.vocabulary.encoders import EncoderIdentity

KEY = "wordbox"
VERSION = 1

_LONGEST_NAME = 200  # bytes: file systems end at 255
_LONGEST_WORD = 10_000


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Defaults of detection, as measured for the model."""

    conf: float = 0.25
    """Least score."""
    iou: float = 0.7
    """Overlap above which the lower of two boxes with one label is dropped."""

    def __post_init__(self) -> None:
        for value in (self.conf, self.iou):
            if type(value) not in (int, float) or not 0 <= value <= 1:
                raise ValueError(f"found the threshold {value!r}, expected a number from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """What the network wants to see."""

    size: tuple[int, int] | int
    """Long side of the canvas in pixels, or a fixed (height, width)."""
    stride: int = 32
    """Both sides of the canvas are multiples of this."""
    padding: int = 114
    """Grey value around the picture."""

    def __post_init__(self) -> None:
        sides = self.size if isinstance(self.size, tuple) else (self.size,)
        for value, low, high in (*((side, 1, 16384) for side in sides), (self.stride, 1, 1024), (self.padding, 0, 255)):
            if type(value) is not int or not low <= value <= high:
                raise ValueError(f"found {value!r} in the preprocessing, expected a whole number from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class Partner:
    """A file that belongs to this one."""

    name: str
    """File name, looked for beside the model."""
    sha256: str
    """Its checksum."""

    def __post_init__(self) -> None:
        plain = PurePath(self.name).name == self.name and len(self.name.encode()) < _LONGEST_NAME and self.name.isprintable()
        if not isinstance(self.sha256, str) or not plain or self.name in ("", "..") or "\\" in self.name:
            found = f"{self.name[:40]!r} with checksum {self.sha256!r:.70}"
            raise ValueError(f"found {found}, expected a file name of one line without folders, and its sha256")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Facts of a model that travel in its file."""

    name: str
    """What the model is called."""
    names: tuple[str, ...]
    """The model's own vocabulary: its fixed classes, or what an open model looks for when nothing is asked."""
    open: bool
    """Whether words are an input."""
    preprocessing: Preprocessing
    thresholds: Thresholds = field(default_factory=Thresholds)
    spec: specs.Spec | None = None
    """The network, where it is one of ours; None for another tool's export."""
    encoder: Partner | None = None
    """The text encoder whose vectors an open model was made for."""
    background: str | None = None
    """A word that is added behind every list and never found; None where the model wants none."""
    words_from: EncoderIdentity | None = None
    """Which text encoder an open model's words are of, where it is no partner."""
    origin: str = ""
    """Where the weights come from."""
    licence: str = ""
    """SPDX identifier, or a sentence."""

    def __post_init__(self) -> None:
        for text in (self.name, self.origin, self.licence, "" if self.background is None else self.background, *self.names):
            if not isinstance(text, str):
                raise TypeError(f"found {text!r} among the manifest's texts, expected a string")
            text.encode()  # a lone half of a pair of UTF-16 cannot be written again
        if type(self.open) is not bool:
            raise TypeError(f"found open {self.open!r}, expected true or false")
        if len(self.background or "") > _LONGEST_WORD:
            raise ValueError(f"found a background word of {len(self.background or ''):,} letters, expected at most {_LONGEST_WORD:,}")

    def to_json(self) -> str:
        """The one JSON that is stored under `KEY`."""
        fields = asdict(self) | {"spec": None if self.spec is None else specs.to_dict(self.spec), "version": VERSION}
        return json.dumps(fields, ensure_ascii=False, sort_keys=True)

    def to_metadata(self) -> dict[str, str]:
        """Metadata of a file that carries this manifest."""
        return {KEY: self.to_json()}


def numbered(names: object) -> tuple[str, ...]:
    """Class names as other tools write them: a list, or a mapping from numbers, 0 and up, to names. Each becomes one line of text.

    Numbers and truth values among them are what YAML made of names such as 7 or no. Raises ValueError for anything else.
    """
    expected = "expected a list of names, or a mapping of them numbered from 0"
    if isinstance(names, Mapping):
        try:
            by_number = {int(key): name for key, name in names.items()}
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(expected) from error
        if sorted(by_number) != list(range(len(names))):
            raise ValueError(expected)
        names = [by_number[i] for i in range(len(by_number))]
    if not isinstance(names, list | tuple) or not names or not all(isinstance(name, str | int | float) for name in names):
        raise ValueError(expected)
    try:
        return tuple(line(str(name)) for name in names)
    except ValueError as error:  # numbers of thousands of digits have no text
        raise ValueError(expected) from error


def line(text: str) -> str:
    """The text on one line that can be written as UTF-8, which what names of files and their contents hold cannot always."""
    return " ".join(text.encode("utf-8", "replace").decode().split())


def from_metadata(metadata: Mapping[str, str], where: str) -> Manifest | None:
    """The manifest in a file's metadata, or None where there is none.

    Raises WeightsError that names `where` if it cannot be read.
    """
    if KEY not in metadata:
        return None
    try:
        fields: dict[str, Any] = json.loads(metadata[KEY])
        version = fields.pop("version")
        if version != VERSION:
            raise WeightsError(f"{where}: found a manifest of version {version}, expected {VERSION}; a newer Wordbox may read it")
        spec, encoder, size = fields.pop("spec"), fields.pop("encoder"), fields["preprocessing"]["size"]
        words_from = fields.pop("words_from", None)
        if isinstance(size, list):
            height, width = size
            fields["preprocessing"]["size"] = (height, width)
        names = fields.pop("names")
        if not isinstance(names, list):
            raise TypeError(f"found names {names!r}, expected a list")
        return Manifest(
            names=tuple(names),
            preprocessing=Preprocessing(**fields.pop("preprocessing")),
            thresholds=Thresholds(**fields.pop("thresholds")),
            spec=None if spec is None else specs.from_dict(spec, where),
            encoder=None if encoder is None else Partner(**encoder),
            words_from=None if words_from is None else EncoderIdentity(**words_from),
            **fields,
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, WeightsError):
            raise
        raise WeightsError(f"{where}: the manifest under the key {KEY!r} cannot be read ({error!r}); make the file anew") from error
