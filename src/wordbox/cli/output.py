"""What commands print: JSON that is alone on standard output, tables, notes and a progress bar on standard error."""

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wordbox.errors import InputError


@contextmanager
def clean_stdout(json_path: str | None) -> Iterator[None]:
    """Under `--json -`, send what C libraries write to standard output to standard error until the answer is ready."""
    if json_path != "-":
        yield
        return
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def write_json(json_path: str, answer: dict[str, Any]) -> None:
    """Write `answer` as one JSON value to a file, or to standard output where the path is "-"."""
    text = json.dumps(answer, ensure_ascii=False, allow_nan=False, indent=None if json_path == "-" else 1)
    if json_path == "-":
        sys.stdout.buffer.write(text.encode() + b"\n")
        sys.stdout.flush()
    else:
        write_file(Path(json_path), text.encode() + b"\n")


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


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]], left: int = 1) -> None:
    """A table on standard output; the first `left` columns hold words, the others numbers."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold", pad_edge=False)
    for i, name in enumerate(header):
        table.add_column(name, justify="left" if i < left else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # plain text: words of users may hold square brackets
    Console().print(table)


@contextmanager
def progress_bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error where a person watches and there is more than one thing; tell it how many are done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=total < 2 or not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)
