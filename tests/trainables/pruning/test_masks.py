"""Pruning of single weights: tables by hand, a naive ranking, torch's own pruning, exact zeros."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.utils import prune as torch_prune

from trainables.formulas.sparsity import layer_zeros
from trainables.formulas.structures import Structure
from trainables.pruning.choices import CRITERIA, SCOPES
from trainables.pruning.lowest import lowest
from trainables.pruning.masks import (
    Masks,
    apply_,
    asked_and_reached,
    count_zeros,
    dense_masks,
    float_masks,
    mask_gradients_,
    mask_momentum_,
)
from trainables.pruning.prunable import prunable
from trainables.pruning.ranking import prune

WEIGHTS = {"structure": "weights", "scope": "global", "criterion": "magnitude"}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_chain(*weights: list[list[float]]) -> nn.Sequential:
    """Linear layers without bias that hold the given weights."""
    layers = []
    for rows in weights:
        values = torch.tensor(rows)
        layer = nn.Linear(values.shape[1], values.shape[0], bias=False)
        layer.weight.data.copy_(values)
        layers.append(layer)
    return nn.Sequential(*layers)


def bits(masks: Masks) -> list[list[int]]:
    return [mask.flatten().int().tolist() for mask in masks.values()]


def test_dense_masks_keep_everything():
    model = linear_chain([[0.0, 1.0]])
    masks = dense_masks(model)
    assert bits(masks) == [[1, 1]]
    assert masks["0.weight"].dtype == torch.bool
    assert masks["0.weight"].shape == (1, 2)


# --- which weights go ---

# Magnitudes 3 1 2 2 | 2 5 1 0: in order of magnitude, ties by index:
# second 3, first 1, second 2, first 2, first 3, second 0, first 0, second 1.
TIED = ([[3.0, -1.0], [-2.0, 2.0]], [[2.0, -5.0], [1.0, 0.0]])
GLOBAL_TABLE = [
    (0, [[1, 1, 1, 1], [1, 1, 1, 1]]),
    (1, [[1, 1, 1, 1], [1, 1, 1, 0]]),
    (2, [[1, 0, 1, 1], [1, 1, 1, 0]]),
    (3, [[1, 0, 1, 1], [1, 1, 0, 0]]),
    (4, [[1, 0, 0, 1], [1, 1, 0, 0]]),
    (5, [[1, 0, 0, 0], [1, 1, 0, 0]]),
    (6, [[1, 0, 0, 0], [0, 1, 0, 0]]),
    (7, [[0, 0, 0, 0], [0, 1, 0, 0]]),
    (8, [[0, 0, 0, 0], [0, 0, 0, 0]]),
]
LAYER_TABLE = [
    (1, [[1, 0, 1, 1], [1, 1, 1, 1]]),  # half a weight each: the first layer has it
    (2, [[1, 0, 1, 1], [1, 1, 1, 0]]),
    (3, [[1, 0, 0, 1], [1, 1, 1, 0]]),
    (4, [[1, 0, 0, 1], [1, 1, 0, 0]]),
    (6, [[1, 0, 0, 0], [0, 1, 0, 0]]),
    (7, [[0, 0, 0, 0], [0, 1, 0, 0]]),
]


@pytest.mark.parametrize(("zeros", "expected"), GLOBAL_TABLE)
def test_global_magnitude_with_ties(zeros, expected):
    model = linear_chain(*TIED)
    assert bits(prune(model, dense_masks(model), zeros=zeros, **WEIGHTS)) == expected


@pytest.mark.parametrize(("zeros", "expected"), LAYER_TABLE)
def test_magnitude_by_layer_with_ties(zeros, expected):
    model = linear_chain(*TIED)
    choice = {**WEIGHTS, "scope": "layer"}
    assert bits(prune(model, dense_masks(model), zeros=zeros, **choice)) == expected


def test_pruned_weights_count_and_never_return_even_if_large():
    model = linear_chain(*TIED)
    masks = dense_masks(model)
    masks["1.weight"][0, 1] = False  # the weight of 5 was pruned before; the model still holds it
    pruned = prune(model, masks, zeros=3, **WEIGHTS)
    assert bits(pruned) == [[1, 0, 1, 1], [1, 0, 1, 0]]
    assert bits(prune(model, masks, zeros=1, **WEIGHTS)) == bits(masks)


def test_inputs_are_left_alone():
    model = linear_chain(*TIED)
    before, masks = [p.clone() for p in model.parameters()], dense_masks(model)
    pruned = prune(model, masks, zeros=5, **WEIGHTS)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    prune(model, masks, zeros=0, **WEIGHTS)["0.weight"][0, 0] = False
    assert bits(masks) == bits(dense_masks(model))
    assert pruned["0.weight"].untyped_storage().nbytes() == 4


def naive(weights: list[Tensor], dead: list[Tensor], zeros: int) -> list[list[int]]:
    """Sort all entries by (alive, magnitude, index) and take the first `zeros`."""
    flat = torch.cat([w.flatten() for w in weights]).tolist()
    gone = torch.cat([d.flatten() for d in dead]).tolist()
    order = sorted(range(len(flat)), key=lambda i: (not gone[i], abs(flat[i]), i))
    kept = torch.ones(len(flat), dtype=torch.int)
    kept[order[:zeros]] = 0
    return [part.tolist() for part in kept.split([w.numel() for w in weights])]


@settings(deadline=None)
@given(st.data())
def test_exact_counts_and_order_for_many_ties(data):
    shapes = data.draw(st.lists(st.tuples(*[st.integers(1, 4)] * 2), min_size=1, max_size=4))
    draws = generator(data.draw(st.integers(0, 1000)))
    model = linear_chain(*[torch.randint(-2, 3, s, generator=draws).tolist() for s in shapes])
    model = model.double() if data.draw(st.booleans()) else model
    masks = {k: torch.rand(m.shape, generator=draws) > 0.3 for k, m in dense_masks(model).items()}
    sizes = [m.numel() for m in masks.values()]
    dead = [m.numel() - int(m.sum()) for m in masks.values()]
    zeros = data.draw(st.integers(sum(dead), sum(sizes)))
    weights = list(prunable(model).values())

    pruned = prune(model, masks, zeros=zeros, **WEIGHTS)
    assert count_zeros(pruned) == zeros
    assert bits(pruned) == naive(weights, [~m for m in masks.values()], zeros)

    by_layer = prune(model, masks, zeros=zeros, **{**WEIGHTS, "scope": "layer"})
    shares = layer_zeros(sizes, dead, zeros)
    assert bits(by_layer) == [
        naive([w], [~m], share)[0]
        for w, m, share in zip(weights, masks.values(), shares, strict=True)
    ]

    at_random = prune(
        model, masks, zeros=zeros, generator=draws, **{**WEIGHTS, "criterion": "random"}
    )
    assert count_zeros(at_random) == zeros
    assert all(not bool((new & ~masks[k]).any()) for k, new in at_random.items())


@settings(deadline=None)
@given(st.lists(st.integers(-1, 3), min_size=1, max_size=40), st.data())
def test_the_lowest_scores_are_those_that_a_stable_sort_puts_first(values, data):
    count = data.draw(st.integers(0, len(values)))
    expected = torch.zeros(len(values), dtype=torch.bool)
    expected[sorted(range(len(values)), key=values.__getitem__)[:count]] = True
    for score in (torch.tensor(values), torch.tensor(values).float()):
        assert torch.equal(lowest(score, count), expected)


def small_net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, bias=False),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Conv2d(6, 4, 3, groups=2),
        nn.Flatten(),
        nn.Linear(4, 3),
    )


@pytest.mark.parametrize("zeros", [1, 50, 170, 219])
def test_one_cycle_equals_torchs_global_unstructured_pruning(zeros):
    model, other = small_net(), small_net()
    masks = prune(model, dense_masks(model), zeros=zeros, **WEIGHTS)
    chosen = [(other[i], "weight") for i in (0, 3, 5)]
    torch_prune.global_unstructured(chosen, pruning_method=torch_prune.L1Unstructured, amount=zeros)
    assert list(masks) == ["0.weight", "3.weight", "5.weight"]
    for mask, (layer, _) in zip(masks.values(), chosen, strict=True):
        assert torch.equal(mask, layer.weight_mask.bool())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_number_formats(dtype):
    model = linear_chain(*TIED).to(dtype)
    assert bits(prune(model, dense_masks(model), zeros=5, **WEIGHTS)) == GLOBAL_TABLE[5][1]


def test_memory_format_does_not_change_the_order():
    model = small_net()
    for parameter in model.parameters():
        parameter.data.round_(decimals=1)
    expected = prune(model, dense_masks(model), zeros=97, **WEIGHTS)
    model.to(memory_format=torch.channels_last)
    assert not model[0].weight.is_contiguous()
    found = prune(model, dense_masks(model), zeros=97, **WEIGHTS)
    assert bits(found) == bits(expected)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(
    "structure", ["weights", "filters", "rows", "columns", Structure("blocks", block=(1, 2))]
)
@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_devices_agree(structure, scope, criterion):
    model, choice = small_net(), {"structure": structure, "scope": scope, "criterion": criterion}
    expected = prune(model, dense_masks(model), zeros=97, generator=generator(), **choice)
    model.cuda()
    found = prune(model, dense_masks(model), zeros=97, generator=generator(), **choice)
    assert all(mask.is_cuda for mask in found.values())
    assert bits(found) == bits(expected)


# --- random ---


def test_random_pruning_is_a_function_of_the_generator():
    model, choice = small_net(), {**WEIGHTS, "criterion": "random", "zeros": 100}
    masks = dense_masks(model)
    first, again, other = (prune(model, masks, generator=generator(s), **choice) for s in (1, 1, 2))
    assert bits(first) == bits(again)
    assert bits(first) != bits(other)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_order_in_which_masks_were_stored_means_nothing(scope, criterion):
    model = linear_chain(*[[[1.0, 1.0, 1.0]]] * 3)
    masks = dense_masks(model)
    shuffled = {name: masks[name] for name in reversed(masks)}
    choice = {**WEIGHTS, "scope": scope, "criterion": criterion, "zeros": 4}
    first = prune(model, masks, generator=generator(1), **choice)
    again = prune(model, shuffled, generator=generator(1), **choice)
    assert {k: m.tolist() for k, m in first.items()} == {k: m.tolist() for k, m in again.items()}


@pytest.mark.parametrize("scope", SCOPES)
def test_random_pruning_is_uniform_over_what_is_alive(scope):
    model = linear_chain([[9.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    masks, draws = dense_masks(model), generator()
    masks["0.weight"][0, 2] = False
    counts = torch.zeros(6)
    for _ in range(2000):
        pruned = prune(
            model,
            masks,
            zeros=3,
            generator=draws,
            **{**WEIGHTS, "scope": scope, "criterion": "random"},
        )
        counts += ~pruned["0.weight"][0]
    assert counts[2] == 2000
    # Each of the other five goes with probability 2/5: 800 +- 22, four standard deviations.
    assert all(abs(c - 800) < 88 for i, c in enumerate(counts.tolist()) if i != 2)


# --- zeros stay zero ---


def test_apply_sets_plain_zeros_whatever_was_there():
    model = linear_chain([[-1.0, float("inf"), 2.0, float("nan")]])
    apply_(model, {"0.weight": torch.tensor([[False, False, True, False]])})
    assert model[0].weight.tolist() == [[0.0, 0.0, 2.0, 0.0]]
    assert not bool(torch.signbit(model[0].weight).any())


def test_float_masks_follow_dtype_and_strides():
    model = small_net().to(memory_format=torch.channels_last).double()
    masks = prune(model, dense_masks(model), zeros=97, **WEIGHTS)
    parameters, floats = float_masks(model, masks)
    assert all(p is q for p, q in zip(parameters, prunable(model).values(), strict=True))
    for parameter, value, mask in zip(parameters, floats, masks.values(), strict=True):
        assert value.dtype == torch.float64
        assert value.stride() == parameter.stride()
        assert not value.requires_grad
        assert torch.equal(value, mask.double())


def train(model: nn.Module, optimiser: torch.optim.Optimizer, masked: Any, steps: int) -> None:
    inputs = torch.randn(16, 2, 5, 5, generator=generator())
    labels = torch.arange(16) % 3
    for _ in range(steps):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(inputs), labels).backward()
        if masked is not None:
            mask_gradients_(*masked)
        optimiser.step()


def optimiser_of(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )


def test_masking_gradients_keeps_weights_and_momentum_exactly_zero():
    model = small_net()
    optimiser = optimiser_of(model)
    train(model, optimiser, None, 3)  # momentum is there before the prune
    masks = prune(model, dense_masks(model), zeros=180, **WEIGHTS)
    masked = float_masks(model, masks)
    apply_(model, masks)
    mask_momentum_(optimiser, *masked)
    train(model, optimiser, masked, 10)
    for name, weight in prunable(model).items():
        assert not weight[~masks[name]].any()
        assert not optimiser.state[weight]["momentum_buffer"][~masks[name]].any()
        assert bool(weight[masks[name]].all())


@pytest.mark.parametrize("forgotten", ["gradients", "momentum"])
def test_each_of_the_maskings_is_needed(forgotten):
    model = small_net()
    optimiser = optimiser_of(model)
    train(model, optimiser, None, 3)
    masks = prune(model, dense_masks(model), zeros=180, **WEIGHTS)
    masked = float_masks(model, masks)
    apply_(model, masks)
    if forgotten == "gradients":
        mask_momentum_(optimiser, *masked)
    train(model, optimiser, None if forgotten == "gradients" else masked, 1)
    assert any(weight[~masks[name]].any() for name, weight in prunable(model).items())


def test_gradients_that_are_missing_are_passed_over():
    model = linear_chain([[1.0, 2.0]], [[3.0]])
    masks = {"0.weight": torch.tensor([[True, False]]), "1.weight": torch.tensor([[False]])}
    parameters, floats = float_masks(model, masks)
    mask_gradients_(parameters, floats)
    assert all(p.grad is None for p in parameters)
    model[0].weight.grad = torch.tensor([[5.0, 6.0]])
    mask_gradients_(parameters, floats)
    assert model[0].weight.grad.tolist() == [[5.0, 0.0]]


def test_adams_memory_is_masked_and_its_step_count_is_not():
    model = linear_chain([[1.0, 2.0]])
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    masked = float_masks(model, {"0.weight": torch.tensor([[True, False]])})
    mask_momentum_(optimiser, *masked)
    state = optimiser.state[model[0].weight]
    assert [bool(x) for x in state["exp_avg"][0]] == [True, False]
    assert [bool(x) for x in state["exp_avg_sq"][0]] == [True, False]
    assert state["step"] == 1


# --- reports and refusals ---


def test_asked_and_reached():
    masks = {"a": torch.tensor([True, False]), "b": torch.tensor([True, True])}
    assert asked_and_reached(masks, 2) == (0.5, 0.25)


GOOD = {"zeros": 4, **WEIGHTS}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"structure": "tails"}, "structure must be one of weights, filters, n:m, .*got 'tails'"),
        ({"structure": "blocks"}, "structure blocks needs its size, got blocks with None"),
        ({"scope": "locale"}, "scope must be one of global, layer, got 'locale'"),
        ({"criterion": "taylor"}, "criterion must be one of magnitude, random, got 'taylor'"),
        ({"filter_norm": "l3"}, "filter_norm must be one of l1, l2, got 'l3'"),
        ({"zeros": -1}, r"zeros must be in \[0, 8\], .*, got -1"),
        ({"zeros": 9}, r"zeros must be in \[0, 8\], .*, got 9"),
        ({"criterion": "random"}, "criterion 'random' needs a generator of the CPU, got None"),
    ],
)
def test_prune_refusals(change, message):
    model = linear_chain(*TIED)
    with pytest.raises(ValueError, match=message):
        prune(model, dense_masks(model), **{**GOOD, **change})


def test_fewer_zeros_than_there_are_would_revive_and_are_refused():
    model = linear_chain(*TIED)
    masks = prune(model, dense_masks(model), zeros=4, **WEIGHTS)
    with pytest.raises(ValueError, match=r"zeros must be in \[4, 8\], .*, got 3"):
        prune(model, masks, zeros=3, **WEIGHTS)


def test_masks_of_another_model_are_refused():
    model = linear_chain(*TIED)
    masks = dense_masks(model)
    with pytest.raises(ValueError, match="masks must be those of"):
        prune(model, {"0.weight": masks["0.weight"]}, **GOOD)
    with pytest.raises(ValueError, match="masks must be those of"):
        prune(model, {**masks, "1.weight": torch.ones(4, dtype=torch.bool)}, **GOOD)
    with pytest.raises(ValueError, match="must have a convolution or linear layer"):
        prune(nn.BatchNorm1d(3), {}, **{**GOOD, "zeros": 0})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(value):
    model = linear_chain(*TIED)
    with torch.no_grad():
        model[1].weight[0, 0] = value
    with pytest.raises(ValueError, match=r"finite to be ranked, got NaN or infinity in 1\.weight"):
        prune(model, dense_masks(model), **GOOD)
