"""Networks for segmentation: their counts from elsewhere, and what they give in each mode."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from trainables.networks.models import seeded
from trainables.pruning.work import work_of
from trainables.segmentation.networks import NAMES, Name, PooledNorm, build
from trainables.segmentation.unet import UNet


def test_the_unet_gives_logits_at_any_size() -> None:
    network = UNet(5, width=4).eval()
    for size in ((8, 8), (13, 21), (48, 40)):
        assert network(torch.zeros(1, 3, *size)).shape == (1, 5, *size)


def test_the_weights_of_the_unet_by_hand() -> None:
    widths = [4, 8, 16, 32]
    encoder = sum(9 * (a * b + b * b) for a, b in zip([3, *widths], widths, strict=False))
    decoder = sum(9 * ((a + b) * a + a * a) for a, b in pairwise(widths))
    assert sum(p.numel() for n, p in UNet(5, width=4).named_parameters() if p.dim() == 4) == (
        encoder + decoder + 4 * 5
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_network_gives_logits_at_the_size_of_its_images(name: Name) -> None:
    with torch.device("meta"):
        network = build(name, 7, auxiliary=True, width=4)
        images = torch.empty(2, 3, 65, 73)
    assert network.eval()(images).shape == (2, 7, 65, 73)
    trained: Any = network.train()(images)
    heads = [trained] if name == "unet" else list(trained)
    assert [head.shape for head in heads] == [(2, 7, 65, 73)] * (1 if name == "unet" else 2)


@pytest.mark.slow
def test_parts_and_logits_are_torchvisions() -> None:
    from torchvision.models.segmentation import deeplabv3_mobilenet_v3_large as theirs

    plain = seeded(
        lambda: theirs(weights=None, weights_backbone=None, num_classes=4, aux_loss=True), 0
    ).eval()
    network = build("deeplabv3_mobilenet_v3_large", 4, auxiliary=True).eval()
    network.load_state_dict(plain.state_dict())
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.equal(network(images), plain(images)["out"])
        torch.manual_seed(0)
        main, auxiliary = network.train()(images)
        torch.manual_seed(0)
        expected = plain.train()(images)
    assert torch.equal(main, expected["out"]) and torch.equal(auxiliary, expected["aux"])


def test_multiply_adds_of_deeplab_are_those_of_torchs_counter() -> None:
    with torch.device("meta"):
        network = build("deeplabv3_resnet50", 21, auxiliary=True)
        images = torch.empty(1, 3, 513, 513)
    with FlopCounterMode(display=False) as counter:
        network.eval()(images)
    assert 2 * work_of(network, images).total == counter.get_total_flops()


def test_an_image_alone_is_normalised_by_running_statistics() -> None:
    norm = PooledNorm(2)
    norm.running_mean = torch.tensor([1.0, 2.0])
    norm.running_var = torch.tensor([4.0, 9.0])
    alone = torch.tensor([3.0, 5.0]).view(1, 2, 1, 1)
    expected = [(3 - 1) / (4 + 1e-5) ** 0.5, (5 - 2) / (9 + 1e-5) ** 0.5]
    assert norm(alone).flatten().tolist() == pytest.approx(expected)
    assert norm.running_mean.tolist() == [1.0, 2.0]
    pair: Tensor = torch.tensor([[3.0, 5.0], [1.0, 1.0]]).view(2, 2, 1, 1)
    assert torch.equal(PooledNorm(2)(pair), nn.BatchNorm2d(2)(pair))
    assert not torch.equal(norm(pair), norm.eval()(pair))


def test_deeplab_takes_the_last_image_of_an_epoch_alone() -> None:
    network = build("deeplabv3_mobilenet_v3_large", 3, auxiliary=False).train()
    assert torch.isfinite(network(torch.rand(1, 3, 33, 33))).all()
