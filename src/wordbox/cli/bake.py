"""`wordbox bake`: a model that takes words becomes one of fixed classes."""

from pathlib import Path
from typing import Annotated

import typer

from wordbox.cli.options import opened, with_settings
from wordbox.cli.output import say
from wordbox.errors import InputError
from wordbox.settings import LoadSettings

FORMS = (".safetensors", ".onnx", ".xml")


@with_settings(LoadSettings, "loading")
def bake(
    weights: Annotated[str, typer.Argument(metavar="W", help="A model that takes words, or wordbox-nano for the packaged one.")],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="A .safetensors, which can be converted and studied, or .onnx or .xml for other programs."),
    ],
    *,
    words: Annotated[
        str,
        typer.Option(
            "--words", help="What it is to find: 'person, red bus', a .txt or .json file, or a .vocab.safetensors.", metavar="WORDS"
        ),
    ],
    loading: LoadSettings,
) -> None:
    """Fold words into a model's weights: it finds the same, sooner, and needs neither words nor a text encoder any more.

    wordbox bake wordbox-nano breakfast.onnx --words "cup, spoon, table"
    """
    from wordbox import api
    from wordbox.exporting import target

    if out.suffix.lower() not in FORMS:  # before anything is read
        raise InputError(f"{out}: found the ending {out.suffix!r}, expected {', '.join(FORMS[:-1])} or {FORMS[-1]}")
    baked = api.bake(opened(weights, loading), words)
    if out.suffix.lower() == ".safetensors":
        api.convert(baked, out)
        files: tuple[Path, ...] = (out,)
    else:
        api.export(baked, out)
        files = target.files(out)
    written = " and ".join(f"{path} ({path.stat().st_size / 1e6:.1f} MB)" for path in reversed(files))
    print(f"written: {written}, {'1 class' if len(baked.words) == 1 else f'{len(baked.words)} classes'}")
    say(api.how_baked(baked))
