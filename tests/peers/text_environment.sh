#!/usr/bin/env bash
# The environment in which the transformers library runs as a black box, beside which CLIP's words are tested; the library never imports it.
#
#     tests/peers/text_environment.sh [FOLDER]        default: $WORDBOX_PEERS_TEXT, else ~/.cache/wordbox/peers-text
#
# Run again, it adds what is missing. It needs Python 3.10 or newer ($PYTHON, else python3) and 1.2 GB. Where the package index gives a CUDA
# build of PyTorch, name an index of CPU builds in PIP_INDEX_URL. Version 4 of transformers is the last with the slow tokenizer, which
# cleans text with ftfy as OpenAI's does.
set -euo pipefail

folder=${1:-${WORDBOX_PEERS_TEXT:-$HOME/.cache/wordbox/peers-text}}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
case "$folder/" in "$checkout"/*) echo "$folder is inside the checkout; name a folder outside it" >&2; rmdir "$folder" || true; exit 2 ;; esac

[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check torch==2.13.0 numpy safetensors ftfy==6.3.1 transformers==4.57.3
echo "$folder"
