"""Where an export may go, known before any work is done."""

import os
from pathlib import Path

from wordbox.errors import InputError


def files(out: Path) -> tuple[Path, ...]:
    """The files that an export to `out` writes, the named one last. Raises InputError where its ending is no format."""
    match out.suffix.lower():
        case ".onnx":
            return (out,)
        case ".xml":
            return (out.with_suffix(".bin"), out)
    raise InputError(f"{out}: found the ending {out.suffix!r}, expected .onnx, or .xml for OpenVINO")


def check(out: Path, source: Path) -> None:
    """Raise InputError where an export of `source` to `out` would have no format, overwrite the source, or not be writable."""
    for path in files(out):
        if path.resolve() == source.resolve():
            raise InputError(f"{path} is the model itself; choose another name for the export")
        above = next(folder for folder in path.resolve().parents if os.path.exists(folder))
        if os.path.isdir(path) or not above.is_dir() or not os.access(above, os.W_OK):
            raise InputError(f"{path} cannot be written ({path.resolve()}); choose another place")
