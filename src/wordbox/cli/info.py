"""`wordbox info`: what is this model?"""

from typing import Annotated

import typer

from wordbox.cli.options import Json
from wordbox.cli.output import json_writer


def info(
    weights: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="A .safetensors or .onnx file. Left out: the packaged model.")
    ] = None,
    *,
    json: Json = None,
) -> None:
    """Show a model: its size, its cost, its words, its licence and where its weights come from."""
    write = json_writer(json)
    from wordbox.api import describe

    facts = describe(weights)
    write(facts)
    if json != "-":
        for name, value in facts.items():
            print(f"{name + ':':<12}{_text(value)}")


def _text(value: object) -> str:
    match value:
        case None:
            return "not stated"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            return ", ".join(map(str, value))
    return str(value)
