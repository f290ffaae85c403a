"""`wordbox info`: what is this model?"""

from typing import Annotated, Any

import typer

from wordbox.cli.options import Json, Spec
from wordbox.cli.output import json_writer, print_table

MOST = 20
"""Words that are shown."""


def info(
    weights: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME_OR_FILE]",
            help="A model file, or a network by its name: yolov8n, yolov5s@v3.1, yolov8n-p2. Left out: the packaged model.",
        ),
    ] = None,
    *,
    spec: Spec = None,
    json: Json = None,
) -> None:
    """Show a model: its layers, its size, its cost, its words, its licence and where its weights come from.

    wordbox info yolov8n
    """
    write = json_writer(json)
    from wordbox.api import describe

    facts = describe(weights, spec=spec)
    write(facts)
    if json != "-":
        if facts["layers"]:
            print_table(["layer", "from", "repeats", "module", "arguments", "parameters", "output"], map(_row, facts["layers"]), left=0)
            print()
        for name, value in facts.items():
            if name != "layers":
                print(f"{name + ':':<12}{_text(value)}{', with 80 words' if name == 'flops' and facts['open'] else ''}")


def _row(layer: dict[str, Any]) -> list[str]:
    output = layer["output"]
    shapes = output if isinstance(output[0], list) else [output]
    return [
        str(layer["index"]),
        ", ".join(map(str, layer["from"])),
        str(layer["repeats"]),
        layer["module"],
        _arguments(layer["arguments"]),
        f"{layer['parameters']:,}",
        ", ".join("x".join(map(str, shape)) for shape in shapes),
    ]


def _arguments(values: list[Any]) -> str:
    """A block's arguments; of anchors, only how many a level has."""
    return ", ".join(
        f"{len(value[0])} anchors" if isinstance(value, tuple) and value and isinstance(value[0], tuple) else str(value) for value in values
    )


def _text(value: object) -> str:
    match value:
        case None:
            return "not stated"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case list():
            shown = ", ".join(map(str, value[:MOST]))
            return shown if len(value) <= MOST else f"{shown} and {len(value) - MOST} more (--json has all)"
    return str(value)
