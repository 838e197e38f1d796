"""The choice of the k largest, and the three methods that make it in every step: GSM, LC, DNW."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tests.trainables.methods import lab
from trainables.formulas.sparsity import zeros_at
from trainables.methods.interface import Setting
from trainables.methods.largest import Largest
from trainables.pruning.masks import dense_masks
from trainables.pruning.ranking import prune

ALL = ["gsm", "lc", "dnw"]


def setting(
    model: nn.Module, sparsity: float, scope: str = "global", keep_least: float = 0
) -> Setting:
    return Setting(model, {}, sparsity, 32, 4, 0.1, scope=scope, keep_least=keep_least)


def test_of_equal_magnitudes_the_lower_index_goes_first() -> None:
    model = lab.linear([1, -2, 2, 1, -1, 3])
    # round(6 x .4) = 2 of the three ones go
    assert Largest(setting(model, 0.4)).masks()["weight"].tolist() == [
        [False, True, True, False, True, True]
    ]


@settings(deadline=None)
@given(
    seed=st.integers(0, 10_000),
    sparsity=st.floats(0, 0.99),
    scope=st.sampled_from(["global", "layer"]),
    keep_least=st.sampled_from([0, 0.1, 10]),
)
def test_the_choice_is_that_of_a_prune(
    seed: int, sparsity: float, scope: str, keep_least: float
) -> None:
    model = lab.network(seed).to(memory_format=torch.channels_last)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(10).round_()  # many ties
    zeros = zeros_at(192, sparsity)
    expected = prune(
        model,
        dense_masks(model),
        zeros=zeros,
        structure="weights",
        scope=scope,
        criterion="magnitude",
        keep_least=keep_least,
    )
    found = Largest(setting(model, sparsity, scope, keep_least)).masks()
    assert {k: v.tolist() for k, v in found.items()} == {k: v.tolist() for k, v in expected.items()}


@pytest.mark.parametrize("name", ALL)
def test_the_choice_is_over_prunable_weights_alone(name: str) -> None:
    """Large biases neither take a place among the k nor are pruned."""
    model = lab.linear([1, -2, 3, 0.5], bias=100.0)
    hooks = lab.method(name, model, 0.5)
    assert hooks.final_masks()["weight"].tolist() == [[False, True, True, False]]
    with hooks.evaluation():
        assert model.weight.tolist() == [[0, -2, 3, 0]]
        assert model.bias.tolist() == [100]


def test_gsm_keeps_the_gradient_of_the_most_salient() -> None:
    """|w g| = .5, .25, .75, 1, .75 and k = 3: of the tie at the edge the lower index goes."""
    model = lab.linear([1, -2.5, 3, 0.5, 0.25])
    hooks = lab.method("gsm", model, 0.4)
    model.weight.grad = torch.tensor([[0.5, 0.1, -0.25, 2.0, 3.0]])
    model.bias.grad = torch.tensor([0.001])
    hooks.on_gradients(0)
    assert model.weight.grad.tolist() == [[0, 0, -0.25, 2, 3]]
    assert model.bias.grad.tolist() == [pytest.approx(0.001)]
    model.weight.grad = torch.tensor([[0.75, 0.1, -0.25, 2.0, 3.0]])
    hooks.on_gradients(1)
    assert model.weight.grad.tolist() == [[0, 0, -0.25, 2, 3]]
    model.weight.grad = torch.tensor([[0.76, 0.1, -0.25, 2.0, 3.0]])
    hooks.on_gradients(2)
    assert model.weight.grad.tolist() == [[pytest.approx(0.76), 0, 0, 2, 3]]


def test_gsm_lets_the_others_only_decay() -> None:
    model = lab.linear([1, -2.5, 3, 0.5, 0.25])
    hooks = lab.method("gsm", model, 0.4)
    sgd = lab.optimiser(model, hooks, lr=0.5)
    model.weight.grad = torch.tensor([[0.5, 0.1, -0.25, 2.0, 3.0]])
    hooks.on_gradients(0)
    sgd.step()  # w - .5 (g + .1 w)
    expected = torch.tensor([[0.95, -2.375, 3 * 0.95 + 0.125, 0.475 - 1, 0.2375 - 1.5]])
    torch.testing.assert_close(model.weight.detach(), expected)


def test_lc_cancels_weight_decay_on_the_k_largest() -> None:
    model = lab.linear([1, -2, 3, 0.5, -1], bias=2.0)
    hooks = lab.method("lc", model, 0.4)  # k = 3: the tie at the edge keeps the higher index
    sgd = lab.optimiser(model, hooks, lr=0.5)
    model.weight.grad = torch.tensor([[0.2, 0.0, -0.4, 1.0, 0.0]])
    model.bias.grad = torch.tensor([0.0])
    hooks.on_gradients(0)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[0.2, 0.2, -0.4 - 0.3, 1.0, 0.1]]))
    sgd.step()
    expected = torch.tensor([[0.95 - 0.1, -2, 3.2, 0.475 - 0.5, -1]])
    torch.testing.assert_close(model.weight.detach(), expected)
    torch.testing.assert_close(model.bias.detach(), torch.tensor([1.9]))


def test_lc_cancels_the_decay_of_each_weights_own_group() -> None:
    model = torch.nn.Sequential(lab.linear([3, 0.5]), lab.linear([2]))
    hooks = lab.method("lc", model, 0.34)  # k = 2 of 3: the weights 3 and 2
    groups = [
        {"params": [p for name, p in model.named_parameters() if name != "1.weight"]},
        {"params": [model[1].weight], "weight_decay": 0.4},
    ]
    hooks.bind(torch.optim.SGD(groups, lr=0.5, weight_decay=0.1))
    model[0].weight.grad = torch.tensor([[1.0, 1.0]])
    model[1].weight.grad = torch.tensor([[1.0]])
    hooks.on_gradients(0)
    torch.testing.assert_close(model[0].weight.grad, torch.tensor([[1 - 0.3, 1.0]]))
    torch.testing.assert_close(model[1].weight.grad, torch.tensor([[1 - 0.8]]))


def test_dnw_passes_the_gradient_straight_through() -> None:
    """The same gradient, to the bit, as plain training at the masked weights, for all weights."""
    model, twin = lab.network(), lab.network()
    hooks = lab.method("dnw", model, 0.7)
    masks = hooks.final_masks()
    before = lab.weights_of(model)
    lab.step(hooks, model)
    with torch.no_grad():
        for name, parameter in twin.named_parameters():
            if name in masks:
                parameter.mul_(masks[name])
    inputs, labels = lab.batch()
    lab.backward(nn.functional.cross_entropy(twin(inputs), labels))
    wanted = dict(twin.named_parameters())
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter.grad, wanted[name].grad)
        if name in masks:
            assert torch.equal(parameter, before[name])
            assert bool(parameter.grad[~masks[name]].any())


def test_dnw_lets_an_edge_enter_when_it_has_grown() -> None:
    model = lab.linear([1, -2, 3, 0.5])
    hooks = lab.method("dnw", model, 0.5)
    hooks.before_forward(0)
    assert model.weight.tolist() == [[0, -2, 3, 0]]
    hooks.on_gradients(0)
    with torch.no_grad():
        model.weight[0, 3] = -2.5
    hooks.before_forward(1)
    assert model.weight.tolist() == [[0, 0, 3, -2.5]]


def test_a_weight_that_the_forward_does_not_use_has_no_saliency() -> None:
    model = nn.ModuleDict({"used": lab.linear([1, 2]), "unused": lab.linear([5, 5])})
    for name in ALL:
        hooks = lab.method(name, model, 0.5)
        hooks.before_forward(0)
        model["used"](torch.ones(1, 2)).sum().backward()
        hooks.on_gradients(0)
        assert model["unused"].weight.grad is None
