"""Options that commands share, and the ones that are made from a settings class."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

import typer

Command = TypeVar("Command", bound=Callable[..., None])

Weights = Annotated[
    str | None,
    typer.Option(
        "--weights",
        "-w",
        help="A .pt, .safetensors, .onnx or .xml file, or a published name such as yolov8n. Left out: the model inside the package.",
        metavar="FILE",
    ),
]
WordList = Annotated[
    str | None,
    typer.Option(
        "--words",
        help="What to look for: 'person, red bus', or a .txt file with one a line. Left out: the model's own names.",
        metavar="WORDS",
    ),
]
Synonyms = Annotated[bool, typer.Option("--synonyms/--no-synonyms", help="Look words up in the model's list of synonyms first.")]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, or cuda where the engine reaches a graphics card.", metavar="cpu|cuda")]
Engine = Annotated[
    str, typer.Option(help="What computes. auto is onnxruntime, and openvino for an .xml.", metavar="auto|onnxruntime|openvino|torch")
]
Precision = Annotated[
    str, typer.Option(help="How exactly to compute; less than float32 needs an engine that can.", metavar="float32|bfloat16|float16")
]
Threads = Annotated[int | None, typer.Option(min=1, help="Processors to use. Left out: all that this process may use.", metavar="N")]
Spec = Annotated[
    str | None,
    typer.Option(help="Which network bare arrays belong to, where they do not say: yolov5s@v3.1 for instance.", metavar="NAME"),
]
Json = Annotated[str | None, typer.Option("--json", help="Write the answer as JSON to this file; - is standard output.", metavar="FILE|-")]


def with_settings(kind: type[Any]) -> Callable[[Command], Command]:
    """Give a command an option for every field of the settings class `kind`, and pass it the object as `settings`."""
    hints = get_type_hints(kind, include_extras=True)
    made = []
    for field in fields(kind):
        value, sentence = get_args(hints[field.name])
        value = str | None if str in get_args(value) else value  # what may be text among other things is typed as text
        option: Any = Annotated[value, typer.Option(f"--{field.name.replace('_', '-')}", help=sentence)]
        made.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=option))

    def decorate(command: Command) -> Command:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "settings"]

        def run(**values: Any) -> None:
            settings = kind(**{parameter.name: values.pop(parameter.name) for parameter in made})
            command(settings=settings, **values)

        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *made]
        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run  # type: ignore[return-value]

    return decorate
