"""Options that commands share, and the ones that are made from a settings class."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args, get_type_hints

import typer

from wordbox.settings import LoadSettings

if TYPE_CHECKING:
    from wordbox.detection.detector import Detector

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
        help="What to look for: 'person, red bus', or a .txt, .json or .vocab.safetensors file of words. Left out: the model's own names.",
        metavar="WORDS",
    ),
]
Device = Annotated[str, typer.Option(help="Where to compute: cpu, or cuda where the engine reaches a graphics card.", metavar="cpu|cuda")]
Precision = Annotated[str, typer.Option(help="How exactly to compute.", metavar="float32|bfloat16|float16")]
Spec = Annotated[
    str | None,
    typer.Option(help="Which network bare arrays belong to, where they do not say: yolov5s@v3.1 for instance.", metavar="NAME"),
]
Json = Annotated[str | None, typer.Option("--json", help="Write the answer as JSON to this file; - is standard output.", metavar="FILE|-")]


def opened(weights: str | None, loading: LoadSettings) -> "Detector":
    """The detector that the options ask for."""
    from wordbox.api import load

    return load(
        weights,
        synonyms=loading.synonyms,
        engine=loading.engine,
        device=loading.device,
        precision=loading.precision,
        threads=loading.threads,
        spec=loading.spec,
        text_encoder=loading.text_encoder,
        background=loading.background,
    )


def with_settings(kind: type[Any], name: str = "settings") -> Callable[[Command], Command]:
    """Give a command an option for every field of the settings class `kind`, and pass it the object as `name`."""
    hints = get_type_hints(kind, include_extras=True)
    made = []
    for field in fields(kind):
        value, sentence = get_args(hints[field.name])
        value = str | None if str in get_args(value) else value  # what may be text among other things is typed as text
        flag = field.name.replace("_", "-")
        names = f"--{flag}/--no-{flag}" if value is bool else f"--{flag}"
        option: Any = Annotated[value, typer.Option(names, help=sentence)]
        made.append(inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=option))

    def decorate(command: Command) -> Command:
        own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != name]

        def run(**values: Any) -> None:
            settings = kind(**{parameter.name: values.pop(parameter.name) for parameter in made})
            command(**{name: settings}, **values)

        parameters = [*(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own), *made]
        run.__doc__ = command.__doc__
        run.__name__ = command.__name__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in parameters}
        return run  # type: ignore[return-value]

    return decorate
