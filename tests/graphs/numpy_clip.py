"""CLIP's text tower a second time, in NumPy: written from its published description, sharing no code with the graph writer."""

import numpy as np


def shapes(spec):
    """Every array that the tower has, by our names."""
    w = spec.width
    found = {"tokens.weight": (spec.tokens, w), "positions.weight": (spec.context, w)}
    for i in range(spec.layers):
        for part in ("first_norm", "second_norm"):
            found[f"layers.{i}.{part}.weight"] = found[f"layers.{i}.{part}.bias"] = (w,)
        for part in ("query", "key", "value", "out"):
            found[f"layers.{i}.{part}.weight"], found[f"layers.{i}.{part}.bias"] = (w, w), (w,)
        found[f"layers.{i}.expand.weight"], found[f"layers.{i}.expand.bias"] = (4 * w, w), (4 * w,)
        found[f"layers.{i}.reduce.weight"], found[f"layers.{i}.reduce.bias"] = (w, 4 * w), (w,)
    return found | {"norm.weight": (w,), "norm.bias": (w,), "project.weight": (spec.projection, w)}


def random_arrays(spec, seed=0):
    """A tower in which nothing is zero, one or tiny."""
    random = np.random.default_rng(seed)
    found = {}
    for name, shape in shapes(spec).items():
        if name.endswith("norm.weight"):
            found[name] = random.uniform(0.5, 1.5, shape).astype(np.float32)
        else:
            spread = 0.5 if name.startswith(("tokens", "positions")) else shape[-1] ** -0.5 if len(shape) == 2 else 0.2
            found[name] = random.normal(0, spread, shape).astype(np.float32)
    return found


def run(spec, arrays, prompt):
    """The unit vector (D,) of one prompt, whose first end token is the last id of the tower."""
    arrays = {name: array.astype(np.float64) for name, array in arrays.items()}

    def norm(x, name):
        centred = x - x.mean(-1, keepdims=True)
        return (
            centred / np.sqrt((centred**2).mean(-1, keepdims=True) + spec.norm_epsilon) * arrays[f"{name}.weight"] + arrays[f"{name}.bias"]
        )

    def linear(x, name):
        return x @ arrays[f"{name}.weight"].T + arrays[f"{name}.bias"]

    prompt = list(prompt)[: list(prompt).index(spec.tokens - 1) + 1]
    x = arrays["tokens.weight"][prompt] + arrays["positions.weight"][: len(prompt)]
    each = spec.width // spec.heads
    for i in range(spec.layers):
        y = norm(x, f"layers.{i}.first_norm")
        query, key, value = (linear(y, f"layers.{i}.{part}") for part in ("query", "key", "value"))
        mixed = np.zeros_like(y)
        for head in range(spec.heads):
            own = slice(head * each, (head + 1) * each)
            for place in range(len(prompt)):
                weights = np.exp(key[: place + 1, own] @ query[place, own] / np.sqrt(each))
                mixed[place, own] = weights / weights.sum() @ value[: place + 1, own]
        x = x + linear(mixed, f"layers.{i}.out")
        wide = linear(norm(x, f"layers.{i}.second_norm"), f"layers.{i}.expand")
        x = x + linear(wide / (1 + np.exp(-1.702 * wide)), f"layers.{i}.reduce")
    vector = arrays["project.weight"] @ norm(x[-1], "norm")
    return vector / np.linalg.norm(vector)


def as_openai(spec, arrays):
    """The same arrays as OpenAI's file names and cuts them."""
    found = {
        "token_embedding.weight": arrays["tokens.weight"],
        "positional_embedding": arrays["positions.weight"],
        "ln_final.weight": arrays["norm.weight"],
        "ln_final.bias": arrays["norm.bias"],
        "text_projection": arrays["project.weight"].T,
    }
    names = {"out": "attn.out_proj", "first_norm": "ln_1", "second_norm": "ln_2", "expand": "mlp.c_fc", "reduce": "mlp.c_proj"}
    for i in range(spec.layers):
        ours, theirs = f"layers.{i}", f"transformer.resblocks.{i}"
        for kind in ("weight", "bias"):
            found[f"{theirs}.attn.in_proj_{kind}"] = np.concatenate([arrays[f"{ours}.{part}.{kind}"] for part in ("query", "key", "value")])
            found |= {f"{theirs}.{their}.{kind}": arrays[f"{ours}.{our}.{kind}"] for our, their in names.items()}
    return found
