"""GMP and DPF: when they prune, how much, and what becomes of weights behind the mask."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.methods import lab
from trainables.pruning.masks import count_zeros
from trainables.pruning.prunable import prunable

BOTH = ["gmp", "dpf"]
ALL = [("gmp", {}), ("gmp", {"recover": True}), ("dpf", {})]


def set_weights(layer: nn.Linear, values: list[float]) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([values]))


def kept(hooks: Any) -> list[bool]:
    return list(hooks.final_masks()["weight"].flatten().tolist())


@pytest.mark.parametrize(("name", "own"), ALL)
def test_the_sparsity_of_every_prune_over_200_epochs(name: str, own: dict[str, Any]) -> None:
    """S = .9, D = 20: nine prunes, the last at epoch 180; n = 1000, so thousandths are exact."""
    model = nn.Linear(100, 10)
    hooks = lab.method(name, model, 0.9, steps=400, steps_per_epoch=2, interval=20, **own)
    sparsities = []
    for epoch in range(1, 201):
        hooks.at_epoch_end(epoch)
        sparsities.append(count_zeros(hooks.final_masks()) / 1000)
    series = [0.268, 0.477, 0.633, 0.746, 0.821, 0.867, 0.89, 0.899, 0.9]
    assert sparsities[19:180:20] == series
    assert sparsities[18:179:20] == [0, *series[:-1]]
    assert sparsities[199] == 0.9


# Four epochs, D = 1, S = .5 of four weights: round(4 x .352), round(4 x .481), 2 zeros.
FOUR = {"steps": 16, "steps_per_epoch": 4, "interval": 1}


def test_gmp_without_recovery_prunes_only_what_is_alive() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("gmp", model, **FOUR)
    hooks.at_epoch_end(1)
    assert kept(hooks) == [True, True, True, False]
    assert model.weight.tolist() == [[4, 3, 2, 0]]
    set_weights(model, [0.5, 3, 2, 0])
    hooks.at_epoch_end(2)
    assert kept(hooks) == [False, True, True, False]
    set_weights(model, [0, 0.1, 0.2, 0])
    hooks.at_epoch_end(3)
    assert kept(hooks) == [False, True, True, False]
    hooks.at_epoch_end(4)
    assert kept(hooks) == [False, True, True, False]


def test_gmp_with_recovery_ranks_the_dense_copy_anew() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("gmp", model, recover=True, **FOUR)
    hooks.at_epoch_end(1)
    assert kept(hooks) == [True, True, True, False]
    assert model.weight.tolist() == [[4, 3, 2, -1]]
    set_weights(model, [0.5, 3, 2, -1])
    hooks.at_epoch_end(2)
    assert kept(hooks) == [False, True, True, False]
    set_weights(model, [0.5, 0.6, 0.4, -1])
    hooks.at_epoch_end(3)
    assert kept(hooks) == [False, True, False, True]


def forward_and_gradient(hooks: Any, model: nn.Linear, number: int) -> tuple[Tensor, Tensor]:
    """The weights that the forward used, and the gradient of w . (1, 2, 3, 4) that is learnt."""
    model.zero_grad()
    hooks.before_forward(number)
    used = model.weight.detach().clone()
    model(torch.tensor([[1.0, 2.0, 3.0, 4.0]])).sum().backward()
    hooks.on_gradients(number)
    assert model.weight.grad is not None
    return used, model.weight.grad.clone()


def test_recovery_uses_masked_weights_and_only_decays_them() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("gmp", model, recover=True, **FOUR)
    sgd = lab.optimiser(model, hooks, lr=0.5)
    hooks.at_epoch_end(1)
    used, gradient = forward_and_gradient(hooks, model, 4)
    assert used.tolist() == [[4, 3, 2, 0]]
    assert model.weight.tolist() == [[4, 3, 2, -1]]
    assert gradient.tolist() == [[1, 2, 3, 0]]
    sgd.step()  # w - .5 (g + .1 w)
    expected = torch.tensor([[4 - 0.7, 3 - 1.15, 2 - 1.6, -1 + 0.05]])
    torch.testing.assert_close(model.weight.detach(), expected)


def test_without_recovery_pruned_weights_stay_exactly_zero() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("gmp", model, **FOUR)
    sgd = lab.optimiser(model, hooks, lr=0.5, momentum=0.9, nesterov=True)
    hooks.bind(sgd)
    for number in range(3):
        forward_and_gradient(hooks, model, number)
        sgd.step()
    hooks.at_epoch_end(1)
    dead = [not alive for alive in kept(hooks)]
    for number in range(4, 7):
        used, gradient = forward_and_gradient(hooks, model, number)
        sgd.step()
        assert used[0, dead].tolist() == gradient[0, dead].tolist() == [0.0]
    assert model.weight[0, dead].tolist() == [0.0]


def test_dpf_gives_every_weight_the_gradient_at_the_masked_ones() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("dpf", model, **FOUR)
    hooks.at_epoch_end(1)
    used, gradient = forward_and_gradient(hooks, model, 4)
    assert used.tolist() == [[4, 3, 2, 0]]
    assert model.weight.tolist() == [[4, 3, 2, -1]]
    assert gradient.tolist() == [[1, 2, 3, 4]]


def test_dpf_chooses_its_mask_anew_every_sixteen_steps_at_the_same_level() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("dpf", model, steps=160, steps_per_epoch=40, interval=1)
    hooks.at_epoch_end(1)  # 40 steps done
    set_weights(model, [0.5, 3, 2, -1])
    masks = {}
    for number in range(40, 66):
        forward_and_gradient(hooks, model, number)
        masks[number] = kept(hooks)
        if number == 50:
            set_weights(model, [4, 3, 2, -5])
        if number == 60:
            set_weights(model, [4, 0.1, 2, -5])
    assert masks[40] == masks[47] == [True, True, True, False]
    assert masks[48] == masks[63] == [False, True, True, True]
    assert masks[64] == masks[65] == [True, False, True, True]


def test_nothing_is_masked_before_the_first_prune() -> None:
    for name, own in ALL:
        model = lab.linear([4, 3, 2, -1])
        hooks = lab.method(name, model, **own, **FOUR)
        used, gradient = forward_and_gradient(hooks, model, 0)
        assert used.tolist() == model.weight.tolist() == [[4, 3, 2, -1]]
        assert gradient.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(("name", "own"), ALL)
def test_a_prune_forgets_the_momentum_of_what_it_masks(name: str, own: dict[str, Any]) -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method(name, model, **own, **FOUR)
    sgd = lab.optimiser(model, hooks, lr=0.0, momentum=0.9)
    hooks.bind(sgd)
    forward_and_gradient(hooks, model, 0)
    sgd.step()
    before = sgd.state[model.weight]["momentum_buffer"].clone()
    assert bool(before.all())
    hooks.at_epoch_end(1)
    after = sgd.state[model.weight]["momentum_buffer"]
    assert after.tolist() == [[*before[0, :3].tolist(), 0]]
    assert bool(sgd.state[model.bias]["momentum_buffer"].all())


def test_dpf_keeps_momentum_when_it_only_chooses_anew() -> None:
    model = lab.linear([4, 3, 2, -1])
    hooks = lab.method("dpf", model, **FOUR)
    sgd = lab.optimiser(model, hooks, lr=0.0, momentum=0.9)
    hooks.bind(sgd)
    hooks.at_epoch_end(1)
    forward_and_gradient(hooks, model, 4)
    sgd.step()
    set_weights(model, [0.5, 3, 2, -1])
    hooks.before_forward(16)
    hooks.on_gradients(16)
    assert kept(hooks) == [False, True, True, True]
    assert bool(sgd.state[model.weight]["momentum_buffer"].all())


def masked_filter_gradients(**own: Any) -> tuple[Any, dict[str, Tensor]]:
    """Half of the weights masked, filter 2 of the first layer whole; all gradients of one step."""
    model = lab.network()
    with torch.no_grad():
        model[0].weight[2] *= 1e-3
        model[1].bias.fill_(0.1)  # what is constant passes the ReLU
    hooks = lab.method("dpf", model, 0.5, steps=16, steps_per_epoch=4, interval=1, **own)
    for epoch in range(1, 5):
        hooks.at_epoch_end(epoch)
    lab.step(hooks, model, 17)
    gradients = {name: p.grad.clone() for name, p in model.named_parameters()}
    return hooks.final_masks(), gradients


@pytest.mark.parametrize("structure", ["weights", "rows"])
def test_the_guard_denies_only_whole_filters_their_gradient(structure: str) -> None:
    masks, guarded = masked_filter_gradients(structure=structure)
    same, free = masked_filter_gradients(structure=structure, guard=False)
    assert all(torch.equal(masks[name], same[name]) for name in masks)
    empty = {name: ~mask.flatten(1).any(1) for name, mask in masks.items()}
    assert empty["0.weight"].tolist()[2]
    for name, gradient in guarded.items():
        gone = empty.get(name, torch.zeros(len(gradient), dtype=torch.bool))
        assert not gradient[gone].any()
        assert torch.equal(gradient[~gone], free[name][~gone])
    # Feedback reaches masked weights of filters in use.
    in_use = ~empty["0.weight"]
    behind = guarded["0.weight"][in_use][~masks["0.weight"][in_use]]
    assert bool(behind.all())
    assert (len(behind) > 0) == (structure == "weights")
    # 1 / sqrt(1e-5) = 316 stands where others have 1 / standard deviation.
    largest = free["0.weight"].flatten(1).norm(dim=1)
    assert structure == "rows" or largest[2] > 20 * largest[in_use].max()


def test_the_guard_knows_the_filters_of_a_transposed_convolution() -> None:
    model: Any = nn.Sequential(
        nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Flatten(), nn.Linear(96, 3)
    )
    with torch.no_grad():
        model[0].weight[2:, 1] *= 1e-6  # output 1 of group 1
    hooks = lab.method("dpf", model, 0.1, steps=16, steps_per_epoch=4, interval=1)
    for epoch in range(1, 5):
        hooks.at_epoch_end(epoch)
    lab.step(hooks, model, 17, torch.randn(5, 4, 2, 2), lab.batch()[1])
    gradient = model[0].weight.grad
    assert not gradient[2:, 1].any()
    assert bool(gradient[:2].any())
    assert bool(gradient[2:, [0, 2]].any())


def test_the_guard_takes_no_single_entry_for_a_filter() -> None:
    model = lab.linear([4, 3, 2, -1], bias=0.5)
    hooks = lab.method("dpf", model, chosen=prunable(model, lambda *_: True), **FOUR)
    hooks.at_epoch_end(1)
    assert hooks.final_masks()["bias"].tolist() == [False]
    forward_and_gradient(hooks, model, 4)
    assert model.bias.grad is not None
    assert model.bias.grad.tolist() == [1]


def test_a_filter_under_guard_returns_when_those_in_use_have_shrunk() -> None:
    model: Any = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[4.0, 3.0], [0.2, 0.1]]))
        model[1].weight.copy_(torch.tensor([[5.0, 5.0]]))
    hooks = lab.method("dpf", model, 0.34, steps=160, steps_per_epoch=40, interval=1)
    hooks.at_epoch_end(3)
    assert hooks.final_masks()["0.weight"].tolist() == [[True, True], [False, False]]
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[0.1, 3.0], [0.2, 0.05]]))
    hooks.before_forward(128)
    hooks.on_gradients(128)
    assert hooks.final_masks()["0.weight"].tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(("name", "own"), ALL)
def test_filters_go_with_their_bias_and_affine(name: str, own: dict[str, Any]) -> None:
    model = lab.network()
    with torch.no_grad():
        model[0].weight[2] *= 1e-3  # the least filter of all
        model[0].bias.fill_(1.0)
    hooks = lab.method(
        name, model, 0.2, structure="filters", steps=16, steps_per_epoch=4, interval=1, **own
    )
    for epoch in range(1, 5):
        hooks.at_epoch_end(epoch)
    assert count_zeros(hooks.final_masks()) == 18 + 8 + 8  # 0.2 n is 38.4: no more fit
    assert not hooks.final_masks()["0.weight"][2].any()
    assert bool(hooks.final_masks()["5.weight"].all())
    with hooks.evaluation():
        for parameter in (model[0].weight, model[0].bias, model[1].weight, model[1].bias):
            assert not parameter[2].any()
        assert model[0].bias[0] == 1
    lab.step(hooks, model, 16)
    gone = ~hooks.final_masks()["3.weight"].flatten(1).any(1)
    assert int(gone.sum()) == 2
    assert bool(model[3].weight.grad[~gone].any())
    # Behind a ReLU a filter that emits zero gets no gradient; that of the second layer has none.
    assert not model[0].weight.grad[2].any()
    assert bool(model[3].weight.grad[gone].any()) == (name == "dpf")


def test_the_norm_of_filters_is_the_one_asked_for() -> None:
    """Filter 0 is (3, 0): l1 3, l2 3; filter 1 is (2, 2): l1 4, l2 2.8."""
    for norm, gone in (("l1", 0), ("l2", 1)):
        model: Any = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        with torch.no_grad():
            model[0].weight.copy_(torch.tensor([[3.0, 0.0], [2.0, 2.0]]))
        hooks = lab.method("gmp", model, 0.4, structure="filters", filter_norm=norm, interval=1)
        for epoch in range(1, 9):
            hooks.at_epoch_end(epoch)
        assert [not row.any() for row in hooks.final_masks()["0.weight"]].index(True) == gone
