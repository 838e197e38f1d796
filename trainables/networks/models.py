"""Networks: functions that build an `nn.Module` from an input shape and a number of classes.

Every builder has the signature `build_x(in_shape, n_classes, **params)` with `in_shape` as
(channels, height, width), and the network maps images [N, C, H, W] to logits [N, n_classes].
Weights are PyTorch's default initialisation, as in the public release of BIMP; `seeded` makes them
a function of a seed. Torchvision, slow to import, is imported only when one of its models is built.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.func import functional_call

from trainables.config.catalog import MODELS, TORCHVISION_PREFIX, resolve, unknown
from trainables.networks.residual import ResidualNetwork, conv3x3
from trainables.networks.wide_residual import BIASED, STANDARD, WideResidualNetwork

Shape = tuple[int, int, int]
Layers = Iterator[tuple[str, nn.Module]]

_CIFAR_WIDTHS = (16, 32, 64)
_VGG16_STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
_WIDE_FORMS = {"standard": STANDARD, "biased": BIASED}


def build(model: str, in_shape: Shape, n_classes: int, params: Mapping[str, object]) -> nn.Module:
    """Return the catalog's `model` with fresh weights on the default device.

    Parameters left out take the catalog's defaults. Raises ValueError for an unknown name, an
    unknown or invalid parameter, and for an input that a torchvision model cannot take.
    """
    if model not in MODELS:
        raise ValueError(unknown("task.model", model, MODELS))
    entry = MODELS[model]
    arguments = entry.parameters.model_validate(dict(params)).model_dump()
    if model.startswith(TORCHVISION_PREFIX):
        arguments["name"] = model.removeprefix(TORCHVISION_PREFIX)
    return cast(nn.Module, resolve(entry.builder)(in_shape, n_classes, **arguments))


def without_memory(
    model: str, in_shape: Shape, n_classes: int, params: Mapping[str, object]
) -> nn.Module:
    """Return what `build` does with weights that have shapes and no values."""
    with torch.device("meta"):
        return build(model, in_shape, n_classes, params)


def seeded(build: Callable[[], nn.Module], seed: int) -> nn.Module:
    """Return `build()` on the CPU, with weights that are a function of `seed` alone.

    The generators of the caller, of the CPU and of every device, are left as they were.
    """
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would reseed devices too
        return build()


def build_mlp(
    in_shape: Shape, n_classes: int, *, hidden: Sequence[int] = (512,), dropout: float = 0.0
) -> nn.Module:
    """Fully connected network: per width in `hidden` a linear layer, ReLU and, if any, dropout.

    With `hidden` empty it is a linear classifier.
    """
    return nn.Sequential(OrderedDict(_mlp_layers(math.prod(in_shape), n_classes, hidden, dropout)))


def _mlp_layers(n_in: int, n_classes: int, hidden: Sequence[int], dropout: float) -> Layers:
    yield "flatten", nn.Flatten()
    for number, width in enumerate(hidden, start=1):
        yield f"linear{number}", nn.Linear(n_in, width)
        yield f"relu{number}", nn.ReLU()
        if dropout > 0:
            yield f"dropout{number}", nn.Dropout(dropout)
        n_in = width
    yield "classifier", nn.Linear(n_in, n_classes)


def build_cnn(
    in_shape: Shape,
    n_classes: int,
    *,
    channels: Sequence[int] = (16, 32, 32),
    batch_norm: bool = True,
) -> nn.Module:
    """Small convolutional network: 3x3 convolutions, mean over the map, one linear layer.

    Each convolution is followed by BatchNorm, which replaces its bias, and ReLU; the first two
    also by 2x2 max-pooling while the map is larger than 4x4. Raises ValueError without `channels`.
    """
    if not channels:
        raise ValueError(f"channels must hold at least one width, got {channels}")
    layers = _conv_layers(in_shape, channels, batch_norm)
    return nn.Sequential(OrderedDict([*layers, *_head(channels[-1], n_classes)]))


def _conv_layers(in_shape: Shape, channels: Sequence[int], batch_norm: bool) -> Layers:
    n_in, *sides = in_shape
    side = min(sides)
    for number, width in enumerate(channels, start=1):
        yield f"conv{number}", conv3x3(n_in, width, bias=not batch_norm)
        if batch_norm:
            yield f"bn{number}", nn.BatchNorm2d(width)
        yield f"relu{number}", nn.ReLU()
        if number <= 2 and side > 4:
            yield f"pool{number}", nn.MaxPool2d(2)
            side //= 2
        n_in = width


def _head(width: int, n_classes: int) -> Layers:
    yield "mean", nn.AdaptiveAvgPool2d(1)
    yield "flatten", nn.Flatten()
    yield "classifier", nn.Linear(width, n_classes)


def build_resnet20(in_shape: Shape, n_classes: int) -> nn.Module:
    """CIFAR ResNet-20 of He et al. 2016, section 4.2, with option A shortcuts."""
    return ResidualNetwork(
        in_shape[0], n_classes, widths=_CIFAR_WIDTHS, blocks=3, shortcut="padded"
    )


def build_resnet56(in_shape: Shape, n_classes: int) -> nn.Module:
    """CIFAR ResNet-56 of He et al. 2016, section 4.2, with option A shortcuts."""
    return ResidualNetwork(
        in_shape[0], n_classes, widths=_CIFAR_WIDTHS, blocks=9, shortcut="padded"
    )


def build_resnet18(in_shape: Shape, n_classes: int) -> nn.Module:
    """ResNet-18 of He et al. 2016 in its form for CIFAR: a 3x3 stem and no max-pooling."""
    widths = (64, 128, 256, 512)
    return ResidualNetwork(in_shape[0], n_classes, widths=widths, blocks=2, shortcut="projection")


def build_wrn28_10(
    in_shape: Shape, n_classes: int, *, variant: Literal["standard", "biased"] = "standard"
) -> nn.Module:
    """Wide ResNet 28-10: Zagoruyko and Komodakis 2016, or what BIMP's authors trained.

    "biased" has biases in its convolutions, the stride in each block's second convolution,
    shortcuts that read the block's raw input, and dropout of .3 between a block's convolutions.
    Raises ValueError for another variant.
    """
    if variant not in _WIDE_FORMS:
        raise ValueError(f"variant must be one of {', '.join(_WIDE_FORMS)}, got {variant!r}")
    return WideResidualNetwork(
        in_shape[0], n_classes, blocks=4, widen=10, form=_WIDE_FORMS[variant]
    )


def build_vgg16_bn(in_shape: Shape, n_classes: int) -> nn.Module:
    """VGG-16 (Simonyan and Zisserman 2015) with BatchNorm and one linear layer, for small images.

    Convolutions have no bias, since BatchNorm follows. Each stage ends in 2x2 max-pooling while
    the map is larger than one pixel, so that images smaller than 32x32 work too.
    """
    return nn.Sequential(OrderedDict([*_vgg_layers(in_shape), *_head(512, n_classes)]))


def _vgg_layers(in_shape: Shape) -> Layers:
    n_in, *sides = in_shape
    side = min(sides)
    for stage, widths in enumerate(_VGG16_STAGES, start=1):
        for number, width in enumerate(widths, start=1):
            yield f"conv{stage}_{number}", conv3x3(n_in, width)
            yield f"bn{stage}_{number}", nn.BatchNorm2d(width)
            yield f"relu{stage}_{number}", nn.ReLU()
            n_in = width
        if side > 1:
            yield f"pool{stage}", nn.MaxPool2d(2)
            side //= 2


def build_torchvision(in_shape: Shape, n_classes: int, *, name: str) -> nn.Module:
    """Torchvision's classification model `name`, without weights, for `n_classes` classes.

    GoogLeNet and Inception v3 are built without their auxiliary classifiers, so that every model
    returns one tensor of logits. Raises ValueError for an unknown name and for images that the
    model cannot take (all need three channels, ViT-H/14 multiples of 14 pixels, and so on).
    """
    from torchvision import models

    if name not in models.list_models(module=models):
        raise ValueError(f"torchvision has no classification model {name!r}")
    arguments = {"num_classes": n_classes, **torchvision_arguments(name, in_shape)}
    try:
        model = cast(nn.Module, models.get_model(name, **arguments))
        _forward_without_memory(model, in_shape)
    except (RuntimeError, ValueError, AssertionError) as error:
        shape = "x".join(map(str, in_shape))
        raise ValueError(
            f"task.model {TORCHVISION_PREFIX}{name} cannot take images of {shape}: {error}"
        ) from error
    return model


def torchvision_arguments(name: str, in_shape: Shape) -> dict[str, Any]:
    """Return what torchvision's model of that name is given beside the number of classes."""
    _, height, width = in_shape
    if name in ("googlenet", "inception_v3"):
        return {"aux_logits": False, "init_weights": True}
    if name.startswith("vit_"):
        return {"image_size": height}
    if name.startswith("maxvit_"):
        return {"input_size": (height, width)}
    return {}


def _forward_without_memory(model: nn.Module, in_shape: Shape) -> None:
    """Pass one image through in evaluation mode, on the meta device; the model stays as it is."""
    tensors = chain(model.named_parameters(), model.named_buffers())
    on_meta = {name: tensor.detach().to("meta") for name, tensor in tensors}
    was_training = model.training
    with torch.no_grad():
        functional_call(model.eval(), on_meta, (torch.empty(1, *in_shape, device="meta"),))
    model.train(was_training)
