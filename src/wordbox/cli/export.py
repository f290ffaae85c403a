"""`wordbox export`: a model as a file for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from wordbox.cli.options import Spec
from wordbox.cli.output import say
from wordbox.errors import InputError


def export(
    weights: Annotated[str, typer.Argument(metavar="W", help="A model file, or wordbox-nano for the packaged one.")],
    out: Annotated[Path, typer.Argument(metavar="OUT.onnx|OUT.xml", help="ONNX, or OpenVINO's .xml with its .bin beside it.")],
    *,
    nms: Annotated[
        str, typer.Option(help="graph: the file drops overlaps itself, for programs that run it without Wordbox.", metavar="host|graph")
    ] = "host",
    verify: Annotated[bool, typer.Option("--verify", help="Compare the file with the model on photos, and note it inside.")] = False,
    photos: Annotated[str | None, typer.Option(help="Pictures to verify with. Left out: two in the package.", metavar="SOURCE")] = None,
    text_encoder: Annotated[
        str | None,
        typer.Option(
            "--text-encoder",
            help="Write the text encoder of W alone, a folder of CLIP or a model, with matrices kept as named.",
            metavar="float32|float16|int8",
        ),
    ] = None,
    with_text_encoder: Annotated[
        Path | None,
        typer.Option(help="A text encoder or vocabulary that goes along with a YOLO-World which has none inside.", metavar="FILE"),
    ] = None,
    spec: Spec = None,
) -> None:
    """Write a model as a file for other programs; Wordbox itself runs it too.

    wordbox export best.pt best.onnx --verify

    wordbox export yolov8s-worldv2.pt world.onnx --with-text-encoder clip-vit-base-patch32

    wordbox export clip-vit-base-patch32 clip.onnx --text-encoder int8
    """
    from wordbox import api
    from wordbox.exporting import target

    if text_encoder is not None:
        spare = {"--nms": nms != "host", "--verify": verify, "--photos": photos is not None, "--spec": spec is not None}
        if any(spare.values()):
            named = ", ".join(option for option, given in spare.items() if given)
            raise InputError(f"found --text-encoder with {named}: it writes the text encoder alone; leave the others out")
        cosine = api.export_text_encoder(weights, out, text_encoder)
        print(f"written: {out} ({out.stat().st_size / 1e6:.1f} MB); the vectors of 80 names lose at most {1 - cosine:.2g} of their cosine")
        return
    source = weights if with_text_encoder is None else api.load(weights, text_encoder=with_text_encoder, spec=spec)
    verified = api.export(source, out, nms=nms, verify=verify or photos is not None, photos=photos, spec=spec)
    written = [f"{path} ({path.stat().st_size / 1e6:.1f} MB)" for path in target.files(out)]
    print(f"written: {' and '.join(reversed(written))}")
    if verified is None:
        return
    many = "1 photo" if verified.photos == 1 else f"{verified.photos} photos"
    print(
        f"{verified.engine} against {verified.against}, {verified.compared} boxes in {many}: "
        f"at most {verified.boxes:.1g} pixels and {verified.scores:.1g} in score apart, {verified.unmatched} on one side only"
    )
    if verified.engine == verified.against:
        say("one engine ran both sides, which shows that the file is whole; with the extra torch, PyTorch runs the other")
    if not verified.promised:
        say("that is further apart than a hundredth of a pixel and a thousandth in score; the file is written all the same")
        raise typer.Exit(1)
