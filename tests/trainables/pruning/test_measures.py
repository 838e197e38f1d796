"""Counts, multiply-adds, sparsities and norms, each by hand on small nets."""

import copy
import math

import pytest
import torch
from torch import nn

from trainables.formulas.discount import discount_d1
from trainables.formulas.structures import Structure
from trainables.pruning.masks import apply_, dense_masks
from trainables.pruning.measures import (
    count_parameters,
    count_prunable,
    norm_drop,
    parameter_vector,
    removed_share,
    sparsity_all_parameters,
    sparsity_of,
)
from trainables.pruning.ranking import prune
from trainables.pruning.work import theoretical_speedup, work_of


def small_net() -> nn.Sequential:
    """For images [2, 9, 8]: grouped and strided convolutions, norm, transposed, linear.

    0: 4 x 2 x 3 x 3 = 72 weights and 4 biases, to maps of 5 x 4; 1: 8; 3: 6 x 2 x 1 x 1 = 12
    weights (groups of two inputs), maps of 5 x 4; 4: 6 x 2 x 2 x 2 = 48 weights and 2 biases,
    from 5 x 4 to 10 x 8; 6: 3 x 160 = 480 weights and 3 biases.
    """
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 1, groups=2, bias=False),
        nn.ConvTranspose2d(6, 2, 2, stride=2),
        nn.Flatten(),
        nn.Linear(160, 3),
    )


SHAPE = (2, 9, 8)
# 72 weights at 20 places, 12 at 20, 48 at the 20 input places, 480 at one.
MULTIPLY_ADDS = {"0.weight": 1440, "3.weight": 240, "4.weight": 960, "6.weight": 480}


def test_counts():
    model = small_net()
    assert count_prunable(model) == 72 + 12 + 48 + 480
    assert count_parameters(model) == 612 + 4 + 8 + 2 + 3


def test_shared_parameters_count_once():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    assert count_prunable(model) == 9
    assert count_parameters(model) == 15


def multiply_adds(model, in_shape):
    return work_of(model, torch.empty(1, *in_shape)).counts


def test_multiply_adds_by_hand():
    assert multiply_adds(small_net(), SHAPE) == MULTIPLY_ADDS


@pytest.mark.parametrize(
    ("layer", "in_shape", "expected"),
    [
        (nn.Conv1d(3, 4, 5), (3, 9), 60 * 5),
        (nn.Conv1d(4, 4, 3, groups=4, stride=2), (4, 9), 12 * 4),
        (nn.Conv2d(1, 1, 3, dilation=2), (1, 7, 6), 9 * 3 * 2),
        (nn.Conv3d(2, 3, 2), (2, 3, 4, 5), 48 * 2 * 3 * 4),
        (nn.ConvTranspose1d(3, 4, 5, stride=3), (3, 9), 60 * 9),
        (nn.ConvTranspose2d(4, 6, 3, groups=2), (4, 5, 3), 108 * 15),
        (nn.Linear(7, 2), (7,), 14),
        (nn.Linear(7, 2), (5, 7), 14 * 5),  # at five positions of a sequence
    ],
    ids=str,
)
def test_multiply_adds_of_single_layers(layer, in_shape, expected):
    assert multiply_adds(layer, in_shape) == {"weight": expected}


def test_multiply_adds_of_a_convolution_agree_with_its_matrix():
    layer = nn.Conv2d(2, 3, 3, stride=2, bias=False)
    layer.weight.data.fill_(1.0)
    # Without padding every entry of the matrix that is not zero is one multiply-add.
    inputs = torch.eye(2 * 7 * 6).view(-1, 2, 7, 6)
    with torch.no_grad():
        matrix = layer(inputs)
    assert multiply_adds(layer, (2, 7, 6)) == {"weight": int(matrix.count_nonzero())}


class Twice(nn.Module):
    """Uses one layer twice, a second with the first's weight, and a third never."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.tied = nn.Linear(4, 4)
        self.idle = nn.Linear(4, 4)
        self.tied.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.tied(self.first(self.first(x)))


def test_every_use_of_a_weight_counts():
    assert multiply_adds(Twice(), (4,)) == {"first.weight": 48, "idle.weight": 0}


def test_multiply_adds_of_a_model_whose_training_mode_needs_a_batch():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).train()
    assert multiply_adds(model, (3,)) == {"0.weight": 6}
    assert model.training


def test_multiply_adds_leave_model_mode_generator_and_hooks_alone():
    model = nn.Sequential(small_net(), nn.Dropout(0.5)).train()
    model[0].eval()
    modes = [module.training for module in model.modules()]
    state, random = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    parameters = list(model.parameters())
    assert list(multiply_adds(model, SHAPE).values()) == list(MULTIPLY_ADDS.values())
    assert [module.training for module in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(a is b for a, b in zip(parameters, model.parameters(), strict=True))
    assert all(p.device.type == "cpu" and p.requires_grad for p in parameters)
    assert not any(module._forward_hooks for module in model.modules())


def test_theoretical_speedup_weighs_layers_by_their_multiply_adds():
    model = small_net()
    masks = dense_masks(model)
    assert theoretical_speedup(MULTIPLY_ADDS, masks) == 1.0
    masks["0.weight"].view(-1)[:36] = False  # half of 1440
    masks["6.weight"][:] = False  # all of 480
    assert theoretical_speedup(MULTIPLY_ADDS, masks) == 3120 / (720 + 240 + 960)


def test_theoretical_speedup_refuses_nothing_left_and_other_layers():
    masks = {name: torch.zeros(4, dtype=torch.bool) for name in ("a", "b")}
    with pytest.raises(ValueError, match="needs a multiply-add on a non-zero weight"):
        theoretical_speedup({"a": 8, "b": 4}, masks)
    with pytest.raises(ValueError, match=r"must name weights with multiply-adds, got \['b'\]"):
        theoretical_speedup({"a": 8, "c": 4}, masks)


def test_sparsities_of_masks():
    masks = {"a": torch.tensor([True, False, False, False]), "b": torch.tensor([[True], [True]])}
    assert sparsity_of(masks) == 0.5


def test_sparsity_of_all_parameters_counts_every_zero():
    model = small_net()
    for parameter in model.parameters():
        parameter.data.fill_(0.5)
    masks = prune(
        model,
        dense_masks(model),
        zeros=306,
        structure="weights",
        scope="global",
        criterion="magnitude",
    )
    apply_(model, masks)
    assert sparsity_of(masks) == 0.5
    assert sparsity_all_parameters(model) == 306 / 629
    model[1].bias.data.zero_()
    assert sparsity_all_parameters(model) == 310 / 629


def test_removed_share_is_of_what_was_alive():
    before = {"a": torch.tensor([True, True, False]), "b": torch.tensor([True, True])}
    after = {"a": torch.tensor([True, False, False]), "b": torch.tensor([True, True])}
    assert removed_share(before, after) == 0.25
    assert removed_share(before, before) == 0.0
    with pytest.raises(ValueError, match="needs masks with a weight alive"):
        removed_share({"a": torch.tensor([False])}, {"a": torch.tensor([False])})


def test_parameter_vector():
    model = nn.Sequential(nn.Linear(2, 1), nn.BatchNorm1d(1))
    for value, parameter in enumerate(model.parameters()):
        parameter.data.fill_(value)
    assert parameter_vector(model).tolist() == [0, 0, 1, 2, 3]
    vector = parameter_vector(model, "prunable")
    assert vector.tolist() == [0, 0]
    two = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 3))
    for value, parameter in enumerate(two.parameters()):
        parameter.data.fill_(value)
    assert parameter_vector(two, "ranked").tolist() == [0, 0, 2, 2, 2]
    assert parameter_vector(two, "ranked", Structure("filters")).tolist() == [0, 0]
    vector.fill_(9)
    assert not model[0].weight.any()
    assert not vector.requires_grad
    with pytest.raises(ValueError, match="which must be one of all, prunable, ranked, got 'some'"):
        parameter_vector(model, "some")


def test_norm_drop_by_hand():
    before = torch.tensor([2.0, -4.0, 5.0, 6.0])
    assert norm_drop(before, torch.tensor([0.0, 0.0, 5.0, 6.0])) == pytest.approx(
        math.sqrt(20 / 81), rel=1e-12
    )
    assert norm_drop(before, before) == 0.0
    assert norm_drop(before, torch.zeros(4)) == 1.0


def test_norm_drop_adds_up_in_double_precision():
    # In single precision the ones vanish beside 4096 squared.
    before = torch.cat([torch.tensor([4096.0]), torch.ones(100_000)])
    after = torch.cat([torch.tensor([4096.0]), torch.zeros(100_000)])
    expected = math.sqrt(100_000 / (4096**2 + 100_000))
    assert norm_drop(before, after) == pytest.approx(expected, rel=1e-12)


def test_norm_drop_refusals():
    with pytest.raises(ValueError, match=r"must have one shape, got \[2\], \[3\]"):
        norm_drop(torch.ones(2), torch.ones(3))
    with pytest.raises(ValueError, match=r"norm before must be > 0 and finite, got 0\.0"):
        norm_drop(torch.zeros(2), torch.zeros(2))
    with pytest.raises(ValueError, match="norm before must be > 0 and finite, got nan"):
        norm_drop(torch.tensor([float("nan")]), torch.zeros(1))


def test_d1_of_equal_weights_is_one_and_of_small_ones_less():
    # Removing a share s of equal weights removes the share sqrt(s) of the norm.
    equal = nn.Linear(10, 10, bias=False)
    equal.weight.data.fill_(0.3)
    spread = nn.Linear(10, 10, bias=False)
    spread.weight.data.copy_(torch.linspace(0.01, 1, 100).view(10, 10))
    found = []
    for model in (equal, spread):
        masks = dense_masks(model)
        pruned = prune(
            model, masks, zeros=64, structure="weights", scope="global", criterion="magnitude"
        )
        before = parameter_vector(model)
        apply_(model, pruned)
        drop = norm_drop(before, parameter_vector(model))
        found.append(discount_d1(drop, removed_share(masks, pruned)))
    assert found[0] == pytest.approx(1.0)
    squares = [(i / 100) ** 2 for i in range(1, 101)]
    assert found[1] == pytest.approx(math.sqrt(sum(squares[:64]) / sum(squares)) / 0.8)
