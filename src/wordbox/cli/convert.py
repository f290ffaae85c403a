"""`wordbox convert`: somebody's checkpoint as a file that holds numbers and facts alone, or under somebody else's names."""

from pathlib import Path
from typing import Annotated

import typer

from wordbox.cli.options import Spec
from wordbox.cli.output import say


def convert(
    source: Annotated[
        str, typer.Argument(metavar="IN", help="A .pt, .pth or .safetensors of YOLOv5, YOLOv8 or YOLO-World, or a published name.")
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write: .safetensors, or .pth and .pt with a layout of others.")],
    *,
    layout: Annotated[
        str,
        typer.Option(
            help="Whose names the arrays get: native, with all that the checkpoint says; official, as YOLO-World's authors have them; "
            "ultralytics, a state_dict and not the pickled model that Ultralytics saves, to be given to load_state_dict.",
            metavar="native|official|ultralytics",
        ),
    ] = "native",
    spec: Spec = None,
    strict: Annotated[bool, typer.Option(help="Whether arrays that the network does not want are an error, or only named.")] = True,
) -> None:
    """Write a checkpoint's numbers anew: as safetensors with what the checkpoint says of itself, or under the names that others use.

    wordbox convert best.pt best.safetensors

    wordbox convert yolov8s-worldv2.pt world.pth --layout official
    """
    from wordbox import api

    manifest = api.convert(source, out, layout=layout, spec=spec, strict=strict)
    say(f"{manifest.name}: licence of these weights: {manifest.licence or 'not stated in the file'}")
    if layout != "native":
        print(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB), arrays with the names of the {layout} layout")
        return
    shown = ", ".join(manifest.names[:5]) + (", ..." if len(manifest.names) > 5 else "")
    what = "words unless others are asked for" if manifest.open else "classes"
    print(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB), {len(manifest.names)} {what}: {shown}")
