"""What the transformers library says of CLIP's text towers and tokens; runs in the environment that text_environment.sh builds.

    python clip_twins.py FOLDER

FOLDER holds prompts.json (a list of texts), and CLIP's vocab.json with merges.txt. Beside them come, each with random weights,
`base` (the shape of ViT-B/32's tower, safetensors) and `large` (that of ViT-L/14's, two layers, fewer tokens, a .bin), each with
tokens.npy and vectors.npy; and ids.json, the tokens of each prompt by the slow tokenizer with ftfy.
"""

import json
import sys
from pathlib import Path

import ftfy
import numpy as np
import torch
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer


def ids_of(folder):
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    assert tokenizer.fix_text is ftfy.fix_text  # else it falls back to another way of cleaning
    return [tokenizer(prompt)["input_ids"] for prompt in json.loads((folder / "prompts.json").read_text(encoding="utf-8"))]


def padded(prompts, pad):
    tokens = np.full((len(prompts), max(map(len, prompts))), pad, np.int64)
    for row, prompt in zip(tokens, prompts):  # noqa: B905 (older than its argument)
        row[: len(prompt)] = prompt
    return tokens


def tower(folder, tokens, *, binary, **shape):
    """Save a random tower, with gains and biases that are not those it starts with, and what it makes of `tokens`."""
    torch.manual_seed(11)
    network = CLIPTextModelWithProjection(CLIPTextConfig(bos_token_id=0, pad_token_id=1, **shape)).eval()
    for name, value in network.named_parameters():
        if "norm" in name and name.endswith("weight"):
            torch.nn.init.uniform_(value, 0.5, 1.5)
        else:
            torch.nn.init.normal_(value, std=0.2 if name.endswith("bias") else value.shape[-1] ** -0.5)
    network.save_pretrained(folder, safe_serialization=not binary)
    with torch.inference_mode():
        vectors = network(torch.from_numpy(tokens)).text_embeds
    np.save(folder / "tokens.npy", tokens)
    np.save(folder / "vectors.npy", (vectors / vectors.norm(dim=1, keepdim=True)).numpy())


def main(folder):
    torch.set_num_threads(2)
    ids = ids_of(folder)
    (folder / "ids.json").write_text(json.dumps(ids), encoding="utf-8")
    chosen = padded([prompt for prompt in ids if len(prompt) <= 77][:64], 49407)
    tower(folder / "base", chosen, binary=False, vocab_size=49408, eos_token_id=49407)
    random = np.random.default_rng(3)
    few = padded([[498, *random.integers(0, 498, length), 499] for length in (0, 1, 5, 30, 75)], 0)
    shape = {"hidden_size": 768, "intermediate_size": 3072, "projection_dim": 768, "num_attention_heads": 12, "num_hidden_layers": 2}
    tower(folder / "large", few, binary=True, vocab_size=500, eos_token_id=499, **shape)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
