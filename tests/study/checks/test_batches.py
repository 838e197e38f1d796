"""Batches of one example, and goals that leave no weight: refused before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from study.checks.batches import check_batches, parts_of_an_epoch
from study.checks.structures import refuse_empty_networks
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from trainables.vocabulary.refusal import Refusal


@pytest.mark.parametrize(
    ("n_train", "batch", "micro", "parts"),
    [
        (128, 64, None, {64}),
        (129, 64, None, {64, 1}),
        (10, 64, None, {10}),
        (1, 64, None, {1}),
        (128, 64, 32, {32}),
        (128, 64, 63, {63, 1}),
        (129, 64, 16, {16, 1}),
        (100, 64, 5, {5, 4, 1}),
        (66, 64, 3, {3, 1, 2}),
    ],
)
def test_the_parts_of_an_epoch(
    n_train: int, batch: int, micro: int | None, parts: set[int]
) -> None:
    assert parts_of_an_epoch(n_train, batch, micro) == parts


def study(task: dict[str, Any], **sections: Any) -> StudyFile:
    return StudyFile.of(
        {
            "name": "small",
            "task": task,
            "dense": {"epochs": 2, "batch_size": 64},
            "prune": {"sparsity": 0.5},
            "retrain": {"epochs": 1},
            **sections,
        }
    )


def shrinking(n_train: int) -> dict[str, Any]:
    """ResNet-18's last maps are one pixel where images have 32."""
    return {"dataset": {"name": "cifar10", "n_train": n_train}, "model": "torchvision/resnet18"}


def test_one_example_by_itself_is_refused_where_a_map_has_one_pixel() -> None:
    whole = resolve(study(shrinking(129))).representatives
    rule = "dense.batch_size must not leave a single example to torchvision/resnet18"
    with pytest.raises(
        Refusal, match=rf"^{rule}, .* got 64 of 129 examples \(Expected more than 1"
    ):
        check_batches(whole)
    parts = resolve(study(shrinking(128), compute={"micro_batch": 63})).representatives
    with pytest.raises(Refusal, match=r"^compute.micro_batch must not .*, got 63 of 128 examples"):
        check_batches(parts)
    check_batches(resolve(study(shrinking(130))).representatives)


def test_networks_whose_maps_stay_larger_take_one_example() -> None:
    for model in ("cnn", "mlp", "resnet56"):
        task = {"dataset": {"name": "digits", "n_train": 129}, "model": model}
        check_batches(resolve(study(task)).representatives)


MLP = {"dataset": "digits", "model": {"name": "mlp", "hidden": [4]}}
"""64 * 4 + 4 * 10 = 296 weights, of which half of one is .0017."""


@pytest.mark.parametrize(
    ("prune", "refused"),
    [
        ({"sparsity": 0.998}, False),
        ({"sparsity": 0.9985}, True),
        ({"sparsity": 0.9985, "keep_layer_min": 1}, False),
        ({"sparsity": 0.9985, "structure": "rows"}, False),
        ({"sparsity": 0.9975, "scope": "layer"}, False),  # one of 256 stays
        ({"sparsity": 0.9985, "scope": "layer"}, True),
    ],
)
def test_a_goal_that_leaves_no_weight_is_refused(prune: dict[str, Any], refused: bool) -> None:
    resolved = resolve(study(MLP, prune=prune))
    if not refused:
        refuse_empty_networks(resolved)
        return
    with pytest.raises(Refusal, match=r"^prune.sparsity must leave one of the 296 .*, got 0.9985"):
        refuse_empty_networks(resolved)
