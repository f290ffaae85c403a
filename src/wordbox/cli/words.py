"""`wordbox words`: what does a vocabulary hold, and how do I keep one with its vectors?"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wordbox.cli.options import Json, Weights, opened, with_settings
from wordbox.cli.output import json_writer, print_table, progress_bar, say
from wordbox.errors import InputError
from wordbox.settings import LoadSettings

if TYPE_CHECKING:
    from wordbox.vocabulary.words import EmbeddedVocabulary

app = typer.Typer(help="Look at words and their vectors, and keep them in a .vocab.safetensors.", no_args_is_help=True)

GivenWords = Annotated[
    str,
    typer.Argument(metavar="WORDS", help="'person, red bus', a .txt with one a line, a .json of class texts, or a .vocab.safetensors."),
]
Prompt = Annotated[str, typer.Option(help="What the text encoder sees, with {} for the word.", metavar="TEXT")]
Half = Annotated[bool, typer.Option("--half", help="Store float16, half the size.")]
Target = Annotated[Path, typer.Argument(metavar="OUT.vocab.safetensors", help="The file to write.")]


@app.command("show")
@with_settings(LoadSettings, "loading")
def show(words: GivenWords, *, loading: LoadSettings, weights: Weights = None, json: Json = None) -> None:
    """Show labels, their phrases, the text encoder of their vectors, and what it does not know.

    wordbox words show things.vocab.safetensors
    """
    write = json_writer(json)
    from wordbox.vocabulary import files

    vocabulary = files.load(Path(words.strip())) if files.is_file(words) else opened(weights, loading).encode(words)
    facts = _facts(vocabulary)
    write(facts)
    if json != "-":
        groups = facts.pop("words")
        print_table(["label", "phrases"], [[label, ", ".join(phrases)] for label, phrases in groups.items()], left=2)
        print()
        for name, value in facts.items():
            print(f"{name + ':':<12}{_text(name, value)}")


@app.command("encode")
@with_settings(LoadSettings, "loading")
def encode(
    words: GivenWords,
    out: Target,
    *,
    loading: LoadSettings,
    weights: Weights = None,
    merge: Annotated[
        str | None, typer.Option(help="Join synonyms by the best of their scores (max) or one vector in their middle.", metavar="max|mean")
    ] = None,
    prompt: Prompt = "{}",
    half: Half = False,
) -> None:
    """Write words with the vectors that a model's text encoder gives them; a detector takes the file wherever it takes words.

    wordbox words encode 'person, red bus' things.vocab.safetensors
    """
    from wordbox.vocabulary import files
    from wordbox.vocabulary.words import Vocabulary

    if merge not in (None, "max", "mean"):
        raise InputError(f"merge is {merge!r}, expected max or mean")
    given = Vocabulary(files.load(Path(words.strip())) if files.is_file(words) else words, merge=merge)  # type: ignore[arg-type]
    detector, count = opened(weights, loading), sum(map(len, given.phrases))
    with progress_bar("Reading words", count) as progress:
        vocabulary = detector.encode(given, prompt=prompt, progress=lambda left: progress(count - left))
    _write(vocabulary, out, half)


@app.command("import")
def import_(
    files: Annotated[
        list[Path], typer.Argument(metavar="FEATURES.npy NAMES.json|txt ... OUT", help="Features and their names, in pairs, then the file.")
    ],
    *,
    encoder: Annotated[str, typer.Option(help="The text encoder that made the features, such as clip-vit-base-patch32.", metavar="NAME")],
    prompt: Prompt = "{}",
    licence: Annotated[str, typer.Option(help="Under which terms the features stand.", metavar="TEXT")] = "",
    origin: Annotated[str, typer.Option(help="Where they come from.", metavar="TEXT")] = "",
    half: Half = False,
) -> None:
    """Make a vocabulary of features that others published, so that their names need no text encoder. Of equal names the first stays.

    wordbox words import coco.npy coco.json known.vocab.safetensors --encoder clip-vit-base-patch32 --prompt 'a {}'
    """
    from wordbox.vocabulary import features
    from wordbox.vocabulary.encoders import EncoderIdentity

    if len(files) < 3 or len(files) % 2 == 0:
        raise InputError(f"found {len(files)} files, expected pairs of features and names, and then the file to write")
    pairs = list(zip(files[:-1:2], files[1::2], strict=True))
    try:
        identity = EncoderIdentity(name=encoder)
    except ValueError as error:
        raise InputError(f"--encoder: {error}") from error
    _write(features.join(pairs, identity, prompt=prompt, licence=licence, origin=origin), files[-1], half)


def _write(vocabulary: "EmbeddedVocabulary", out: Path, half: bool) -> None:
    vocabulary.save(out, half=half)
    if vocabulary.licence:
        say(f"licence of these vectors: {vocabulary.licence}")
    from wordbox.vocabulary.words import counted

    words, vectors = counted(len(vocabulary.labels), "word"), counted(len(vocabulary.vectors), "vector")
    behind = "" if vocabulary.background is None else " (one is the background's)"
    print(f"written: {out} ({out.stat().st_size / 1e6:.2f} MB), {words}, {vectors}{behind} of {vocabulary.identity}")


def _facts(vocabulary: "EmbeddedVocabulary") -> dict[str, Any]:
    """What a vocabulary says of itself."""
    from wordbox.vocabulary.words import Vocabulary

    plain = Vocabulary(vocabulary)
    return {
        "words": dict(zip(plain.labels, map(list, plain.phrases), strict=True)),
        "vectors": len(vocabulary.vectors),
        "width": vocabulary.width,
        "merge": vocabulary.merge,
        "encoder": str(vocabulary.identity),
        "prompt": vocabulary.prompt,
        "background": vocabulary.background,
        "unknown": list(vocabulary.unknown),
        "licence": vocabulary.licence or None,
        "origin": vocabulary.origin or None,
    }


def _text(name: str, value: object) -> str:
    match value:
        case None:
            return "not stated" if name in ("licence", "origin") else "none"
        case list():
            return ", ".join(value) or "none"
    return repr(value) if name == "background" else str(value)
