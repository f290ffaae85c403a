import numpy as np
import pytest

from wordbox.checkpoints.modules import Module, Pickled, find_network, meta
from wordbox.checkpoints.pickles import Name, Stub
from wordbox.errors import WeightsError

WEIGHT = np.zeros((2, 3), np.float16)
BIAS = np.ones(2, np.float16)


def stub(kind, state=None):
    made = Stub(kind)
    made.state = state
    return made


def module(kind="models.common.Conv", parameters=(), buffers=(), modules=(), passing=(), **attributes):
    groups = {
        "_parameters": dict(parameters),
        "_buffers": dict(buffers),
        "_modules": dict(modules),
        "_non_persistent_buffers_set": set(passing),
    }
    return stub(kind, groups | attributes)


def refusal(tree):
    with pytest.raises(WeightsError) as caught:
        find_network(tree, "best.pt")
    message = str(caught.value)
    assert message.startswith("best.pt: ")
    assert message.isprintable()
    return message


@pytest.fixture
def network():
    norm = module(
        "torch.nn.modules.batchnorm.BatchNorm2d", {"weight": BIAS}, {"running_mean": BIAS, "seen": WEIGHT}, passing=["seen"], eps=0.001
    )
    act = module("torch.nn.modules.activation.SiLU")
    conv = module(parameters={"weight": WEIGHT, "bias": None}, modules={"bn": norm, "act": act, "none": None}, i=0, f=-1, _forward_hooks={})
    return module("models.yolo.Model", buffers={"anchors": BIAS}, modules={"model": module(modules={"0": conv, "act": act})}, names=["cat"])


def test_arrays_come_in_the_order_and_under_the_names_of_a_state_dict(network):
    found = find_network(network, "best.pt")
    assert list(found.arrays) == ["anchors", "model.0.weight", "model.0.bn.weight", "model.0.bn.running_mean"]
    assert found.arrays["model.0.weight"] is WEIGHT


def test_modules_come_in_order_with_their_plain_values(network):
    found = find_network(network, "best.pt")
    assert found.kind == "models.yolo.Model"
    assert [one.path for one in found.modules] == ["", "model", "model.0", "model.0.bn", "model.0.act", "model.act"]
    assert found.modules[0] == Module("", "models.yolo.Model", {"names": ["cat"]})
    assert found.modules[2].attributes == {"i": 0, "f": -1}
    assert found.modules[3].attributes == {"eps": 0.001}


@pytest.mark.parametrize("averaged", [True, False])
def test_the_averaged_network_comes_first_where_there_is_one(network, averaged):
    other = module("models.yolo.DetectionModel")
    found = find_network({"model": other, "ema": network if averaged else None}, "best.pt")
    assert found.kind == ("models.yolo.Model" if averaged else "models.yolo.DetectionModel")


def test_facts_are_the_plain_entries_beside_the_network(network):
    options = stub("argparse.Namespace", {"batch": 16})
    beside = {
        "epoch": -1,
        "date": "2022",
        "opt": options,
        "loss": stub("x.Loss"),
        "classes": [Name("a.b", None)],
        "optimizer": {"lr": [WEIGHT]},
    }
    found = find_network({"model": network, **beside}, "best.pt")
    assert found.facts == {"epoch": -1, "date": "2022", "opt": {"batch": 16}, "optimizer": {"lr": [WEIGHT]}}


def test_attributes_leave_out_modules_and_objects(network):
    network.state.update(
        args=stub("ultralytics.utils.IterableSimpleNamespace", {"imgsz": 640}), criterion=stub("x.Loss"), twin=module(), size=(1, [2])
    )
    assert find_network(network, "best.pt").modules[0].attributes == {"names": ["cat"], "args": {"imgsz": 640}, "size": (1, [2])}


def test_a_wrapper_of_several_devices_is_taken_off(network):
    wrapped = module("torch.nn.parallel.data_parallel.DataParallel", modules={"module": network})
    assert find_network(wrapped, "best.pt") == find_network(network, "best.pt")


@pytest.mark.parametrize("key", [None, "model", "ema", "state_dict", "model_state_dict"])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_state_dict_gives_its_arrays(key, prefix):
    arrays = {f"{prefix}0.weight": WEIGHT, f"{prefix}0.bias": BIAS}
    found = find_network(arrays if key is None else {"epoch": 3, key: arrays}, "best.pt")
    assert not isinstance(found, Pickled)
    assert list(found) == ["0.weight", "0.bias"]
    assert found["0.weight"] is WEIGHT


def test_a_prefix_that_only_some_names_have_stays():
    assert list(find_network({"module.a": WEIGHT, "b": BIAS}, "best.pt")) == ["module.a", "b"]


@pytest.mark.parametrize(
    ("tree", "said"),
    [
        (
            {"model": None, "ema": None, "epoch": 3},
            "found a dict with 'model': NoneType, 'ema': NoneType, 'epoch': int; expected a network",
        ),
        ({}, "found an empty dict"),
        ({"a": WEIGHT, "b": 1}, "found a dict with 'a': array, 'b': int"),
        ({f"k{i}": i for i in range(40)}, "'k9': int and 30 more"),
        ({"a\nb": 1, (1,): 2}, r"found a dict with 'a\\nb': int, a key of type tuple: int"),
        ([1], "found list"),
        (stub("evil.Net", {"a": 1}), "found evil.Net"),
        (WEIGHT, "found array"),
    ],
)
def test_anything_else_is_told(tree, said):
    assert said.replace("\\\\", "\\") in refusal(tree)


def test_a_module_in_itself_is_refused(network):
    network.state["_modules"]["model"].state["_modules"]["again"] = network
    assert "module 'model.again' contains itself" in refusal(network)


def test_deep_networks_are_refused():
    inner = module()
    for _ in range(200):
        inner = module(modules={"a": inner})
    assert "lies deeper than 64 modules" in refusal(inner)


def test_a_module_reached_in_many_ways_does_not_multiply():
    inner = module()
    for _ in range(60):
        inner = module(modules={"a": inner, "b": inner})
    assert "too many" in refusal(inner)


def test_values_that_unfold_without_end_are_refused(network):
    laughs = ["ha"]
    for _ in range(60):
        laughs = [laughs] * 10
    network.state["names"] = laughs
    assert "'names' of module '' unfolds to more than" in refusal(network)


def test_values_that_hold_themselves_are_refused(network):
    loop = []
    loop.append({"again": (loop,)})
    assert "holds itself" in refusal({"model": network, "opt": loop})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"_parameters": {"weight": 7}}, "has int where the array 'weight' is expected"),
        ({"_parameters": [WEIGHT]}, "has no dict of names as its _parameters"),
        ({"_buffers": {7: WEIGHT}}, "has no dict of names as its _buffers"),
        ({"_modules": {"0": "Conv"}}, "has str where the module '0' is expected"),
        ({"_modules": {"": module()}}, "has no dict of names as its _modules"),
    ],
)
def test_modules_that_are_malformed_are_refused(network, change, said):
    network.state.update(change)
    assert said in refusal(network)


def test_two_arrays_of_one_name_are_refused():
    assert "two arrays have the name 'a.b'" in refusal(module(parameters={"a.b": WEIGHT}, modules={"a": module(parameters={"b": BIAS})}))


def test_an_array_under_thousands_of_names_is_refused():
    large = np.zeros(2**20, np.uint8)
    assert "over and over" in refusal({f"w{i}": large for i in range(100)})


@pytest.mark.parametrize("group", ["_parameters", "_modules"])
def test_names_of_several_lines_are_refused(network, group):
    network.state[group]["two\nlines"] = BIAS if group == "_parameters" else module()
    assert group in refusal(network)


def test_a_state_dict_with_names_of_several_lines_is_refused():
    assert "two\\nlines" in refusal({"two\nlines": BIAS})


@pytest.mark.parametrize("tree", [None, 7, {}, {"meta": None}, {"meta": [1]}, {"state_dict": {}}])
def test_most_files_note_nothing_as_mmengine_does(tree):
    assert meta(tree, "f") == {}


def test_plain_entries_of_mmengines_meta_are_kept():
    noted = {"time": "2024", "epoch": 3, "dataset_meta": {"classes": ("a",)}, "hook": Stub("evil.Hook"), 7: 1, "a\nb": 1}
    assert meta({"meta": noted}, "f") == {"time": "2024", "epoch": 3, "dataset_meta": {"classes": ("a",)}}
    looped = {}
    looped["dataset_meta"] = {"self": looped}
    looped["dataset_meta"]["again"] = looped["dataset_meta"]
    with pytest.raises(WeightsError, match="holds itself"):
        meta({"meta": looped}, "f")
