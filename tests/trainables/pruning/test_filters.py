"""Pruning of whole filters: tables by hand, what is reached, and that nothing is emitted."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from tests.trainables.pruning.test_layers import NETWORKS, SHAPE
from trainables.formulas.sparsity import zeros_after
from trainables.formulas.structures import KINDS
from trainables.pruning.choices import CRITERIA, SCOPES, UNIT_NORMS
from trainables.pruning.companions import filter_companions
from trainables.pruning.layers import classifier, filter_rows
from trainables.pruning.masks import (
    Masks,
    apply_,
    asked_and_reached,
    companion_masks,
    count_zeros,
    dense_masks,
    float_masks,
    mask_gradients_,
    mask_momentum_,
)
from trainables.pruning.prunable import prunable
from trainables.pruning.ranking import prune

FILTERS = {"structure": "filters", "scope": "global", "criterion": "magnitude"}


def chain() -> nn.Sequential:
    """Filters 0.0 to 0.3 of two weights, 1.0 and 1.1 of four, and a classifier of two weights.

    L1 norms 7 6 3 2 | 7.2 8 | and L2 norms 5 6 3 1.4 | 3.6 4.
    """
    weights = (
        [[3.0, -4.0], [6.0, 0.0], [0.0, -3.0], [1.0, 1.0]],
        [[1.8, 1.8, -1.8, 1.8], [2.0, 2.0, 2.0, -2.0]],
        [[0.1, 0.1]],
    )
    layers = [nn.Linear(len(rows[0]), len(rows), bias=False) for rows in weights]
    for layer, rows in zip(layers, weights, strict=True):
        layer.weight.data.copy_(torch.tensor(rows))
    return nn.Sequential(*layers)


def kept_filters(model: nn.Module, masks: Masks) -> list[list[int]]:
    """Which filters are whole; all others must be gone entirely."""
    rows = [filter_rows(layer, masks[name]) for name, layer in prunable(model).layers.items()]
    assert all(torch.equal(r.all(1), r.any(1)) for r in rows)
    return [r.all(1).int().tolist() for r in rows]


@pytest.mark.parametrize(
    ("filter_norm", "zeros", "reached", "expected"),
    [
        ("l1", 0, 0, [[1, 1, 1, 1], [1, 1], [1]]),
        ("l1", 1, 0, [[1, 1, 1, 1], [1, 1], [1]]),
        ("l1", 2, 2, [[1, 1, 1, 0], [1, 1], [1]]),
        ("l1", 4, 4, [[1, 1, 0, 0], [1, 1], [1]]),
        ("l1", 6, 6, [[1, 0, 0, 0], [1, 1], [1]]),
        ("l1", 9, 6, [[1, 0, 0, 0], [1, 1], [1]]),  # the next one, 1.0, has four weights
        ("l1", 10, 10, [[1, 0, 0, 0], [0, 1], [1]]),
        ("l1", 18, 10, [[1, 0, 0, 0], [0, 1], [1]]),  # one of each layer and the classifier stay
        ("l2", 4, 4, [[1, 1, 0, 0], [1, 1], [1]]),
        ("l2", 7, 4, [[1, 1, 0, 0], [1, 1], [1]]),  # 3.6 of 1.0 comes before 5 of 0.0
        ("l2", 8, 8, [[1, 1, 0, 0], [0, 1], [1]]),
        ("l2", 10, 10, [[0, 1, 0, 0], [0, 1], [1]]),
    ],
)
def test_global_order_by_norm(filter_norm, zeros, reached, expected):
    model = chain()
    masks = prune(model, dense_masks(model), zeros=zeros, filter_norm=filter_norm, **FILTERS)
    assert kept_filters(model, masks) == expected
    assert asked_and_reached(masks, zeros) == (zeros / 18, reached / 18)


@pytest.mark.parametrize(
    ("zeros", "reached", "expected"),
    [
        (2, 2, [[1, 1, 1, 0], [1, 1], [1]]),  # a quarter of the first layer
        (4, 4, [[1, 1, 0, 0], [1, 1], [1]]),  # half of it
        (7, 4, [[1, 1, 0, 0], [1, 1], [1]]),
        (8, 8, [[1, 1, 0, 0], [0, 1], [1]]),  # half of both
        (10, 10, [[1, 0, 0, 0], [0, 1], [1]]),
    ],
)
def test_by_layer_every_layer_gives_the_same_share(zeros, reached, expected):
    model = chain()
    choice = {**FILTERS, "scope": "layer", "filter_norm": "l1"}
    masks = prune(model, dense_masks(model), zeros=zeros, **choice)
    assert kept_filters(model, masks) == expected
    assert count_zeros(masks) == reached


def test_equal_norms_go_in_module_order():
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Linear(3, 3, bias=False), nn.Linear(3, 1))
    for layer in model:
        layer.weight.data.fill_(1.0)
    model[1].weight.data.mul_((2 / 3) ** 0.5)
    choice = {**FILTERS, "filter_norm": "l2", "scope": "layer"}
    masks = prune(model, dense_masks(model), zeros=5, **choice)
    assert kept_filters(model, masks) == [[0, 1, 1], [0, 1, 1], [1]]


def test_filters_pruned_before_stay_and_cost_nothing():
    model = chain()
    masks = dense_masks(model)
    masks["0.weight"][1] = False  # the largest of its layer; the model still holds it
    pruned = prune(model, masks, zeros=4, filter_norm="l1", **FILTERS)
    assert kept_filters(model, pruned) == [[1, 0, 1, 0], [1, 1], [1]]


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("criterion", CRITERIA)
def test_the_filter_that_is_kept_is_one_that_is_alive(scope, criterion):
    model = chain()
    masks = dense_masks(model)
    masks["0.weight"][:3] = False  # the model still holds these, larger than the fourth
    for seed in range(8):
        draws = torch.Generator().manual_seed(seed)
        choice = {**FILTERS, "scope": scope, "criterion": criterion}
        pruned = prune(model, masks, zeros=18, generator=draws, **choice)
        assert kept_filters(model, pruned)[0] == [0, 0, 0, 1]
        assert count_zeros(pruned) == 10


def test_masked_weights_of_a_filter_add_nothing_to_its_norm_nor_to_its_cost():
    model = chain()
    masks = dense_masks(model)
    masks["0.weight"][0, 1] = False  # leaves 3 of (3, -4): now a tie with 0.2, and first
    masks["0.weight"][3, 0] = False
    pruned = prune(model, masks, zeros=4, **FILTERS)
    assert pruned["0.weight"].int().tolist() == [[0, 0], [1, 1], [1, 1], [0, 0]]


def test_cycles_follow_each_other_to_the_goal():
    model = NETWORKS["resnet20"]()
    masks = dense_masks(model)
    n = sum(mask.numel() for mask in masks.values())
    for cycle in (1, 2, 3):
        zeros = zeros_after(n, 0.9, 3, cycle)
        after = prune(model, masks, zeros=zeros, **FILTERS)
        assert all(not bool((after[k] & ~masks[k]).any()) for k in masks)
        asked, reached = asked_and_reached(after, zeros)
        assert asked - 0.01 < reached <= asked
        masks = after
        apply_(model, masks)


@settings(deadline=None, max_examples=50)
@given(st.data())
def test_the_largest_step_not_above_is_taken_and_one_filter_a_layer_kept(data):
    draws = torch.Generator().manual_seed(data.draw(st.integers(0, 10_000)))
    widths = data.draw(st.lists(st.integers(1, 5), min_size=2, max_size=5))
    model = nn.Sequential(*[nn.Linear(a, b) for a, b in pairwise(widths)])
    for weight in prunable(model).values():
        weight.data.copy_(torch.randint(-2, 3, weight.shape, generator=draws))
    masks = dense_masks(model)
    n = sum(mask.numel() for mask in masks.values())
    choice = {
        "structure": "filters",
        "scope": data.draw(st.sampled_from(sorted(SCOPES))),
        "criterion": data.draw(st.sampled_from(sorted(CRITERIA))),
        "filter_norm": data.draw(st.sampled_from(sorted(UNIT_NORMS))),
    }
    seed = data.draw(st.integers(0, 99))
    steps = [
        prune(model, masks, zeros=z, generator=torch.Generator().manual_seed(seed), **choice)
        for z in range(n + 1)
    ]
    reached = [count_zeros(step) for step in steps]
    assert all(r <= z for z, r in enumerate(reached))
    assert reached == sorted(reached)
    # What is reached is reached as soon as it is asked for: no step is missed.
    assert all(reached[r] == r for r in reached)
    for step in steps:
        kept = kept_filters(model, step)
        assert all(any(layer) for layer in kept)
        assert all(kept[-1])
    widest = sum(mask.numel() // len(mask) * (len(mask) - 1) for mask in list(masks.values())[:-1])
    assert reached[-1] == widest


def shaken(model: nn.Module) -> nn.Module:
    """Every bias, affine and running statistic somewhere, so that nothing is zero by chance."""
    draws = torch.Generator().manual_seed(0)
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        if value.is_floating_point() and value.dim() == 1:
            noise = torch.rand(value.shape, generator=draws) + 0.5
            value.data.copy_(noise if "running_var" in name else noise - 0.2)
    return model


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_removed_filter_emits_exactly_zero_after_its_norm_layer(name, training):
    model = shaken(NETWORKS[name]())
    masks = dense_masks(model)
    n = sum(mask.numel() for mask in masks.values())
    masks = prune(model, masks, zeros=n // 2, **FILTERS)
    companions = companion_masks(model, masks)
    parameters = dict(model.named_parameters())
    assert all(mask.shape == parameters[key].shape for key, mask in companions.items())
    apply_(model, {**masks, **companions})
    emitted: dict[str, Tensor] = {}
    for prefix, module in model.named_modules():
        module.register_forward_hook(
            lambda _m, _i, output, key=prefix: emitted.update({key: output})
        )
    with torch.no_grad():
        model.train(training)(torch.rand(4, *SHAPE))
    removed = 0
    for weight, layer in prunable(model).layers.items():
        gone = ~filter_rows(layer, masks[weight]).any(1)
        owners = {name.rpartition(".")[0] for name in (weight, *filter_companions(model)[weight])}
        last = max(owners, key=list(emitted).index)
        assert not emitted[last][:, gone].any()
        assert bool(emitted[last][:, ~gone].any())
        removed += int(gone.sum())
    assert removed >= 4


def test_without_its_companions_a_removed_filter_would_emit():
    model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 3, 1))
    model[0].weight.data.copy_(torch.tensor([1.0, 2.0]).view(2, 1, 1, 1))
    shaken(model)
    masks = prune(model, dense_masks(model), zeros=1, **FILTERS)
    assert kept_filters(model, masks) == [[0, 1], [1, 1, 1]]
    image = torch.rand(2, 1, 3, 3)
    apply_(model, masks)
    assert bool(model.eval()[:2](image)[:, 0].all())
    apply_(model, companion_masks(model, masks))
    assert not model[:2](image)[:, 0].any()
    assert bool(model[:2](image)[:, 1].all())


def test_companions_stay_zero_through_training():
    model = shaken(NETWORKS["cnn"]())
    masks = prune(model, dense_masks(model), zeros=150, **FILTERS)
    everything = {**masks, **companion_masks(model, masks)}
    optimiser = torch.optim.SGD(
        model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True
    )
    apply_(model, everything)
    masked = float_masks(model, everything)
    mask_momentum_(optimiser, *masked)
    images, labels = torch.rand(12, *SHAPE), torch.arange(12) % 10
    for _ in range(8):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        mask_gradients_(*masked)
        optimiser.step()
    parameters = dict(model.named_parameters())
    assert all(not parameters[key][~mask].any() for key, mask in everything.items())
    assert sum(int((~mask).sum()) for key, mask in everything.items() if key not in masks) >= 4


def test_random_filters_are_uniform():
    model = chain()
    counts, draws = torch.zeros(4), torch.Generator().manual_seed(0)
    choice = {**FILTERS, "scope": "layer", "criterion": "random"}
    for _ in range(1000):
        masks = prune(model, dense_masks(model), zeros=4, generator=draws, **choice)
        counts += ~masks["0.weight"].any(1)
        assert count_zeros(masks) == 4
    # Half of the first layer's filters: 500 +- 16 each, four standard deviations.
    assert all(abs(c - 500) < 64 for c in counts.tolist())


def test_a_model_of_one_layer_has_no_filter_to_lose():
    model = nn.Sequential(nn.Linear(3, 4))
    masks = prune(model, dense_masks(model), zeros=6, **FILTERS)
    assert count_zeros(masks) == 0
    assert classifier(prunable(model).layers) == "0.weight"


@pytest.mark.parametrize("table", [KINDS, SCOPES, CRITERIA, UNIT_NORMS])
def test_records_are_listed_under_their_name(table):
    assert all(name == record.name for name, record in table.items())
