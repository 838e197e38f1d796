"""What may go out of small networks, worked by hand."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from trainables.removal.plan import Kept, Plan, plan_of, shrink
from trainables.removal.traced import NotTraced, traced
from trainables.removal.walk import Trust


def planned(model: nn.Module, inputs: Tensor, trust: Trust | None = None) -> Plan:
    return plan_of(model, traced(model, inputs), trust=trust)


def zero_(layer: nn.Conv2d | nn.Linear, *filters: int, bias: float = 0.0) -> None:
    with torch.no_grad():
        layer.weight[list(filters)] = 0
        if layer.bias is not None:
            layer.bias[list(filters)] = bias


def apart(model: nn.Module, plan: Plan, inputs: Tensor) -> float:
    """How far the shrunk network's outputs lie from the masked one's."""
    smaller = shrink(copy.deepcopy(model), plan.as_json())
    with torch.no_grad():
        return float((model(inputs) - smaller(inputs)).abs().max())


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(0)


def test_a_hidden_unit_takes_its_row_its_bias_and_the_next_column() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    zero_(model[0], 1, 3)  # type: ignore[arg-type]
    plan = planned(model, torch.randn(1, 3))
    assert plan.keep == {"0.weight": {0: [0, 2]}, "0.bias": {0: [0, 2]}, "2.weight": {1: [0, 2]}}
    assert plan.sizes == {"0": {"out_features": 2}, "2": {"in_features": 2}}
    assert plan.removed == {"0": 2} and not plan.shift and not plan.kept
    assert apart(model, plan, torch.randn(5, 3)) < 1e-6


def test_a_constant_goes_into_the_bias_of_the_layer_that_reads_it() -> None:
    """relu(.5) times the weights that see it, by hand."""
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    zero_(model[0], 0, bias=0.5)  # type: ignore[arg-type]
    with torch.no_grad():
        model[2].weight.copy_(torch.tensor([[2.0, 1.0], [-4.0, 1.0]]))
    plan = planned(model, torch.randn(1, 2))
    assert plan.shift == {"2": [1.0, -2.0]}
    assert apart(model, plan, torch.randn(5, 2)) < 1e-6


def test_a_layer_without_bias_gets_one_for_a_constant() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid(), nn.Linear(2, 1, bias=False))
    zero_(model[0], 1)  # type: ignore[arg-type]
    plan = planned(model, torch.randn(1, 2))
    weight = float(model[2].weight[0, 1].detach())  # type: ignore[index,union-attr]
    assert plan.shift["2"] == pytest.approx([weight / 2])  # sigmoid(0) = 1/2
    assert apart(model, plan, torch.randn(5, 2)) < 1e-6


@pytest.mark.parametrize(("padding", "goes"), [(0, True), (1, False)])
def test_a_constant_before_a_padded_convolution_stays(padding: int, goes: bool) -> None:
    """At its border a padded convolution sees zeros, not the constant."""
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 3, padding=padding), nn.Flatten())
    zero_(model[0], 1, bias=0.25)  # type: ignore[arg-type]
    inputs = torch.randn(2, 1, 5, 5)
    plan = planned(model, inputs[:1])
    assert bool(plan.removed) == goes
    if goes:
        assert apart(model, plan, inputs) < 1e-6
    else:
        assert plan.kept == (Kept("0", 1, "1 reads what its bias or normalisation still gives"),)


def test_a_zero_through_a_normalisation_that_moves_it_is_a_constant() -> None:
    """With mean 1, variance 4 - eps, weight 2 and bias 3 a zero becomes (0 - 1) / 2 * 2 + 3 = 2."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.BatchNorm2d(2, eps=1.0), nn.Conv2d(2, 1, 1)
    )
    norm = model[1]
    assert isinstance(norm, nn.BatchNorm2d) and norm.running_mean is not None
    with torch.no_grad():
        norm.running_mean.fill_(1)
        norm.running_var.fill_(3)  # type: ignore[union-attr]
        norm.weight.fill_(2)
        norm.bias.fill_(3)
        model[2].weight.copy_(torch.tensor([5.0, 7.0]).reshape(1, 2, 1, 1))
    zero_(model[0], 1)  # type: ignore[arg-type]
    plan = planned(model.eval(), torch.randn(1, 1, 4, 4))
    assert plan.shift == {"2": [14.0]}
    assert plan.sizes["1"] == {"num_features": 1}
    assert apart(model, plan, torch.randn(3, 1, 4, 4)) < 1e-5


class Separable(nn.Module):
    """A pointwise, a depthwise and a pointwise convolution."""

    def __init__(self, each: int = 1) -> None:
        super().__init__()
        self.expand = nn.Conv2d(2, 4, 1, bias=False)
        self.depthwise = nn.Conv2d(4, 4 * each, 3, padding=1, groups=4, bias=False)
        self.project = nn.Conv2d(4 * each, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.depthwise(self.expand(x).relu()).relu()
        return self.project(hidden).mean((2, 3))  # type: ignore[no-any-return]


@pytest.mark.parametrize("layer", ["expand", "depthwise"])
def test_a_depthwise_filter_and_the_one_before_it_go_together(layer: str) -> None:
    """Whichever is zero: the other one's output is zero, or unheard."""
    model = Separable()
    zero_(getattr(model, layer), 2)
    plan = planned(model, torch.randn(1, 2, 6, 6))
    assert plan.removed == {"expand": 1, "depthwise": 1}
    assert plan.sizes["depthwise"] == {"out_channels": 3, "in_channels": 3, "groups": 3}
    assert apart(model, plan, torch.randn(4, 2, 6, 6)) < 1e-6


def test_of_a_depthwise_convolution_that_doubles_both_outputs_must_be_zero() -> None:
    model = Separable(each=2)
    zero_(model.depthwise, 2, 4, 5)  # half of channel 1, all of channel 2
    plan = planned(model, torch.randn(1, 2, 6, 6))
    assert plan.removed == {"expand": 1, "depthwise": 2}
    assert plan.keep["project.weight"] == {1: [0, 1, 2, 3, 6, 7]}
    assert plan.sizes["depthwise"] == {"out_channels": 6, "in_channels": 3, "groups": 3}
    assert [k.layer for k in plan.kept] == ["depthwise"]
    assert apart(model, plan, torch.randn(4, 2, 6, 6)) < 1e-6


class Residual(nn.Module):
    """A stem, and a block whose outputs are added to it."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.up = nn.Linear(4, 6)
        self.down = nn.Linear(6, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x + self.down(self.up(x).relu()))  # type: ignore[no-any-return]


def test_a_residual_connection_keeps_a_filter_and_is_named() -> None:
    model = Residual()
    zero_(model.up, 5)
    zero_(model.down, 1)
    plan = planned(model, torch.randn(1, 3))
    assert plan.removed == {"up": 1}
    assert [str(kept) for kept in plan.kept] == [
        "down keeps 1 zero filter: its channels are shared with stem, where they are not zero"
    ]


def test_a_channel_that_is_zero_in_every_branch_goes() -> None:
    model = Residual()
    for layer in (model.stem, model.down):
        zero_(layer, 1)
    plan = planned(model, torch.randn(1, 3))
    assert plan.removed == {"stem": 1, "down": 1}
    assert plan.keep["head.weight"] == {1: [0, 2, 3]}
    assert plan.keep["down.weight"] == {0: [0, 2, 3]}
    assert apart(model, plan, torch.randn(5, 3)) < 1e-6


def test_every_layer_keeps_a_filter_and_outputs_all_of_theirs() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))
    zero_(model[0], 0, 1)  # type: ignore[arg-type]
    zero_(model[2], 1)  # type: ignore[arg-type]
    plan = planned(model, torch.randn(1, 3))
    assert plan.removed == {"0": 1}
    assert [str(kept) for kept in plan.kept] == [
        "0 keeps 1 zero filter: one filter of a layer stays",
        "2 keeps 1 zero filter: it is an output of the network",
    ]


class Flattened(nn.Module):
    """Joined with another branch, flattened, then read: each channel is four features."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 1)
        self.head = nn.Linear(20, 2)

    def forward(self, x: Tensor) -> Tensor:
        joint = torch.cat([self.one(x), self.two(x)], 1)
        return self.head(joint.flatten(1))  # type: ignore[no-any-return]


def test_joined_and_flattened_channels_are_followed() -> None:
    model = Flattened()
    zero_(model.one, 0)
    zero_(model.two, 1)
    plan = planned(model, torch.randn(1, 1, 2, 2))
    assert plan.removed == {"one": 1, "two": 1}
    assert plan.keep["head.weight"] == {1: [4, 5, 6, 7, 8, 9, 10, 11, 16, 17, 18, 19]}
    assert apart(model, plan, torch.randn(3, 1, 2, 2)) < 1e-6


def test_hidden_units_of_a_transformer_go_and_its_heads_stay() -> None:
    model = nn.TransformerEncoderLayer(8, 2, 6, dropout=0.0, batch_first=True).eval()
    zero_(model.linear1, 0, 3)
    zero_(model.self_attn.out_proj, 2)
    inputs = torch.randn(2, 5, 8)
    plan = planned(model, inputs[:1])
    assert plan.removed == {"linear1": 2}
    assert plan.keep["linear2.weight"] == {1: [1, 2, 4, 5]}
    assert [kept.layer for kept in plan.kept] == ["self_attn.out_proj"]
    assert apart(model, plan, inputs) < 1e-5


def test_a_weight_used_twice_goes_where_both_uses_allow_it() -> None:
    """The constant of the second unit cannot go into one bias for two inputs."""

    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(2, 3)
            self.again = nn.Linear(3, 3)
            self.head = nn.Linear(3, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.again(self.first(x).relu()).relu()
            return self.head(self.again(x))  # type: ignore[no-any-return]

    model = Twice()
    zero_(model.first, 0, 1)
    zero_(model.again, 0)
    zero_(model.again, 1, bias=1.0)
    plan = planned(model, torch.randn(1, 2))
    assert plan.removed == {"first": 1, "again": 1}
    assert plan.keep["again.weight"] == {0: [1, 2], 1: [1, 2]}
    assert apart(model, plan, torch.randn(5, 2)) < 1e-6


def test_what_a_task_keeps_and_what_reads_channels_as_a_whole() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 3), nn.Linear(3, 2))
    zero_(model[0], 0)  # type: ignore[arg-type]
    zero_(model[2], 0)  # type: ignore[arg-type]
    trace = traced(model, torch.randn(1, 3))
    plan = plan_of(model, trace, lambda name, _module: name != "2")
    assert not plan.removed
    assert [kept.reason for kept in plan.kept] == [
        "layer_norm reads it as a whole",
        "the task keeps its width",
    ]


def test_a_forward_that_branches_on_values_is_not_traced() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x) if float(x.sum()) > 0 else x

    model = Branching().train()
    with pytest.raises(NotTraced, match=r"torch\.export cannot write its forward down"):
        traced(model, torch.ones(1, 2))
    assert model.training
