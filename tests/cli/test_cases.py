"""Small inputs made from people's bug reports of other tools, each run as a command (../shared/data/cases)."""

import shlex
import subprocess
import sys

import pytest

WORDBOX = shlex.join([sys.executable, "-c", "from wordbox.cli.main import main; main()"])


@pytest.mark.parametrize(
    ("kind", "others"),
    [
        ("images-", []),
        ("sources-", ["sources-video"]),  # videos are no pictures: refused by name
        ("batches-", []),
        ("words-", []),
        ("coco-", []),
        ("yolo-", []),
        ("voc-", []),
        ("evaluation-", []),
        ("export-", []),
    ],
)
def test_every_case_does_what_its_record_says(shared, kind, others):
    command = [sys.executable, "run.py", WORDBOX, "--data", shared / "data", "--only", kind, *(x for o in others for x in ("--skip", o))]
    done = subprocess.run(list(map(str, command)), cwd=shared / "data" / "cases", capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
    assert not done.stdout.startswith("0 of")
