"""Which parameters are prunable, how weights are cut into filters, and what goes with a filter."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from trainables.networks import models
from trainables.networks.wide_residual import BIASED, STANDARD, WideResidualNetwork
from trainables.pruning.companions import filter_companions
from trainables.pruning.layers import classifier, filter_rows, n_filters, whole_filters
from trainables.pruning.prunable import prunable

CONVOLUTIONS = [
    nn.Linear(4, 6),
    nn.Conv1d(4, 6, 3),
    nn.Conv2d(4, 6, 3, groups=2),
    nn.Conv3d(4, 6, 2),
    nn.ConvTranspose1d(4, 6, 3, stride=2),
    nn.ConvTranspose2d(4, 6, 3),
    nn.ConvTranspose2d(4, 6, 3, groups=2),
    nn.ConvTranspose3d(4, 6, 2, groups=2),
]


def test_every_convolution_and_linear_layer_is_prunable_and_nothing_else():
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.RMSNorm)
    model = nn.Sequential(
        *CONVOLUTIONS,
        nn.Bilinear(2, 2, 2),
        nn.Embedding(3, 2),
        *[norm(2) for norm in norms],
        nn.GroupNorm(1, 2),
        nn.InstanceNorm2d(2, affine=True),
        nn.PReLU(2),
    )
    assert list(prunable(model)) == [f"{i}.weight" for i in range(len(CONVOLUTIONS))]
    assert all(prunable(model)[f"{i}.weight"] is model[i].weight for i in range(8))
    assert list(prunable(nn.Linear(2, 3))) == ["weight"]


def test_a_shared_weight_appears_once_under_its_first_name():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3))
    model[2].weight = model[0].weight
    assert list(prunable(model)) == ["0.weight", "1.weight"]
    assert filter_companions(model)["0.weight"] == ("0.bias", "2.bias")


def test_a_weight_shared_with_an_embedding_stays_dense():
    tied = nn.ModuleDict({"embed": nn.Embedding(5, 3), "decode": nn.Linear(3, 5, bias=False)})
    tied["decode"].weight = tied["embed"].weight
    assert dict(prunable(tied)) == {}
    tied["head"] = nn.Linear(3, 2)
    assert list(prunable(tied)) == ["head.weight"]


@pytest.mark.parametrize("layer", CONVOLUTIONS, ids=str)
def test_a_filter_is_what_makes_one_output_channel(layer):
    inputs = torch.randn(2, 4, *[5] * (layer.weight.dim() - 2))
    with torch.no_grad():
        assert n_filters(layer) == 6
        before = layer(inputs)
        weight, bias = layer.weight.clone(), layer.bias.clone()
        for channel in range(6):
            kept = torch.arange(6) != channel
            mask = whole_filters(layer, kept)
            assert mask.shape == layer.weight.shape
            assert torch.equal(filter_rows(layer, mask).all(1), kept)
            assert torch.equal(filter_rows(layer, mask).any(1), kept)
            layer.weight.mul_(mask)
            layer.bias.mul_(kept)
            after = layer(inputs)
            assert not after[:, channel].any()
            assert torch.equal(after[:, kept], before[:, kept])
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)


def test_the_classifier_is_the_last_linear_layer_or_the_last_layer():
    convolutional = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Conv2d(2, 3, 1))
    assert classifier(prunable(convolutional).layers) == "1.weight"
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2), nn.Conv1d(1, 2, 1))
    assert classifier(prunable(model).layers) == "1.weight"


def sequential(*layers: nn.Module) -> dict[str, tuple[str, ...]]:
    return filter_companions(nn.Sequential(*layers))


def test_companions_by_hand():
    norm = nn.BatchNorm2d(3)
    assert sequential(nn.Conv2d(1, 3, 1, bias=False), norm) == {"0.weight": ("1.weight", "1.bias")}
    assert sequential(nn.Conv2d(1, 3, 1), norm) == {"0.weight": ("0.bias", "1.weight", "1.bias")}
    behind = sequential(nn.Conv2d(1, 3, 1, bias=False), nn.ReLU(), nn.MaxPool2d(2), norm)
    assert behind == {"0.weight": ("3.weight", "3.bias")}
    grouped = sequential(nn.Conv2d(1, 4, 1, bias=False), nn.GroupNorm(2, 4))
    assert grouped == {"0.weight": ("1.weight", "1.bias")}
    layered = sequential(nn.Linear(2, 3), nn.LayerNorm(3, bias=False))
    assert layered == {"0.weight": ("0.bias", "1.weight")}
    assert filter_companions(nn.Linear(2, 3)) == {"weight": ("bias",)}


def test_no_companion_where_the_norm_is_another_layers_or_has_no_affine():
    conv = nn.Conv2d(3, 3, 1, bias=False)
    assert sequential(conv, nn.BatchNorm2d(4)) == {"0.weight": ()}
    assert sequential(conv, nn.BatchNorm2d(3, affine=False)) == {"0.weight": ()}
    two = sequential(conv, nn.Conv2d(3, 3, 1, bias=False), nn.BatchNorm2d(3))
    assert two == {"0.weight": (), "1.weight": ("2.weight", "2.bias")}
    nested = sequential(nn.Sequential(conv), nn.BatchNorm2d(3))
    assert nested == {"0.0.weight": ()}


SHAPE = (3, 8, 8)
NETWORKS = {
    "cnn": lambda: models.build_cnn(SHAPE, 10, channels=(4, 6)),
    "cnn without norm": lambda: models.build_cnn(SHAPE, 10, channels=(4, 6), batch_norm=False),
    "resnet20": lambda: models.build_resnet20(SHAPE, 10),
    "vgg": lambda: nn.Sequential(
        *[
            layer
            for n_in, n_out in pairwise((3, 8, 8, 16))
            for layer in (nn.Conv2d(n_in, n_out, 3, padding=1), nn.BatchNorm2d(n_out), nn.ReLU())
        ],
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 10),
    ),
    "wide": lambda: WideResidualNetwork(3, 10, blocks=2, widen=1, form=STANDARD),
    "wide with biases": lambda: WideResidualNetwork(3, 10, blocks=2, widen=1, form=BIASED),
}


def norm_after_by_flow(model: nn.Module) -> dict[str, str]:
    """The norm layer, if any, whose input is the very tensor that a layer has put out."""
    names = {id(layer): name for name, layer in prunable(model).layers.items()}
    outputs, pairs = {}, {}

    def remember(layer, _inputs, output):
        outputs[id(output)] = (names[id(layer)], output)

    for prefix, module in model.named_modules():
        if id(module) in names:
            module.register_forward_hook(remember)
        elif isinstance(module, nn.BatchNorm2d):

            def match(_module, inputs, prefix=prefix):
                if id(inputs[0]) in outputs:
                    pairs[outputs[id(inputs[0])][0]] = prefix

            module.register_forward_pre_hook(match)
    model.eval()(torch.zeros(1, *SHAPE))
    return pairs


@pytest.mark.parametrize("name", NETWORKS)
def test_companions_are_those_that_the_data_reach(name):
    model = NETWORKS[name]()
    flow, parameters = norm_after_by_flow(model), dict(model.named_parameters())
    if name == "wide with biases":  # dropout makes a tensor of its own between the two
        blocks = [f"stages.stage{s}.{b}" for s in (1, 2, 3) for b in (0, 1)]
        flow |= {f"{block}.conv1.weight": f"{block}.bn2" for block in blocks}
    if name.startswith("wide"):
        # Right by the flow, but the same tensor also goes through the shortcut: not its own.
        flow = {k: v for k, v in flow.items() if k.endswith("conv1.weight") and k != "conv1.weight"}
    expected = {
        weight: tuple(
            companion
            for companion in (
                weight.replace("weight", "bias"),
                *(f"{flow[weight]}.{key}" for key in ("weight", "bias") if weight in flow),
            )
            if companion in parameters
        )
        for weight in prunable(model)
    }
    assert filter_companions(model) == expected
