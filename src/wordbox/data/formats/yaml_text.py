"""YAML as texts, lists and mappings of texts: what people write is kept, whatever it looks like."""

from pathlib import Path

import yaml

from wordbox.data.pictures import place
from wordbox.errors import DatasetError

Value = str | list["Value"] | dict[str, "Value"]

MAX_BYTES = 2_000_000
"""Larger files are refused: names of classes fill no more."""


def read(path: Path) -> dict[str, Value]:
    """The mapping that a YAML file holds. Names such as no, 1e3 and 007 stay the texts that they are.

    An alias gives the same object again, so that aliases of aliases take no room. Raises DatasetError, with line and column where
    the file is no YAML, where a key stands twice, or where it holds something else than a mapping.
    """
    text = _text(path)
    try:
        found = yaml.load(text, _Texts)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise DatasetError(f"{place(path)}{where}: this is not valid YAML ({error.problem or error.context}); correct it") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        letter = f"the character #x{ord(text[error.position]):x}"
        raise DatasetError(f"{place(path)}, line {line}, column {column}: {letter} is not allowed in YAML; take it out") from error
    except (ValueError, OverflowError) as error:  # PyYAML does not check what \U stands for
        raise DatasetError(f"{place(path)}: one of its \\U escapes stands for no character; correct it") from error
    except RecursionError as error:
        raise DatasetError(f"{place(path)}: its brackets go too deep; expected a mapping with train, val and names") from error
    if not isinstance(found, dict):
        raise DatasetError(f"{place(path)}: found {kind(found)}; expected a mapping with train, val and names")
    return found


def kind(value: Value | None) -> str:
    """A value in words, for a message: a text itself if it is short, of everything else only what it is."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"a text of {len(value)} letters"
    return "a list" if isinstance(value, list) else "a mapping" if isinstance(value, dict) else "nothing"


def _text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DatasetError(f"{place(path)}: the file cannot be read: {reason}; expected a YAML file with train, val and names") from error
    if len(data) > MAX_BYTES:
        raise DatasetError(f"{place(path)}: the file has more than {MAX_BYTES} bytes; expected a description of pictures, which is short")
    try:
        return data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{place(path)}: this is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


class _Texts(yaml.BaseLoader):
    """PyYAML's loader without any types, which also refuses a key that stands twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Value]:  # type: ignore[override]
        found: dict[str, Value] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=deep)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(None, None, "a key must be a text or a number", key_node.start_mark)
            if key in found:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key[:60]!r} stands twice", key_node.start_mark)
            found[key] = self.construct_object(value_node, deep=deep)
        return found
