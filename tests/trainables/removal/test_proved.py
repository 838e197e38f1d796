"""Smaller networks proved equal: built-in ones, torchvision's, a user's; refusals; the recipe."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.removal.networks import Images, Separable, catalog, masked, removed
from trainables.data.in_memory import InMemory
from trainables.networks import models
from trainables.pruning.work import work_of
from trainables.removal.proved import NotRemoved, Removal, _difference, outputs


def require_equal(task: Images, network: nn.Module) -> Removal:
    """Logits within 1e-5, and every prediction the same."""
    result = removed(task, network)
    part = task.splits().val
    assert isinstance(part, InMemory)
    [before], [after] = (outputs(task, m, part.tensors) for m in (network, result.model))
    assert float((before - after).abs().max()) <= 1e-5
    assert torch.equal(before.argmax(1), after.argmax(1))
    assert result.difference <= 1e-5 and result.n_batches == 2
    sizes = [sum(p.numel() for p in m.parameters()) for m in (network, result.model)]
    assert sizes[1] < 0.8 * sizes[0]
    example = task.example()
    assert work_of(result.model, example).total < 0.9 * work_of(network, example).total
    return result


def test_hidden_units_of_the_mlp() -> None:
    task = catalog("mlp", (1, 8, 8), hidden=(32, 16))
    result = require_equal(task, masked(task))
    # of 64 x 32 + 32 x 16 + 16 x 10 weights half: of both layers the same share of units
    assert result.plan.removed == {"linear1": 17, "linear2": 8} and not result.plan.kept


def test_filters_of_the_cnn_and_of_a_users_network() -> None:
    cnn = catalog("cnn", (1, 8, 8))
    assert not require_equal(cnn, masked(cnn)).plan.kept
    own = Images(Separable, (3, 8, 8))
    result = require_equal(own, masked(own))
    assert "stem.0" not in result.plan.removed and result.plan.removed["depthwise.0"] > 0
    reasons = {kept.layer: kept.reason for kept in result.plan.kept}
    assert reasons["stem.0"] == "the task keeps its width"


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["resnet20", "resnet56", "vgg16-bn", "torchvision/mobilenet_v3_small"]
)
def test_larger_networks(name: str) -> None:
    task = catalog(name)
    result = require_equal(task, masked(task))
    kept = {kept.layer for kept in result.plan.kept}
    if name.startswith("resnet"):  # of each block the inner convolution goes, the added one stays
        assert all(layer.endswith("conv1") for layer in result.plan.removed)
        assert {"conv1", "stages.stage3.2.conv2"} <= kept
    if name == "vgg16-bn":
        assert not kept and len(result.plan.removed) == 13


class Scaled(nn.Module):
    """Its forward asks a layer for its width, or reshapes by a number."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.first = nn.Linear(3, 6)
        self.body = nn.Linear(6, 6)
        self.head = nn.Linear(6, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.flatten(1)).relu()
        if self.how == "reads":
            x = x * self.first.out_features
        if self.how == "reshapes":
            x = x.view(-1, 6)
        return self.head(self.body(x).relu())  # type: ignore[no-any-return]


def zero_units_(layer: nn.Linear) -> None:
    with torch.no_grad():
        layer.weight[:2] = 0
        layer.bias[:2] = 0


def test_a_network_that_gives_something_else_is_refused() -> None:
    task = Images(lambda: Scaled("reads"), (3, 1, 1))
    network = models.seeded(task.model, 0)
    zero_units_(network.first)  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(NotRemoved, match="must give the same outputs within 1e-05"):
        removed(task, network)
    assert network.first.out_features == 6 and network.training
    assert all(torch.equal(value, before[n]) for n, value in network.state_dict().items())


def test_a_width_that_a_reshape_holds_as_a_number_stays() -> None:
    task = Images(lambda: Scaled("reshapes"), (3, 1, 1))
    network = models.seeded(task.model, 0)
    zero_units_(network.first)  # type: ignore[arg-type]
    with pytest.raises(NotRemoved, match=r"first keeps 2 zero filters: view reads it as a whole"):
        removed(task, network)
    zero_units_(network.body)  # type: ignore[arg-type]
    assert removed(task, network).plan.removed == {"body": 2}


def test_a_network_without_a_zero_filter_is_refused() -> None:
    task = catalog("mlp", (1, 8, 8), hidden=(8,))
    with pytest.raises(NotRemoved, match="no filter can be taken out: none has all of its weights"):
        removed(task, models.seeded(task.model, 0))


class Told(Images):
    """A task that judges nothing: what the network gives is all that counts."""

    def score(self, model: Any, batch: Any) -> dict[str, Any]:
        model(batch[0])
        return {"loss": torch.zeros(()), "correct": torch.zeros(())}


def test_both_parts_of_complex_outputs_and_whole_numbers_must_stay() -> None:
    task = Told(nn.Identity, (2,))
    batch = (torch.tensor([[1.0, 2.0]]), torch.tensor([0]))

    def given(real: Tensor, other: Tensor) -> Any:
        return lambda x: (torch.complex(x * real, x * other), (x * other).long())

    one, two = torch.tensor(1.0), torch.tensor(1.0 + 2e-6)
    assert _difference(task, given(one, one), given(one, one), batch) == 0
    assert 1e-6 < _difference(task, given(one, one), given(one, two), batch) < 5e-6
    with pytest.raises(NotRemoved, match="must give the same outputs within 1e-05"):
        _difference(task, given(one, one), given(one, one + 1e-3), batch)
    with pytest.raises(NotRemoved, match="other whole numbers"):
        _difference(
            task,
            lambda x: x.long(),  # type: ignore[arg-type]
            lambda x: x.long() + 1,  # type: ignore[arg-type]
            batch,
        )
