"""CLIP's towers and tokens are those of the transformers library: `clip_twins.py` runs it on random weights and on a thousand prompts.

It runs in the environment that text_environment.sh builds ($WORDBOX_PEERS_TEXT, else ~/.cache/wordbox/peers-text).
"""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from wordbox import towers
from wordbox.engines.onnxruntime import OnnxRuntimeEngine
from wordbox.vocabulary import tokens
from wordbox.vocabulary.tokens import ClipTokenizer

FAR = 1e-4
PROMPTS = 1000
WORDS = [
    *("person", "traffic light", "T-shirt", "Wi-Fi", "eggbeater", "a photo of a cat", "O'Neill", "rock'n'roll", "U.S.A.", "vis-à-vis"),
    *(
        "it's",
        "don't",
        "we're",
        "I've",
        "I'm",
        "you'll",
        "he'd",
        "IT'S",
        "DON'T",
        "'s",
        "''s",
        "it’s",
        "“quoted”",
        "‘single’",
        "rock ’n’ roll",
    ),
    *("café", "cafe\u0301", "naïve", "Straße", "ŒUVRE", "ǅ", "İstanbul", "ΣΊΣΥΦΟΣ", "Ångström", "ﬁsh", "ﬀ", "ſ", "'ſ", "K"),
    *(
        "日本",
        "東京タワー",
        "ｆｕｌｌ ｗｉｄｔｈ",
        "ｶﾀｶﾅ",
        "한국어",
        "привет",
        "кошка",
        "καλημέρα",
        "مرحبا",
        "שלום",
        "नमस्ते",
        "สวัสดี",
        "ગુજરાતી",
        "𝒻𝒶𝓃𝒸𝓎",
        "Ⅻ",
        "½",
        "²",
    ),
    *("☃", "🐈", "🐈‍⬛", "👩‍👩‍👧", "👍🏽", "🇫🇷", "❤️", "#️⃣", "©", "™", "€5", "£", "…", "—", "·", "\u200b", "\u200d", "\ufeff", "\u00ad"),
    *("100%", "3.14", "1,203", "007", "4x4", "v2.1", "१२३", "٣", "10th", "0", "B-52", "No. 5", "$9.99", "1/2"),
    *(
        "&amp;",
        "&#39;",
        "&quot;hi&quot;",
        "&eacute;",
        "&amp;amp;",
        "salt &amp; pepper",
        "&nbsp;",
        "&hearts;",
        "&copy;",
        "AT&T",
        "&",
        "R&amp;D",
    ),
    *(
        "!?",
        "...",
        "--",
        "(bow)",
        "[x]",
        "a/b",
        "traffic_light",
        "C++",
        "C#",
        "@home",
        "#tag",
        "^_^",
        "~",
        "`",
        "|",
        "\\",
        ";:",
        "a.b@c.de",
    ),
    *("schÃ¶n", "donâ€™t", "â€œcursedâ€\u009d", "l'Ã©tÃ©", "\x1b[31mred", "\x07bell", "\x85", "\r", "\v"),
    *("<|endoftext|>", "<|startoftext|>", "<|x|>", "</w>"),
]
BLANKS = [" ", " ", " ", "  ", "\t", "\n", "\u00a0", "\u2003", "\u3000", "\r\n", "", " \t\n "]


def prompts() -> list[str]:
    """Texts of one to six odd words with odd blanks between; the same ones at every run.

    None holds both "<" and "&": there ftfy alone, all that the slow tokenizer has, leaves entities as they are, which OpenAI's does not.
    """
    chance = random.Random(2026)
    found = ["", " ", "\n", *WORDS]
    while len(found) < PROMPTS:
        words = [chance.choice(WORDS) for _ in range(chance.randint(1, 6))]
        words = [chance.choice((str, str, str.upper, str.title, str.swapcase))(word) if "&" not in word else word for word in words]
        text = "".join(chance.choice(BLANKS) + word for word in words) + chance.choice(BLANKS)
        if not {"<", "&"} <= set(text):
            found.append(text)
    return found


@pytest.fixture(scope="module")
def twins(root: Path, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of towers and tokens, with CLIP's tokenizer as Hugging Face keeps it."""
    peers = Path(os.environ.get("WORDBOX_PEERS_TEXT", Path.home() / ".cache" / "wordbox" / "peers-text"))
    python = peers / "bin" / "python"
    if not python.exists():
        if "WORDBOX_PEERS_TEXT" in os.environ:
            pytest.fail(f"WORDBOX_PEERS_TEXT names {peers}, which holds no environment; tests/peers/text_environment.sh builds one")
        pytest.skip(
            f"no transformers at {peers}; tests/peers/text_environment.sh installs it there, or name its folder in WORDBOX_PEERS_TEXT"
        )
    folder = tmp_path_factory.mktemp("clip")
    merges = tokens.read_merges(shared / "data" / "clip" / "bpe_simple_vocab_16e6.txt.gz")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    (folder / "vocab.json").write_text(json.dumps(tokens.vocabulary(merges, "shared")), encoding="utf-8")
    (folder / "prompts.json").write_text(json.dumps(prompts()), encoding="utf-8")
    done = subprocess.run([python, root / "tests" / "peers" / "clip_twins.py", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    yield folder
    shutil.rmtree(folder)  # half a gigabyte


def test_tokens_are_those_of_the_slow_tokenizer_one_by_one(twins: Path) -> None:
    theirs = json.loads((twins / "ids.json").read_text(encoding="utf-8"))
    asked = prompts()
    assert len(theirs) == len(asked) == PROMPTS
    tokenizer = ClipTokenizer(tokens.read_merges(twins / "merges.txt"), where="twins", context=10_000)
    different = [(text, ours, ids) for text, ours, ids in zip(asked, tokenizer.encode(asked), theirs, strict=True) if ours != ids]
    assert not different, f"{len(different)}: {different[:5]}"


@pytest.mark.parametrize("name", ["base", "large"])
def test_the_tower_is_the_librarys(twins: Path, name: str) -> None:
    tower = towers.read(twins / name)
    engine = OnnxRuntimeEngine(tower.graph().SerializeToString(), where=name, threads=2)
    ours = engine.run({"tokens": np.load(twins / name / "tokens.npy")})["vectors"]
    theirs = np.load(twins / name / "vectors.npy")
    assert np.std(theirs, axis=0).mean() > 0.01  # the prompts are told apart
    assert np.abs(ours - theirs).max() <= FAR


def test_the_encoder_says_what_the_library_says(twins: Path) -> None:
    for file in ("merges.txt", "vocab.json"):
        shutil.copy(twins / file, twins / "base" / file)
    encoder = towers.read(twins / "base").encoder(threads=2)
    ids = json.loads((twins / "ids.json").read_text(encoding="utf-8"))
    asked = [text for text, found in zip(prompts(), ids, strict=True) if len(found) <= tokens.CONTEXT][:64]
    assert np.abs(encoder.encode(asked) - np.load(twins / "base" / "vectors.npy")).max() <= FAR
    assert encoder.identity.name == "clip-vit-base-patch32"
