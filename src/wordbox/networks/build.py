"""From a spec to its network."""

from wordbox.networks.nano import BakedNano, Nano
from wordbox.networks.yolo_world import BakedYoloWorld, YoloWorld
from wordbox.networks.yolov5 import Yolov5
from wordbox.networks.yolov8 import Yolov8
from wordbox.specs import NanoSpec, Spec, Yolov5Spec, Yolov8Spec, YoloWorldSpec

Network = Nano | BakedNano | Yolov5 | Yolov8 | YoloWorld | BakedYoloWorld


def build(spec: Spec) -> Network:
    """The network that `spec` describes, with random weights from torch's generator and the first guesses of its head."""
    match spec:
        case NanoSpec():
            return BakedNano(spec) if spec.phrases else Nano(spec)
        case Yolov5Spec():
            return Yolov5(spec)
        case Yolov8Spec():
            return Yolov8(spec)
        case YoloWorldSpec():
            return BakedYoloWorld(spec) if spec.phrases else YoloWorld(spec)
