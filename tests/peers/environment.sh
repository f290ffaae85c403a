#!/usr/bin/env bash
# The environment in which the peer packages run as black boxes, beside which Wordbox is measured; the library never imports them.
#
#     tests/peers/environment.sh [FOLDER]        default: $WORDBOX_PEERS, else ~/.cache/wordbox/peers
#
# Run again, it adds what is missing. It needs Python 3.11 ($PYTHON, else python3) and 1.8 GB. Where the package index
# gives a CUDA build of PyTorch, name an index of CPU builds in PIP_INDEX_URL: the peers are measured on the processor.
# With the reference data beside the checkout ($WORDBOX_SHARED, else ../shared) it also exports the peer's YOLOv8n to ONNX, by the peer
# itself with its default options, to FOLDER/models/yolov8n-hybrid.onnx.
set -euo pipefail

folder=${1:-${WORDBOX_PEERS:-$HOME/.cache/wordbox/peers}}
checkout=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)
case "$folder/" in "$checkout"/*) echo "$folder is inside the checkout; name a folder outside it" >&2; rmdir "$folder" || true; exit 2 ;; esac

install() { "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }

[ -x "$folder/bin/python" ] || "${PYTHON:-python3}" -m venv "$folder"
install torch==2.13.0 numpy
install opencv-python-headless pyyaml pillow matplotlib scipy requests psutil pandas seaborn tqdm thop ultralytics-thop \
    onnx onnxruntime onnxslim pycocotools polars py-cpuinfo
install torchvision==0.28.0 --no-deps # beside a CPU build of PyTorch it lacks its operators: shims.py
install 'setuptools<80'
install ultralytics==8.4.190 --no-deps
install 'huggingface_hub<0.25' tensorboard
install yolov5==7.0.14 --no-deps # beside NumPy 2 and this PyTorch it needs shims.ready_for_yolov5
mkdir -p "$folder/config" "$folder/models"

weights=${WORDBOX_SHARED:-$checkout/../shared}/data/weights/yolov8n-hybrid.pt
model=$folder/models/yolov8n-hybrid.onnx
if [ ! -f "$model" ] && [ -f "$weights" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cp "$weights" "$work/yolov8n-hybrid.pt"
    cd "$work"
    PYTHONPATH=$checkout/tests/peers "$folder/bin/python" -c "import shims; from ultralytics import YOLO; YOLO('yolov8n-hybrid.pt').export(format='onnx', imgsz=640)" >&2
    mv yolov8n-hybrid.onnx "$model"
fi
[ -f "$model" ] || echo "no $weights, so no YOLOv8n was exported; set WORDBOX_SHARED to the folder that holds data/weights" >&2
echo "$folder"
