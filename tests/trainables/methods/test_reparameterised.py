"""STR, CS and DST: forward and gradients against autograd on the formula written out."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from tests.trainables.methods import lab
from trainables.methods.dst import surrogate
from trainables.pruning.masks import count_zeros

Leaves = dict[str, Tensor]


class StepWithSurrogate(torch.autograd.Function):
    """[x > 0] forward; backward the piecewise derivative of Liu et al. 2020."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        slope = torch.zeros_like(x)
        slope[x.abs() <= 1] = 0.4
        near = x.abs() <= 0.4
        slope[near] = 2 - 4 * x.abs()[near]
        return gradient * slope


def leaves(tensors: dict[str, Any]) -> Leaves:
    return {name: t.detach().clone().requires_grad_() for name, t in tensors.items()}


def loss_at(model: nn.Module, weights: Leaves) -> Tensor:
    inputs, labels = lab.batch()
    return nn.functional.cross_entropy(functional_call(model, weights, (inputs,)), labels)


def assert_equal_gradients(model: nn.Module, hooks: Any, weights: Leaves, extras: Leaves) -> None:
    """The method's gradients are those that autograd left on the leaves."""
    parameters = dict(model.named_parameters())
    for name, leaf in weights.items():
        torch.testing.assert_close(parameters[name].grad, leaf.grad, msg=name)
    own = hooks.extra_parameters().named
    assert own.keys() == extras.keys()
    for name, leaf in extras.items():
        torch.testing.assert_close(own[name].grad, leaf.grad, msg=name)


def others(model: nn.Module, weights: Leaves) -> dict[str, Tensor]:
    """The parameters that are not prunable: their gradients flow as ever."""
    return {k: p for k, p in model.named_parameters() if k not in weights}


def test_str_against_autograd() -> None:
    model = lab.network()
    hooks = lab.method("str", model, s_initial=-2.0)
    with torch.no_grad():
        hooks.theta.copy_(torch.tensor([-2.0, -1.0, -3.0]))
    weights, extras = leaves(lab.weights_of(model)), leaves({"theta": hooks.theta})
    effective = {
        name: torch.sign(w) * torch.relu(w.abs() - torch.sigmoid(extras["theta"][at]))
        for at, (name, w) in enumerate(weights.items())
    }
    expected = loss_at(model, effective)
    lab.backward(expected)
    torch.testing.assert_close(lab.step(hooks, model), expected.detach())
    assert_equal_gradients(model, hooks, weights, extras)
    shares = [1 - count_zeros({n: m}) / m.numel() for n, m in hooks.final_masks().items()]
    assert all(0.1 < share < 0.9 for share in shares)  # both sides of every threshold are met


@pytest.mark.parametrize("number", [0, 8, 31])
def test_cs_against_autograd(number: int) -> None:
    model = lab.network()
    hooks = lab.method("cs", model, s_initial=-0.1, beta_final=50.0, penalty=0.02)
    m = hooks.extra_parameters().named
    with torch.no_grad():
        for value in m.values():
            value += 0.1 * torch.randn_like(value)
    weights, extras = leaves(lab.weights_of(model)), leaves(m)
    beta = 50.0 ** (number / 32)
    gates = {name: torch.sigmoid(beta * extras[f"m.{name}"]) for name in weights}
    scale = torch.sigmoid(torch.tensor(-0.1))
    effective = {name: w * gates[name] / scale for name, w in weights.items()}
    plain = loss_at(model, effective)
    penalty = torch.stack([gate.sum() for gate in gates.values()]).sum()
    lab.backward(plain + 0.02 * penalty)
    torch.testing.assert_close(lab.step(hooks, model, number), plain.detach())
    assert_equal_gradients(model, hooks, weights, extras)


def test_cs_starts_at_the_plain_network_and_ends_hard() -> None:
    model = lab.network()
    hooks = lab.method("cs", model, s_initial=-0.3)
    before = lab.weights_of(model)
    hooks.before_forward(0)
    for name, weight in lab.weights_of(model).items():
        torch.testing.assert_close(weight, before[name])
    hooks.on_gradients(0)
    m = hooks.extra_parameters().named["m.0.weight"]
    with torch.no_grad():
        m.view(-1)[:3] = torch.tensor([1e-4, 0.0, -1e-4])
    assert hooks.final_masks()["0.weight"].flatten()[:4].tolist() == [True, False, False, False]
    with hooks.evaluation():
        held = model[0].weight.detach().flatten().clone()
    # 1 / sigmoid(-.3) = 1 + e^.3
    assert held[0].item() == pytest.approx(before["0.weight"].flatten()[0].item() * 2.3498588)
    assert not held[1:].any()


def test_dst_against_autograd() -> None:
    model = lab.network()
    hooks = lab.method("dst", model, penalty=0.05)
    own = hooks.extra_parameters().named
    with torch.no_grad():
        model[3].weight.mul_(5)  # margins beyond 1 and between .4 and 1 occur too
        for value in own.values():
            value += 0.1 + 0.1 * torch.rand_like(value)
    weights, extras = leaves(lab.weights_of(model)), leaves(own)
    effective, penalty = {}, torch.zeros(())
    for name, w in weights.items():
        theta = extras[f"threshold.{name}"]
        rows = theta.view(-1, *[1] * (w.dim() - 1))
        effective[name] = w * StepWithSurrogate.apply(w.abs() - rows)
        penalty = penalty + torch.exp(-theta).sum()
    plain = loss_at(model, effective)
    lab.backward(plain + 0.05 * penalty)
    torch.testing.assert_close(lab.step(hooks, model), plain.detach())
    assert_equal_gradients(model, hooks, weights, extras)
    margins = torch.cat([(w.abs()).flatten() for w in weights.values()])
    assert bool((margins > 1.2).any())


def test_dst_has_a_threshold_for_every_output_of_a_transposed_convolution() -> None:
    model = nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Flatten(), nn.LazyLinear(3))
    inputs, labels = torch.randn(5, 4, 2, 2), lab.batch()[1]
    model(inputs)
    hooks = lab.method("dst", model)
    theta = hooks.extra_parameters().named["threshold.0.weight"]
    assert theta.shape == (6,)
    with torch.no_grad():
        theta[4] = 10.0  # output 1 of group 1: every weight [2:, 1]
    masks = hooks.final_masks()["0.weight"]
    assert not masks[2:, 1].any()
    assert bool(masks[:2].all())
    assert bool(masks[2:, [0, 2]].all())
    lab.step(hooks, model, x=inputs, y=labels)
    assert theta.grad is not None
    assert theta.grad[4] == pytest.approx(-3e-3 * 4.539993e-05)  # all weights 9 below: no surrogate


def stepped(hooks: Any, model: nn.Linear) -> None:
    """One step of rate 1 on w . (1, 2), with decay .1 on the weights."""
    sgd = lab.optimiser(model, hooks)
    model.zero_grad()
    hooks.before_forward(0)
    lab.backward(model(torch.tensor([[1.0, 2.0]])).sum())
    hooks.on_gradients(0)
    sgd.step()


@pytest.mark.parametrize(("own", "decay"), [({}, 0.1), ({"threshold_decay": 0.3}, 0.3),
                                            ({"threshold_decay": 0.0}, 0.0)])  # fmt: skip
def test_a_step_of_str_with_a_decay_of_its_own(own: dict[str, float], decay: float) -> None:
    """theta = -ln 3, so s = .25 and s (1 - s) = .1875; g sign(w) sums to 1 - 2."""
    model = lab.linear([1.0, -2.0])
    theta = -1.0986123
    hooks = lab.method("str", model, s_initial=theta, **own)
    stepped(hooks, model)
    assert hooks.theta.item() == pytest.approx(theta - (0.1875 + decay * theta))
    assert model.weight.flatten().tolist() == pytest.approx([1 - 1.1, -2 - 1.8])


@pytest.mark.parametrize(("own", "decay"), [({}, 0.0), ({"threshold_decay": 0.3}, 0.3)])
def test_a_step_of_dst_with_a_decay_of_its_own(own: dict[str, float], decay: float) -> None:
    """theta = .5: margins .5 and 1.5, surrogates .4 and 0; the penalty pulls by alpha e^-.5."""
    model = lab.linear([1.0, -2.0])
    hooks = lab.method("dst", model, penalty=0.01, **own)
    (theta,) = hooks.thresholds
    with torch.no_grad():
        theta.fill_(0.5)
    stepped(hooks, model)
    pull = -0.4 - 0.01 * 0.60653066
    assert theta.item() == pytest.approx(0.5 - (pull + decay * 0.5))
    # dw = g ([Q > 0] + |w| h(Q)) and the weights' own decay.
    assert model.weight.flatten().tolist() == pytest.approx([1 - (1.4 + 0.1), -2 - (2.0 - 0.2)])


@given(x=st.floats(-2, 2))
def test_the_surrogate_at(x: float) -> None:
    (found,) = surrogate([torch.tensor([x], dtype=torch.float64)])
    expected = 2 - 4 * abs(x) if abs(x) <= 0.4 else 0.4 if abs(x) <= 1 else 0.0
    assert found.item() == pytest.approx(expected, abs=1e-12)


def test_the_surrogate_at_its_corners() -> None:
    (found,) = surrogate([torch.tensor([0.0, -0.25, 0.4, 0.41, -1.0, 1.0001])])
    assert found.tolist() == pytest.approx([2.0, 1.0, 0.4, 0.4, 0.4, 0.0])


@pytest.mark.parametrize(("n_kept", "starved"), [(2, True), (3, False)])
def test_dst_resets_a_layer_that_keeps_at_most_one_per_cent(n_kept: int, starved: bool) -> None:
    model: Any = nn.Sequential(nn.Linear(100, 2), nn.Linear(2, 3))
    hooks = lab.method("dst", model)
    first, second = hooks.thresholds
    with torch.no_grad():
        model[0].weight.fill_(0.1)
        model[0].weight.view(-1)[:n_kept] = 1.0  # of 200
        first.fill_(0.5)
        second.fill_(0.001)
    hooks.after_step(0)
    assert first.tolist() == ([0.0, 0.0] if starved else [0.5, 0.5])
    assert second.tolist() == pytest.approx([0.001] * 3)


def test_str_is_driven_by_the_decay_of_theta() -> None:
    """Without a gradient theta goes from -4 to -4 (1 - .1)^2, and the threshold up with it."""
    model = lab.linear([0.02, 0.03, 0.5, -0.5])
    hooks = lab.method("str", model, s_initial=-4.0)
    assert hooks.final_masks()["weight"].tolist() == [[True, True, True, True]]
    sgd = torch.optim.SGD([{"params": [hooks.theta]}], lr=1.0, weight_decay=0.1)
    for _ in range(2):
        hooks.theta.grad = torch.zeros(1)
        sgd.step()
    assert hooks.theta.item() == pytest.approx(-3.24)  # sigmoid(-3.24) = .0377
    assert hooks.final_masks()["weight"].tolist() == [[False, False, True, True]]
    with hooks.evaluation():
        assert model.weight.flatten().tolist() == pytest.approx([0, 0, 0.46232, -0.46232], abs=1e-5)
