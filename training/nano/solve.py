"""The region embedding: which linear map turns a word's vector into the published class row of what it means."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from wordbox.vocabulary.encoders import TextEncoder

ADJECTIVES = ("red", "blue", "big", "small", "old", "new", "white", "black", "wooden", "young", "dirty", "shiny")

NAME_WEIGHT, ADJECTIVE_WEIGHT, SYNONYM_WEIGHT = 30.0, 0.3, 0.3
RIDGE = 0.03

Arrays = dict[str, NDArray[np.float32]]


def solved_head(classes: Arrays, encoder: TextEncoder, synonyms: Mapping[str, list[str]]) -> Arrays:
    """`head.region.{level}` (D, 128, 1, 1) and its bias (D,), from the published 80 rows and the rows of `synonyms`' names in that order.

    The rows are the names, the names behind adjectives, and the synonyms; of all maps that fit them equally well, the smallest.
    The dot product with a word's vector then gives the logit of its class. Norm, scale and offset do nothing (epsilon is 0).
    """
    names = list(synonyms)
    rows = [(name, k, NAME_WEIGHT) for k, name in enumerate(names)]
    rows += [(f"{adjective} {name}", k, ADJECTIVE_WEIGHT) for adjective in ADJECTIVES for k, name in enumerate(names)]
    rows += [(synonym, k, SYNONYM_WEIGHT) for k, name in enumerate(names) for synonym in synonyms[name]]
    phrases, targets, weights = zip(*rows, strict=True)
    levels = sorted(name.removesuffix(".weight") for name in classes if name.endswith(".weight"))
    joined = [part for level in levels for part in (classes[f"{level}.weight"][:, :, 0, 0], classes[f"{level}.bias"][:, None])]
    published = np.concatenate(joined, 1).astype(np.float64)[list(targets)]  # (rows, 3 x 129)

    importance = np.sqrt(weights)[:, None]
    words = encoder.encode(phrases) * importance
    gram = words.T @ words + RIDGE * np.eye(encoder.width)
    solved = np.linalg.solve(gram, words.T @ (published * importance)).astype(np.float32)  # (D, 3 x 129)

    head: Arrays = {}
    for i, (level, part) in enumerate(zip(levels, np.split(solved, len(levels), 1), strict=True)):
        head[f"{level}.weight"], head[f"{level}.bias"] = part[:, :-1, None, None], part[:, -1]
        for name, value in (("weight", 1), ("bias", 0), ("mean", 0), ("variance", 1)):
            head[f"head.norm.{i}.{name}"] = np.full(encoder.width, value, np.float32)
        head[f"head.scale.{i}"], head[f"head.offset.{i}"] = np.zeros((), np.float32), np.zeros((), np.float32)
    return head
