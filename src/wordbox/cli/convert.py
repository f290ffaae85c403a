"""`wordbox convert`: somebody's checkpoint as a file that holds numbers and facts alone."""

from pathlib import Path
from typing import Annotated

import typer

from wordbox.cli.options import Spec
from wordbox.cli.output import say


def convert(
    source: Annotated[str, typer.Argument(metavar="IN", help="A .pt, .pth or .safetensors of YOLOv5 or YOLOv8, or a published name.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.safetensors", help="The file to write.")],
    *,
    spec: Spec = None,
    strict: Annotated[bool, typer.Option(help="Whether arrays that the network does not want are an error, or only named.")] = True,
) -> None:
    """Turn a checkpoint into safetensors: the same numbers under Wordbox's names, and what the checkpoint says of itself.

    wordbox convert best.pt best.safetensors
    """
    from wordbox import api

    manifest = api.convert(source, out, spec=spec, strict=strict)
    say(f"{manifest.name}: licence of these weights: {manifest.licence or 'not stated in the file'}")
    shown = ", ".join(manifest.names[:5]) + (", ..." if len(manifest.names) > 5 else "")
    print(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB), {len(manifest.names)} classes: {shown}")
