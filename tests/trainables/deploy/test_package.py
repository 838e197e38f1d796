"""Networks in other formats compute what was measured; what cannot be exported says why."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from study.definition.locations import existing
from study.views.network import network_of
from tests.trainables.deploy.study_folders import DIGITS, own_trial, trained_trial
from trainables.deploy import graphs
from trainables.deploy.agreement import (
    TOLERANCE,
    agreement_on,
    in_doubles,
    require_agreement,
    require_record,
)
from trainables.deploy.calls import call_of
from trainables.deploy.graphs import require_packages
from trainables.deploy.package import GraphPackage, graph_package, metrics_in, state_file
from trainables.deploy.runtimes import RUNTIMES
from trainables.deploy.trained import Trained
from trainables.deploy.weights import MaskedWeights
from trainables.vocabulary.refusal import Refusal

Make = Callable[[str], Trained]
Pack = Callable[[str, str], GraphPackage]

PICTURES = """
import torch
from trainables.tasks import InMemory, Splits

def pictures(n: int = 60) -> Splits:
    draw = torch.Generator().manual_seed(0)
    labels = torch.arange(2 * n) % 4
    images = torch.randn(2 * n, 3, 32, 32, generator=draw) + labels.reshape(-1, 1, 1, 1)
    parts = [(images[a:b], labels[a:b]) for a, b in ((0, n), (n, n + n // 2), (n + n // 2, 2 * n))]
    return Splits(*(InMemory.of(*part) for part in parts))
"""
"""Classes that differ in brightness, for networks that want three channels."""

BUILT_IN = {
    "mlp": {"name": "mlp", "hidden": [8]},
    "cnn": {"name": "cnn", "channels": [4, 6]},
    "resnet20": {"name": "resnet20"},
    "resnet56": {"name": "resnet56"},
    "vgg16-bn": {"name": "vgg16-bn"},
}


DEEP = {
    "dense": {"epochs": 1, "batch_size": 16, "lr": 0.01},
    "prune": {"sparsity": 0.5},
    "retrain": {"schedule": "llr", "epochs": 0.25},
}
"""A few steps, after which deep networks have logits of usual size and normalise as trained ones
do. How right they are is no matter: what is exported is to be as right, to the image."""


def trial(folder: Path, name: str) -> Trained:
    """The network of a short trial: of the catalog on digits, the user's own, or torchvision's."""
    if name in BUILT_IN:
        task = {"dataset": DIGITS, "model": BUILT_IN[name]}
        record = trained_trial(folder, task, **({} if name in QUICK else DEEP))
    elif name == "own task":
        record = own_trial(folder)
    else:
        record = own_dataset_trial(folder, name)
    return network_of(*existing(str(folder)), record)


def own_dataset_trial(folder: Path, model: str) -> Any:
    """A trial of a network of the catalog on pictures of the user's own."""
    task = {"dataset": "my_task:pictures", "model": {"name": model}}
    return own_trial(folder, PICTURES, "my_task:pictures", (60, 30, 30), task=task, **DEEP)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Each network trained once; those of users are built from their copies."""
    made: dict[str, Path] = {}

    def make(name: str) -> Trained:
        if name not in made:
            made[name] = tmp_path_factory.mktemp("networks") / name.replace("/", "-")
            return trial(made[name], name)
        folder, study = existing(str(made[name]))
        return network_of(folder, study, folder.records().records[0])

    return make


@pytest.fixture(scope="module")
def packages(networks: Make) -> Pack:
    """Each network in each form made once."""
    made: dict[tuple[str, str], GraphPackage] = {}

    def make(name: str, form: str) -> GraphPackage:
        if (name, form) not in made:
            made[name, form] = graph_package(networks(name), form)
        return made[name, form]

    return make


QUICK = ["mlp", "cnn", "own task"]
SLOW = [
    pytest.param(name, marks=pytest.mark.slow)
    for name in ("resnet20", "resnet56", "vgg16-bn", "torchvision/mobilenet_v3_small")
]


@pytest.mark.parametrize("name", [*QUICK, *SLOW])
def test_what_leaves_a_study_gives_the_recorded_accuracy_to_the_image(
    name: str, networks: Make, packages: Pack
) -> None:
    """In ONNX Runtime, and in plain torch from a state dict; smaller ones by their program too."""
    network = networks(name)
    for form in ("onnx", "export") if name in QUICK else ("onnx",):
        require_the_record(packages(name, form))
    state = torch.load(io.BytesIO(state_file(network.model.state_dict())), weights_only=True)
    model = network.task.model()
    model.load_state_dict(state)
    model.eval()
    for part in network.parts:
        measured = network.evaluate(part, model)["accuracy"]
        assert measured == network.record.metrics[f"{part}_accuracy"]


def require_the_record(package: GraphPackage) -> None:
    """Logits within the tolerance, and each image classified as it was, near ties aside."""
    assert [a.part for a in package.agreements] == ["val", "test"]
    for agreement in package.agreements:
        assert agreement.largest <= TOLERANCE
        assert set(agreement.changed) <= {tie.index for tie in agreement.ties}
        right = round(agreement.other["accuracy"] * agreement.examples)
        recorded = round(agreement.recorded["accuracy"] * agreement.examples)
        assert abs(right - recorded) <= len(agreement.ties)
        if not agreement.ties:
            assert agreement.other["accuracy"] == agreement.recorded["accuracy"]


@pytest.mark.parametrize("form", ["onnx", "export"])
def test_the_batch_is_dynamic(form: str, networks: Make, packages: Pack) -> None:
    network = networks("cnn")
    run = RUNTIMES[form](network.model, packages("cnn", form).data)
    for n in (1, 2, 5, 33):
        images = torch.randn(n, 1, 8, 8)
        with torch.no_grad():
            expected = network.model(images)
        (output,) = run(images)
        assert output.shape == (n, 10)
        assert torch.allclose(output, expected, atol=TOLERANCE)


def test_metrics_in_fewer_bits(networks: Make) -> None:
    network = networks("cnn")
    weights = MaskedWeights(dict(network.model.state_dict()), network.masks)
    measured = metrics_in(network, weights, ["fp32", "int8"])
    recorded = network.record.metrics
    names = ("val_accuracy", "val_loss", "test_accuracy", "test_loss")
    assert measured["fp32"] == pytest.approx({name: recorded[name] for name in names}, rel=1e-6)
    assert measured["int8"]["val_loss"] != measured["fp32"]["val_loss"]
    assert measured["int8"]["val_loss"] == pytest.approx(measured["fp32"]["val_loss"], rel=0.1)


# what differs


def test_another_computation_is_refused_with_the_difference(networks: Make) -> None:
    network = networks("mlp")
    near = agreement_on(network, "val", lambda x: [network.model(x) + 5e-5])
    assert near.largest == pytest.approx(5e-5, rel=0.01)
    require_agreement(near, "it")
    far = agreement_on(network, "val", lambda x: [network.model(x) + 2e-4])
    with pytest.raises(Refusal, match=r"it must give the network's outputs within 0.0001 on val"):
        require_agreement(far, "it")
    lost = agreement_on(network, "val", lambda x: [network.model(x) * torch.nan])
    with pytest.raises(Refusal, match="got a difference of inf"):
        require_agreement(lost, "it")
    with pytest.raises(Refusal, match=r"must give outputs of \[\(144, 10\)\], got \[\]"):
        agreement_on(network, "val", lambda _: [])


def test_equal_infinities_do_not_differ_and_other_ones_do(networks: Make) -> None:
    network = networks("mlp")
    masked = Fixed(torch.full((144, 10), -torch.inf).index_fill(1, torch.tensor([3]), 7.0))
    endless = replace(network, loaded=replace(network.loaded, model=masked))
    same = agreement_on(endless, "val", lambda _: [masked.logits.clone()])
    assert (same.largest, same.changed) == (0.0, ())
    other = agreement_on(endless, "val", lambda _: [masked.logits.nan_to_num(neginf=-1e9)])
    assert other.largest == torch.inf


def test_complex_outputs_differ_in_either_part() -> None:
    real = torch.tensor([1.0, 2.0])
    one, two = in_doubles(torch.complex(real, real), torch.complex(real, real + 0.5))
    assert one.tolist() == [[1.0, 1.0], [2.0, 2.0]]
    assert (one - two).abs().max() == 0.5
    assert (torch.sub(*in_doubles(torch.complex(real, real), real)).abs().max()) == 2
    assert in_doubles(real, real)[0].dtype == torch.float64


def test_a_score_may_read_the_network_but_must_call_it(networks: Make) -> None:
    network = networks("mlp")

    def by_a_layer(model: Any, batch: Any) -> dict[str, Any]:
        images, labels = batch
        logits = model.classifier(model.relu1(model.linear1(images.flatten(1))))
        right = (logits.argmax(1) == labels).sum()
        return {"loss": torch.zeros(()), "correct": right}

    task = copy.copy(network.task)
    task.score = by_a_layer  # type: ignore[method-assign]
    around = replace(network, loaded=replace(network.loaded, task=task))
    with pytest.raises(Refusal, match="score must call the network itself"):
        agreement_on(around, "val")


def test_whatever_a_score_reads_is_the_networks_own(networks: Make) -> None:
    """Names that something in the network's place might have too."""
    network = networks("cnn")
    model = copy.deepcopy(network.model)
    model.logits, model.scale = model.forward, 2.0  # type: ignore[assignment]

    def scored(model: Any, batch: Any) -> dict[str, Any]:
        images, labels = batch
        assert torch.equal(model(images), model.logits(images)) and model.scale == 2
        return {"loss": torch.zeros(()), "correct": (labels >= 0).sum()}

    task = copy.copy(network.task)
    task.score = scored  # type: ignore[method-assign]
    around = replace(network, loaded=replace(network.loaded, task=task, model=model, forward=model))
    assert agreement_on(around, "val").largest == 0


def test_near_ties_are_listed_and_may_change_places(networks: Make) -> None:
    network = networks("mlp")
    logits = torch.zeros(144, 10)
    logits[:, 1] = 1.0
    logits[5, 2], logits[7, 2] = 1.0 - 6e-5, 1.0 - 2e-4  # of float32, so near
    other = logits.clone()
    other[5, 1] -= 9e-5
    model = Fixed(logits)
    tied = replace(network, loaded=replace(network.loaded, model=model))
    result = agreement_on(tied, "val", lambda _: [other])
    assert [tie.index for tie in result.ties] == [5]
    assert result.ties[0].gap == pytest.approx(6e-5, rel=0.01)
    assert result.changed == (5,)
    require_agreement(result, "it")
    other[7, 1] -= 3e-4
    with pytest.raises(Refusal, match="1 otherwise, the first at 7"):
        require_agreement(replace(agreement_on(tied, "val", lambda _: [other]), largest=0.0), "it")


class Fixed(torch.nn.Module):
    """Gives the same logits whatever it sees."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logits[: len(images)]


def test_a_network_that_is_not_the_record_s_is_refused(networks: Make) -> None:
    network = networks("mlp")
    metrics = {**network.record.metrics, "val_accuracy": 1.0}
    other = replace(network, record=replace(network.record, metrics=metrics))
    result = agreement_on(other, "val")
    with pytest.raises(Refusal, match="must classify 144 of 144 examples of val rightly, as its"):
        require_record(other, result)
    elsewhere = {**network.record.provenance, "device": "cuda"}
    require_record(replace(other, record=replace(other.record, provenance=elsewhere)), result)


# what cannot be exported

SOURCE = """
import torch
from torch import nn
from trainables.tasks import Classification, InMemory, Splits, Task


class Mine(Classification):
    def splits(self):
        draw = torch.Generator().manual_seed(0)
        parts = [InMemory.of(torch.randn(n, 4, generator=draw), torch.arange(n) % 3)
                 for n in (12, 6, 6)]
        return Splits(*parts)

    def model(self):
        return Net()


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, x):
        BODY
"""


def own_network(folder: Path, body: str) -> Trained:
    record = own_trial(folder, SOURCE.replace("BODY", body), "my_task:Mine", (12, 6, 6))
    return network_of(*existing(str(folder)), record)


def test_an_operator_that_onnx_does_not_know_is_named(tmp_path: Path) -> None:
    body = "return self.linear(x) + torch.special.bessel_j0(x[:, :3])"
    network = own_network(tmp_path / "study", body)
    graph_package(network, "export")
    with pytest.raises(Refusal, match=r"--format onnx cannot express operator prims.bessel_j0: "):
        graph_package(network, "onnx")


def test_a_format_whose_package_is_missing_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    require_packages("export")
    monkeypatch.setattr(graphs, "find_spec", lambda _: None)
    require_packages("export")
    with pytest.raises(Refusal, match=r"--format executorch needs executorch, which is not inst"):
        require_packages("executorch")
    with pytest.raises(Refusal, match=r"onnx, onnxscript, onnxruntime, .*'bimp-study\[onnx\]'"):
        require_packages("onnx")


@pytest.mark.slow
def test_executorch_where_it_is_installed(networks: Make) -> None:
    pytest.importorskip("executorch")
    package = graph_package(networks("cnn"), "executorch")
    assert max(a.largest for a in package.agreements) <= TOLERANCE
    assert all(a.other["accuracy"] == a.recorded["accuracy"] for a in package.agreements)


def test_control_flow_that_hangs_on_values_is_refused(tmp_path: Path) -> None:
    network = own_network(tmp_path / "study", "return self.linear(x if x.sum() > 0 else -x)")
    with pytest.raises(Refusal, match="--format export cannot express"):
        graph_package(network, "export")


def test_a_network_that_is_called_by_names_with_several_inputs(tmp_path: Path) -> None:
    source = SOURCE.replace("(self, x)", "(self, x, shift, scale=None)").replace(
        "BODY", "return self.linear(x) * scale + shift[:, None]"
    )
    source = source.replace(
        "    def model(self):\n        return Net()\n",
        """    def model(self):
        return Net()

    def score(self, model, batch):
        x, labels = batch
        wrapped = lambda x: model(x, scale=x[:, :1], shift=x[:, 0])
        return super().score(wrapped, batch)

    def loss(self, model, batch):
        x, labels = batch
        return super().loss(lambda x: model(x, scale=x[:, :1], shift=x[:, 0]), batch)

    def example(self):
        return {"x": torch.zeros(1, 4), "scale": torch.zeros(1, 1), "shift": torch.zeros(1)}
""",
    )
    record = own_trial(tmp_path / "study", source, "my_task:Mine", (12, 6, 6))
    network = network_of(*existing(str(tmp_path / "study")), record)
    call = call_of(network)
    assert call.names == ("x", "shift", "scale")
    assert call.dynamic == ((0,), (0,), (0,))
    for form in ("onnx", "export"):
        package = graph_package(network, form)
        assert [i.name for i in package.inputs] == ["x", "shift", "scale"]
        assert max(a.largest for a in package.agreements) <= TOLERANCE
