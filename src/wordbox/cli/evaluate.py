"""`wordbox evaluate`: how good is it on my labelled pictures?"""

from pathlib import Path
from typing import Annotated

import typer

from wordbox.cli.options import Json, Weights, WordList, opened, with_settings
from wordbox.cli.output import json_writer, print_table, progress_bar, say
from wordbox.settings import EvaluateSettings, LoadSettings


@with_settings(EvaluateSettings)
@with_settings(LoadSettings, "loading")
def evaluate(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Labels: COCO's JSON, YOLO's data.yaml, or a folder in Pascal VOC's XML.")],
    *,
    settings: EvaluateSettings,
    loading: LoadSettings,
    words: WordList = None,
    weights: Weights = None,
    split: Annotated[str, typer.Option(help="Which pictures of a data.yaml or folder: val, test or train.")] = "val",
    json: Json = None,
) -> None:
    """Measure average precision on labelled pictures, by COCO's rules.

    wordbox evaluate data.yaml --words 'person, dog'
    """
    write = json_writer(json)
    from wordbox import api

    detector = opened(weights, loading)
    dataset = api.read_dataset(data, split)
    with progress_bar("Evaluating", len(dataset.records)) as progress:
        report = api.evaluate(detector, dataset, words=words, settings=settings, progress=progress)
    for note in report.notes:
        say(note)
    write(report.to_dict())
    if json != "-":
        header, *rows = report.table()
        print_table(header, rows)
        figures = "  ".join(f"{name} {'-' if value is None else format(value, '.4f')}" for name, value in report.metrics.items())
        dropped = f"; dropped {report.dropped}" if str(report.dropped) else ""
        print(f"{figures}\n{report.images} pictures, {report.boxes} boxes, {report.seconds:.1f} s{dropped}\n{report.conditions}")
    if report.failed:
        raise typer.Exit(1)
