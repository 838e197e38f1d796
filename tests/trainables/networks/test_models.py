"""Models: published counts, shapes, seeds, and the structure that pruning relies on."""

from __future__ import annotations

import inspect
import subprocess
import sys
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from trainables.config.catalog import MODELS, TORCHVISION_MODELS, TORCHVISION_PREFIX, resolve
from trainables.networks import models
from trainables.networks.residual import PaddedShortcut, ResidualNetwork
from trainables.networks.wide_residual import BIASED, STANDARD, WideBlock

CIFAR = (3, 32, 32)
OWN_MODELS = [name for name in MODELS if not name.startswith(TORCHVISION_PREFIX)]
PRUNABLE = (nn.Conv2d, nn.Linear)


def on_meta(name: str, in_shape: models.Shape, n_classes: int, **params: Any) -> nn.Module:
    """A model without memory, for counting and for shapes."""
    with torch.device("meta"):
        return models.build(name, in_shape, n_classes, params)


def maps(model: nn.Module, in_shape: models.Shape) -> dict[str, tuple[nn.Module, torch.Size]]:
    """Each leaf module by name, with the shape of its output for one image."""
    seen: dict[str, tuple[nn.Module, torch.Size]] = {}

    def watch(name: str, module: nn.Module) -> RemovableHandle:
        def note(_module: nn.Module, _args: Any, output: Tensor) -> None:
            seen[name] = (module, output.shape)

        return module.register_forward_hook(note)

    leaves = [(name, m) for name, m in model.named_modules() if not list(m.children())]
    hooks = [watch(name, module) for name, module in leaves]
    device = next(model.parameters()).device
    model(torch.empty(1, *in_shape, device=device))
    for hook in hooks:
        hook.remove()
    return seen


def multiply_adds(model: nn.Module, in_shape: models.Shape) -> int:
    """Outputs times the multiplications that each needs, over convolutions and linear layers."""
    return sum(
        shape.numel() * module.weight[0].numel()
        for module, shape in maps(model, in_shape).values()
        if isinstance(module, PRUNABLE)
    )


def prunable_weights(model: nn.Module) -> list[Tensor]:
    return [module.weight for module in model.modules() if isinstance(module, PRUNABLE)]


COUNTS = [
    # name, params, classes, parameters, prunable, layers, multiply-adds
    ("resnet56", {}, 10, 853_018, 848_944, 56, 125_485_696),
    ("resnet18", {}, 10, 11_173_962, 11_164_352, 21, 555_422_720),
    ("wrn28-10", {"variant": "biased"}, 100, 36_546_980, 36_518_832, 29, 5_951_175_168),
    ("wrn28-10", {"variant": "standard"}, 100, 36_536_884, 36_518_832, 29, 5_243_386_368),
    # by hand: convolutions 14,710,464 at 313,196,544, norms 2 * 4,224, classifier 5,130
    ("vgg16-bn", {}, 10, 14_724_042, 14_715_584, 14, 313_201_664),
    # by hand: 432 + 6 * 2,304 + (4,608 + 5 * 9,216) + (18,432 + 5 * 36,864) + 640 weights
    ("resnet20", {}, 10, 269_722, 268_336, 20, 40_551_040),
    # by hand: 432 + 4,608 + 9,216 + 320 weights, on maps of 32x32, 16x16 and 8x8
    ("cnn", {}, 10, 14_746, 14_576, 4, 442_368 + 1_179_648 + 589_824 + 320),
    ("cnn", {"batch_norm": False}, 10, 14_666, 14_576, 4, 2_212_160),
    ("mlp", {"hidden": (300, 100)}, 10, 953_010, 952_600, 3, 952_600),
]


@pytest.mark.parametrize(
    ("name", "params", "n_classes", "parameters", "prunable", "layers", "work"), COUNTS
)
def test_counts_are_those_published_or_computed_by_hand(
    name: str,
    params: dict[str, Any],
    n_classes: int,
    parameters: int,
    prunable: int,
    layers: int,
    work: int,
) -> None:
    model = on_meta(name, CIFAR, n_classes, **params)
    weights = prunable_weights(model)
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert sum(w.numel() for w in weights) == prunable
    assert len(weights) == layers
    assert multiply_adds(model, CIFAR) == work


@pytest.mark.parametrize("in_shape", [(1, 8, 8), (1, 28, 28), CIFAR, (2, 12, 20)])
@pytest.mark.parametrize("name", OWN_MODELS)
def test_every_own_model_takes_every_data_set(name: str, in_shape: models.Shape) -> None:
    model = on_meta(name, in_shape, 7)
    assert model(torch.empty(2, *in_shape, device="meta")).shape == (2, 7)


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet20"])
def test_an_image_s_logits_do_not_depend_on_its_batch(name: str) -> None:
    model = models.seeded(lambda: models.build(name, (1, 8, 8), 10, {}), 0).eval()
    images = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(images)[2:3], model(images[2:3]))


@pytest.mark.parametrize("name", OWN_MODELS)
def test_builders_have_the_catalog_s_parameters_and_defaults(name: str) -> None:
    signature = inspect.signature(resolve(MODELS[name].builder))
    keywords = {
        key: parameter.default
        for key, parameter in signature.parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert list(signature.parameters)[:2] == ["in_shape", "n_classes"]
    assert keywords == MODELS[name].parameters().model_dump()


def test_build_refuses_unknown_names_and_parameters() -> None:
    with pytest.raises(ValueError, match=r"task\.model .*'resnet65'; did you mean resnet56"):
        models.build("resnet65", CIFAR, 10, {})
    with pytest.raises(ValueError, match="width"):
        models.build("mlp", CIFAR, 10, {"width": 3})
    with pytest.raises(ValueError, match="channels must hold at least one width, got \\(\\)"):
        models.build_cnn(CIFAR, 10, channels=())
    with pytest.raises(ValueError, match="variant must be one of standard, biased, got 'b'"):
        models.build_wrn28_10(CIFAR, 10, variant="b")  # type: ignore[arg-type]


# seeds


def state(model: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize("name", OWN_MODELS)
def test_weights_are_a_function_of_the_seed(name: str) -> None:
    def build() -> nn.Module:
        return models.build(name, (1, 8, 8), 10, {})

    first = state(models.seeded(build, 3))
    torch.randn(5)
    assert torch.equal(first, state(models.seeded(build, 3)))
    assert not torch.equal(first, state(models.seeded(build, 4)))


def test_seeding_leaves_the_caller_s_generator_alone() -> None:
    before = torch.get_rng_state()
    models.seeded(lambda: nn.Linear(3, 3), 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeding_leaves_the_caller_s_generator_alone_when_building_fails() -> None:
    def fail() -> nn.Module:
        torch.randn(3)
        raise ValueError("no model")

    before = torch.get_rng_state()
    with pytest.raises(ValueError, match="no model"):
        models.seeded(fail, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_seeded_weights_are_on_the_cpu_whatever_the_default_device() -> None:
    expected = state(models.seeded(lambda: nn.Linear(3, 3), 0))
    with torch.device("meta"):
        model = models.seeded(lambda: nn.Linear(3, 3), 0)
    assert torch.equal(state(model), expected)


# structure


@pytest.mark.parametrize(
    ("side", "sides"),
    [(3, [3, 3, 3]), (4, [4, 4, 4]), (5, [2, 2, 2]), (8, [4, 4, 4]), (9, [4, 4, 4]),
     (10, [5, 2, 2]), (28, [14, 7, 7]), (32, [16, 8, 8])],
)  # fmt: skip
def test_cnn_pools_after_the_first_two_while_the_map_is_larger_than_four(
    side: int, sides: list[int]
) -> None:
    shapes = maps(on_meta("cnn", (1, side, side), 10), (1, side, side))
    blocks = [[f"relu{n}", f"pool{n}"] for n in (1, 2, 3)]
    last = [[shapes[name][1] for name in block if name in shapes][-1] for block in blocks]
    assert [shape[-1] for shape in last] == sides


@pytest.mark.parametrize(("side", "n_pools"), [(1, 0), (8, 3), (28, 4), (31, 4), (32, 5), (64, 5)])
def test_vgg_pools_after_each_stage_while_the_map_is_larger_than_one(
    side: int, n_pools: int
) -> None:
    model = on_meta("vgg16-bn", (1, side, side), 10)
    assert sum(isinstance(m, nn.MaxPool2d) for m in model.modules()) == n_pools


def test_mlp_layers_in_order() -> None:
    model = on_meta("mlp", (1, 2, 3), 4, hidden=(5, 7), dropout=0.25)
    assert [name for name, _ in model.named_children()] == [
        "flatten", "linear1", "relu1", "dropout1", "linear2", "relu2", "dropout2", "classifier",
    ]  # fmt: skip
    assert [tuple(w.shape) for w in prunable_weights(model)] == [(5, 6), (7, 5), (4, 7)]
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.25, 0.25]


def test_mlp_without_hidden_layers_is_linear() -> None:
    model = on_meta("mlp", (1, 2, 3), 4, hidden=())
    assert [tuple(p.shape) for p in model.parameters()] == [(4, 6), (4,)]


def test_mlp_without_dropout_has_none() -> None:
    model = on_meta("mlp", (1, 2, 3), 4)
    assert not any(isinstance(m, nn.Dropout) for m in model.modules())


def test_padded_shortcut_by_hand() -> None:
    image = torch.arange(1.0, 10.0).view(1, 1, 3, 3)
    result = PaddedShortcut(1, 4, stride=2)(image)
    kept = torch.tensor([[1.0, 3.0], [7.0, 9.0]])
    zero = torch.zeros(2, 2)
    assert torch.equal(result[0], torch.stack([zero, kept, zero, zero]))


def test_resnet56_has_no_weights_in_its_shortcuts() -> None:
    model = on_meta("resnet56", CIFAR, 10)
    assert not any("shortcut" in name for name, _ in model.named_parameters())
    assert sum(isinstance(m, PaddedShortcut) for m in model.modules()) == 2


def test_residual_block_adds_its_input() -> None:
    """With the last norm's scale at zero a block is the identity on non-negative maps."""
    model = models.seeded(
        lambda: ResidualNetwork(1, 2, widths=(3,), blocks=1, shortcut="padded"), 0
    ).eval()
    block = model.get_submodule("stages.stage1.0")
    nn.init.zeros_(block.get_submodule("bn2").weight)  # type: ignore[arg-type]
    images = torch.rand(2, 3, 4, 4)
    assert torch.equal(block(images), images)
    assert torch.equal(block(-images), torch.zeros_like(images))


@pytest.mark.parametrize("name", ["cnn", "resnet20", "resnet56", "resnet18", "vgg16-bn"])
def test_each_convolution_is_directly_followed_by_its_norm(name: str) -> None:
    """Pruning filters relies on this order to find the norm layer of a removed filter."""
    model = on_meta(name, CIFAR, 10)
    leaves = [m for m in model.modules() if not list(m.children()) and list(m.parameters())]
    pairs = list(pairwise(leaves))
    followers = [b for a, b in pairs if isinstance(a, nn.Conv2d)]
    assert all(isinstance(b, nn.BatchNorm2d) for b in followers)
    assert all(
        a.out_channels == b.num_features
        for a, b in pairs
        if isinstance(a, nn.Conv2d) and isinstance(b, nn.BatchNorm2d)
    )
    assert len(followers) == len(prunable_weights(model)) - 1
    assert all(a.bias is None for a, _ in pairs if isinstance(a, nn.Conv2d))


@pytest.mark.parametrize(
    ("variant", "strides", "biased", "n_dropout"),
    [("standard", [(2, 1), (2, 1)], False, 0), ("biased", [(1, 2), (1, 2)], True, 12)],
)
def test_variants_of_the_wide_network(
    variant: str, strides: list[tuple[int, int]], biased: bool, n_dropout: int
) -> None:
    model = on_meta("wrn28-10", CIFAR, 10, variant=variant)
    firsts = [model.get_submodule(f"stages.stage{n}.0") for n in (2, 3)]
    assert [(b.conv1.stride[0], b.conv2.stride[0]) for b in firsts] == strides  # type: ignore[index]
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d)]
    assert {m.bias is not None for m in convolutions} == {biased}
    assert [m.p for m in model.modules() if isinstance(m, nn.Dropout)] == [0.3] * n_dropout


def test_wide_shortcut_reads_raw_input_only_in_the_biased_form() -> None:
    """A negative map passes the raw shortcut and is rectified away before the other one."""
    results = []
    for form in (STANDARD, BIASED):
        block = WideBlock(1, 2, 1, form).eval()
        with torch.no_grad():
            for name, parameter in block.named_parameters():
                parameter.fill_(1.0 if name in ("bn1.weight", "shortcut.weight") else 0.0)
        results.append(block(torch.full((1, 1, 2, 2), -3.0)))
    assert torch.equal(results[0], torch.zeros(1, 2, 2, 2))
    assert torch.equal(results[1], torch.full((1, 2, 2, 2), -3.0))


def test_wide_block_without_a_change_of_shape_adds_its_input() -> None:
    block = WideBlock(2, 2, 1, STANDARD).eval()
    nn.init.zeros_(block.conv2.weight)
    images = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(images), images)


# torchvision


def test_the_catalog_lists_torchvision_s_classification_models() -> None:
    from torchvision import models as theirs

    assert sorted(TORCHVISION_MODELS) == theirs.list_models(module=theirs)


def test_importing_models_does_not_import_torchvision() -> None:
    code = "import sys, trainables.networks.models; sys.exit('torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


SMALL_OF_EACH_KIND = [
    ("squeezenet1_1", (3, 64, 64)),
    ("shufflenet_v2_x0_5", (3, 32, 32)),
    ("regnet_x_400mf", (3, 32, 32)),
    ("resnet18", (3, 32, 48)),
    ("vit_b_32", (3, 64, 64)),
    ("maxvit_t", (3, 224, 224)),
    ("inception_v3", (3, 96, 96)),
    ("googlenet", (3, 64, 64)),
]


@pytest.mark.parametrize(("name", "in_shape"), SMALL_OF_EACH_KIND)
def test_torchvision_models_give_logits_of_the_asked_classes(
    name: str, in_shape: models.Shape
) -> None:
    model = models.build(TORCHVISION_PREFIX + name, in_shape, 7, {})
    assert model.training
    assert not any(tensor.is_meta for tensor in model.state_dict().values())
    with torch.no_grad():
        logits = model(torch.randn(2, *in_shape))
    assert logits.shape == (2, 7)


def test_checking_the_shape_changes_nothing_in_the_model() -> None:
    from torchvision import models as theirs

    in_shape = (3, 32, 32)
    ours = models.seeded(lambda: models.build_torchvision(in_shape, 4, name="resnet18"), 0)
    plain = models.seeded(lambda: theirs.resnet18(num_classes=4), 0)
    pairs = zip(ours.state_dict().items(), plain.state_dict().items(), strict=True)
    assert all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)


@pytest.mark.parametrize(
    ("name", "in_shape"),
    [
        ("alexnet", (3, 32, 32)),
        ("resnet18", (1, 32, 32)),
        ("vit_b_16", (3, 32, 48)),
        ("vit_b_16", (3, 36, 36)),
        ("maxvit_t", (3, 32, 32)),
    ],
)
def test_images_that_a_torchvision_model_cannot_take_are_refused(
    name: str, in_shape: models.Shape
) -> None:
    shape = "x".join(map(str, in_shape))
    with pytest.raises(ValueError, match=f"torchvision/{name} cannot take images of {shape}: "):
        models.build_torchvision(in_shape, 10, name=name)


def test_unknown_torchvision_model_is_refused() -> None:
    with pytest.raises(ValueError, match="no classification model 'fcn_resnet50'"):
        models.build_torchvision(CIFAR, 10, name="fcn_resnet50")
