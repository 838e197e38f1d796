"""Optimisers by value: a step worked by hand, groups, and what is remembered by name."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainables.methods.hard_mask import HardMask
from trainables.methods.interface import Hooks
from trainables.training.optimisers import (
    Group,
    Optimiser,
    adamw,
    load_optimiser_state,
    optimiser_state,
    own,
    parameters_by_group,
    sgd,
)


def neuron(weights: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weights), 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([weights]))
        layer.bias.fill_(1.0)
    return layer


def step(made: torch.optim.Optimizer, hooks: Hooks, number: int, gradients: dict[Any, Any]) -> None:
    for parameter, values in gradients.items():
        parameter.grad = torch.tensor(values)
    for group in made.param_groups:
        group["lr"] = 0.1 * group.get("lr_scale", 1.0)
    hooks.on_gradients(number)
    made.step()


def by_hand(
    start: float, gradients: list[float], decay: float, lr: float = 0.1
) -> tuple[float, float, float]:
    """AdamW in floats, beta .9 and .99, eps .001: the weight and both moments."""
    weight, mean, square = start, 0.0, 0.0
    for t, gradient in enumerate(gradients, start=1):
        weight -= lr * decay * weight
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.99 * square + 0.01 * gradient**2
        scale = math.sqrt(square / (1 - 0.99**t)) + 0.001
        weight -= lr * (mean / (1 - 0.9**t)) / scale
    return weight, mean, square


def test_steps_of_adamw_by_hand_with_masked_entries() -> None:
    """Decay shrinks the weight itself, the masked entry and both of its moments stay zero."""
    layer = neuron([0.5, -2.0, 3.0])
    mask = torch.tensor([[True, False, True]])
    hooks = HardMask(layer, {"weight": mask})
    made = Optimiser(adamw(0.9, 0.99, 1e-3), weight_decay=0.2).build(layer, hooks)
    hooks.bind(made)
    for number, slopes in enumerate([[1.0, 5.0, -0.5], [-2.0, 7.0, 0.25]]):
        step(made, hooks, number, {layer.weight: [slopes], layer.bias: [4.0]})
    for place, start, slopes in ((0, 0.5, [1.0, -2.0]), (2, 3.0, [-0.5, 0.25])):
        weight, mean, square = by_hand(start, slopes, 0.2)
        state = made.state[layer.weight]
        rows = (layer.weight.detach(), state["exp_avg"], state["exp_avg_sq"])
        values = [float(row[0, place]) for row in rows]
        assert values == pytest.approx([weight, mean, square], rel=1e-5)
    assert float(layer.bias.detach()) == pytest.approx(by_hand(1.0, [4.0, 4.0], 0.2)[0], rel=1e-6)
    moments = (made.state[layer.weight][key] for key in ("exp_avg", "exp_avg_sq"))
    assert [float(value[0, 1]) for value in (layer.weight.detach(), *moments)] == [0.0, 0.0, 0.0]


def test_a_prune_between_steps_takes_both_moments_along() -> None:
    layer = neuron([0.5, -2.0])
    made = Optimiser(adamw(0.9, 0.99, 1e-3), 0.0).build(layer, Hooks())
    step(made, Hooks(), 0, {layer.weight: [[1.0, 1.0]], layer.bias: [1.0]})
    hooks = HardMask(layer, {"weight": torch.tensor([[True, False]])})
    hooks.bind(made)
    state = made.state[layer.weight]
    assert state["exp_avg"][0].tolist() == [pytest.approx(0.1), 0.0]
    assert state["exp_avg_sq"][0].tolist() == [pytest.approx(0.01), 0.0]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Linear(2, 2)
        self.norm1 = nn.LayerNorm(2)
        self.head = nn.Linear(2, 1)


def names(model: nn.Module, parameters: list[nn.Parameter]) -> list[str]:
    by_id = {id(p): name for name, p in model.named_parameters()}
    return [by_id[id(p)] for p in parameters]


def test_of_several_groups_that_fit_the_first_has_the_parameter() -> None:
    model = Net()
    model.head.weight.requires_grad_(False)
    groups = [Group(("*.bias",)), Group(("LayerNorm", "backbone")), Group(("norm*",))]
    chosen = [names(model, part) for part in parameters_by_group(model, groups)]
    assert chosen == [
        [],
        ["backbone.bias", "norm1.bias", "head.bias"],
        ["backbone.weight", "norm1.weight"],
        [],
    ]


def test_a_pattern_that_fits_nothing_that_is_trained_is_refused() -> None:
    model = Net()
    model.head.requires_grad_(False)
    with pytest.raises(
        ValueError,
        match=r"dense\.groups\.1\.match must fit a parameter that is trained, such as"
        r" backbone\.weight, got 'head\.\*'",
    ):
        parameters_by_group(model, [Group(("norm*",)), Group(("*.bias", "head.*"))])


def test_a_group_has_its_own_decay_and_scales_the_rate() -> None:
    """SGD by hand: w - scale lr (g + decay w)."""
    model = Net()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(2.0)
    groups = [Group(("*.bias",), weight_decay=0.0), Group(("head*",), lr_scale=0.5)]
    made = Optimiser(sgd(0.0, nesterov=False), 0.5, groups).build(model, Hooks())
    ones = {p: torch.ones_like(p).tolist() for p in model.parameters()}
    step(made, Hooks(), 0, ones)
    values = {name: float(p.detach().flatten()[0]) for name, p in model.named_parameters()}
    assert values == pytest.approx(
        {
            "backbone.weight": 2 - 0.1 * (1 + 0.5 * 2), "backbone.bias": 2 - 0.1,
            "norm1.weight": 2 - 0.1 * (1 + 0.5 * 2), "norm1.bias": 2 - 0.1,
            "head.weight": 2 - 0.05 * (1 + 0.5 * 2), "head.bias": 2 - 0.1,
        }
    )  # fmt: skip


def frozen_half(make: Any) -> tuple[Net, torch.optim.Optimizer]:
    model = Net()
    model.backbone.requires_grad_(False)
    return model, Optimiser(make, 0.5).build(model, Hooks())


@pytest.mark.parametrize("make", [sgd(0.9, True), adamw(0.9, 0.999, 1e-8)], ids=["sgd", "adamw"])
def test_what_is_frozen_is_neither_trained_nor_decayed(make: Any) -> None:
    model, made = frozen_half(make)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    step(made, Hooks(), 0, {p: torch.ones_like(p).tolist() for p in model.parameters()})
    changed = {n for n, p in model.named_parameters() if not torch.equal(p.detach(), before[n])}
    assert changed == {"norm1.weight", "norm1.bias", "head.weight", "head.bias"}


class Counting(torch.optim.SGD):
    """Remembers a number for each parameter and one for each group."""

    def step(self, closure: Any = None) -> Any:
        super().step(closure)
        for group in self.param_groups:
            group["steps"] = group.get("steps", 0) + 1
            for parameter in group["params"]:
                self.state[parameter]["seen"] = self.state[parameter].get("seen", 0) + 1


def saved(make: Any, steps: int) -> tuple[dict[str, Tensor], nn.Linear, torch.optim.Optimizer]:
    layer = neuron([0.5, -2.0])
    made = Optimiser(make, 0.1).build(layer, Hooks())
    for number in range(steps):
        step(made, Hooks(), number, {layer.weight: [[1.0, -2.0]], layer.bias: [3.0]})
    by_id = {id(p): name for name, p in layer.named_parameters()}
    return optimiser_state(made, by_id), layer, made


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (sgd(0.9, True), {"momentum.weight", "momentum.bias"}),
        (
            adamw(0.9, 0.999, 1e-8),
            {f"optimiser.{key}.{name}" for key in ("step", "exp_avg", "exp_avg_sq")
             for name in ("weight", "bias")},
        ),
        (
            own(Counting, {"momentum": 0.5}),
            {"momentum.weight", "momentum.bias", "number.seen.weight", "number.seen.bias",
             "group.0.steps"},
        ),
    ],
    ids=["sgd", "adamw", "own"],
)  # fmt: skip
def test_all_memory_is_kept_by_name_and_read_back_to_the_bit(make: Any, expected: set[str]) -> None:
    state, layer, made = saved(make, 2)
    assert state.keys() == expected
    other = neuron([0.0, 0.0])
    other.load_state_dict(layer.state_dict())
    again = Optimiser(make, 0.1).build(other, Hooks())
    load_optimiser_state(again, dict(other.named_parameters()), {**state, "rates": torch.ones(2)})
    for parameter, twin in zip(layer.parameters(), other.parameters(), strict=True):
        one, two = made.state[parameter], again.state[twin]
        assert one.keys() == two.keys()
        assert all(type(one[k]) is type(two[k]) for k in one)
    for net, optimiser in ((layer, made), (other, again)):
        step(optimiser, Hooks(), 2, {net.weight: [[0.5, 1.0]], net.bias: [1.0]})
    assert torch.equal(layer.weight, other.weight)
    assert torch.equal(layer.bias, other.bias)
