"""What commands print: JSON that is alone on standard output, tables, notes and a progress bar on standard error."""

import json
import os
import sys
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordbox.errors import InputError

_WIDE = 250
SHOWN = 200
"""Rows of a table that are printed; more help nobody, and files hold them all."""
_LONG = 60  # characters of a label in a table


def json_writer(target: str | None) -> Callable[[dict[str, Any]], None]:
    """Writes an answer as one JSON value to the file `target`, to standard output where it is "-", or nowhere where it is None.

    Under "-" standard output is the answer's alone from now on: what else the process or its C libraries write there, even at its
    very end, goes to standard error.
    """
    if target is None:
        return lambda answer: None
    if target != "-":
        return lambda answer: write_file(Path(target), _json(answer, indent=1))
    sys.stdout.flush()
    kept = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)

    def write(answer: dict[str, Any]) -> None:
        with kept:
            kept.write(_json(answer, indent=None))

    return write


def check_target(path: Path, sources: Container[Path]) -> None:
    """Raise InputError where `path` is one of the `sources` or lies in what is no folder, before an hour of work goes into it."""
    if path.resolve() in sources:
        raise InputError(f"{path} is one of the pictures to look at, or named twice; choose another place for the answer")
    above = next(folder for folder in path.resolve().parents if folder.exists())
    if path.is_dir() or not above.is_dir() or not os.access(above, os.W_OK):
        raise InputError(f"{path} cannot be written ({path.resolve()}); choose another place")


def _json(answer: dict[str, Any], indent: int | None) -> bytes:
    # a file's name may hold bytes that are no text: they become escapes
    return json.dumps(answer, ensure_ascii=False, allow_nan=False, indent=indent).encode("utf-8", "backslashreplace") + b"\n"


def write_file(path: Path, data: bytes) -> None:
    """Write a file, folders above it included. Raises InputError that says why where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}; {path.resolve()}); choose another place") from error


def say(line: str) -> None:
    """One line for the user, on standard error."""
    print(f"wordbox: {line}", file=sys.stderr)


def short(label: str) -> str:
    """The label on one line, cut where it would break a table; JSON and CSV hold it whole."""
    line = " ".join(label.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 3]}..."


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> None:
    """A table on standard output; the first `left` columns hold words, the others numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    every = list(rows)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < left else "right", overflow="fold")
    for row in every[:SHOWN]:
        table.add_row(*map(Text, row))  # plain text: words of users may hold square brackets
    # where no terminal says how wide it is, nothing is folded
    Console(width=None if sys.stdout.isatty() else _WIDE).print(table)
    if len(every) > SHOWN:
        print(f"... and {len(every) - SHOWN} more rows")


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where a person watches and there is more than one thing; tell it how many are done."""
    if total < 2 or not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
