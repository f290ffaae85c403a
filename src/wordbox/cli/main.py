"""The command `wordbox`: one file a command, and one place where errors become a line and an exit code."""

import io
import logging
import os
import sys
from typing import Annotated

import typer

from wordbox import __version__
from wordbox.cli import bake, benchmark, convert, detect, evaluate, export, info, words
from wordbox.errors import WordboxError

app = typer.Typer(
    help="Finds things in pictures: a photo and any words in, named boxes out. No PyTorch, no network, no account.\n\n"
    "Start with: wordbox detect photo.jpg --words 'person, red bus' --save found",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("detect")(detect.detect)
app.command("evaluate")(evaluate.evaluate)
app.command("info")(info.info)
app.command("bake")(bake.bake)
app.command("convert")(convert.convert)
app.command("export")(export.export)
app.command("benchmark")(benchmark.benchmark)
app.add_typer(words.app, name="words")


def _version(asked: bool) -> None:
    if asked:
        print(f"wordbox {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """Run the command line. Exit codes: 0 all well, 1 some sources failed and the others are done, 2 nothing could be done."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # broken pictures are reported by us, in one line
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal of few letters shows the others as escapes
    logging.basicConfig(format="wordbox: %(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        app()
    except WordboxError as error:
        print(f"wordbox: error: {error}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:  # standard output itself is full or gone
        print(f"wordbox: error: the answer cannot be written: {error.strerror}", file=sys.stderr)
        os._exit(2)  # the interpreter's last flush would fail again, with a traceback
