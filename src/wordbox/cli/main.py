"""The command `wordbox`: one file a command, and one place where errors become a line and an exit code."""

import logging
import os
import sys

import typer

from wordbox.cli import detect, evaluate, info
from wordbox.errors import WordboxError

app = typer.Typer(
    help="Finds things in pictures: YOUR words in, named boxes out. No PyTorch, no network, no account.\n\n"
    "Start with: wordbox detect photo.jpg --words 'person, red bus' --save found",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("detect")(detect.detect)
app.command("evaluate")(evaluate.evaluate)
app.command("info")(info.info)


def main() -> None:
    """Run the command line. Exit codes: 0 all well, 1 some sources failed and the others are done, 2 nothing could be done."""
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")  # broken pictures are reported by us, in one line
    logging.basicConfig(format="wordbox: %(message)s", level=logging.WARNING, stream=sys.stderr)
    try:
        app()
    except WordboxError as error:
        print(f"wordbox: error: {error}", file=sys.stderr)
        sys.exit(2)
