"""Loss, weight and score of segmentation, worked out by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.pruning.prunable import prunable
from trainables.segmentation.networks import build
from trainables.segmentation.task import Segmentation

V = 255
MASKS = torch.tensor([[[0, 1], [V, 0]], [[V, V], [V, 1]]], dtype=torch.uint8)
"""Two masks of four pixels, four of eight labelled."""


class TwoClasses(Segmentation):
    """Half of the pixels are class 0, by what the network says of every pixel."""

    def splits(self) -> Splits:
        part = InMemory.of(torch.zeros(2, 3, 2, 2), MASKS)
        return Splits(part, part)

    def model(self) -> nn.Module:
        return nn.Conv2d(3, 2, 1)


def saying(share: float, aux: float | None = None) -> Any:
    """A network that gives class 0 a probability at every pixel, its auxiliary head another."""

    def logits(images: Tensor, p: float) -> Tensor:
        odds = torch.tensor([p, 1 - p]).log().view(1, 2, 1, 1)
        return odds.expand(len(images), 2, *images.shape[-2:])

    def model(images: Tensor) -> Any:
        main = logits(images, share)
        return main if aux is None else (main, logits(images, aux))

    return model


BATCH = (torch.zeros(2, 3, 2, 2), MASKS)
MEAN = -(2 * math.log(0.75) + 2 * math.log(0.25)) / 4


def test_the_loss_is_a_mean_over_labelled_pixels() -> None:
    task = TwoClasses()
    assert task.weight(BATCH).tolist() == 4
    assert task.loss(saying(0.75), BATCH).item() == pytest.approx(MEAN)


def test_an_auxiliary_head_counts_its_share() -> None:
    task = TwoClasses()
    task.auxiliary = 0.4
    expected = MEAN + 0.4 * math.log(2)
    assert task.loss(saying(0.75, 0.5), BATCH).item() == pytest.approx(expected)
    score = task.score(saying(0.75, 0.5), BATCH)
    assert float(score["loss"]) == pytest.approx(4 * MEAN)  # what is measured is the first head


def test_smoothing_by_hand() -> None:
    task = TwoClasses()
    task.smoothing = 0.2
    each = [-0.9 * math.log(p) - 0.1 * math.log(1 - p) for p in (0.75, 0.25)]
    assert task.loss(saying(0.75), BATCH).item() == pytest.approx(sum(each) / 2)


def test_a_batch_of_void_alone_moves_nothing() -> None:
    task, model = TwoClasses(), nn.Conv2d(3, 2, 1)
    batch = (torch.ones(2, 3, 2, 2), torch.full_like(MASKS, V))
    loss = task.loss(model, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    assert (loss.item(), int(task.weight(batch))) == (0.0, 0)
    assert model.weight.grad is not None and not model.weight.grad.any()
    with torch.no_grad():
        score = task.score(model, batch)
    assert float(score["loss"]) == 0.0 and not score["confusion"].any()


def test_measures_of_a_part_come_from_summed_counts() -> None:
    task = TwoClasses()
    scores = [
        task.score(saying(0.75), (BATCH[0][at : at + 1], MASKS[at : at + 1])) for at in (0, 1)
    ]
    sums = {name: scores[0][name] + scores[1][name] for name in scores[0]}
    numbers = task.finish({**sums, "weight": 4})
    # class 0 everywhere: its IoU is 2 of 4, that of class 1 is 0
    assert numbers == {"mean_iou": 0.25, "pixel_accuracy": 0.5, "loss": pytest.approx(MEAN)}


def test_declarations() -> None:
    declared = TwoClasses.declarations()
    assert (declared.deciding, declared.counts, declared.loss_unit) == ("mean_iou", "pixels", "nat")
    assert all(metric.percent and metric.better == "more" for metric in declared.metrics.values())


def test_all_but_the_auxiliary_head_may_be_pruned() -> None:
    with torch.device("meta"):
        network = build("fcn_resnet50", 3, auxiliary=True)
    names = set(prunable(network, TwoClasses().prunable))
    convolutions = {
        f"{name}.weight" for name, m in network.named_modules() if isinstance(m, nn.Conv2d)
    }
    assert convolutions - names == {"aux_classifier.0.weight", "aux_classifier.4.weight"}
    assert names < convolutions and "classifier.4.weight" in names
