"""Mean IoU and pixel accuracy, worked out by hand on 4 x 4 masks with void."""

from __future__ import annotations

import math

import pytest
import torch

from trainables.segmentation.measures import confusion, mean_iou, pixel_accuracy

V = 255
LABELS = torch.tensor([[0, 0, 1, 1], [0, 0, 1, V], [2, 2, 1, V], [2, 2, 2, V]])
PREDICTIONS = torch.tensor([[0, 0, 1, 1], [0, 1, 1, 0], [2, 2, 1, 3], [2, 0, 2, 2]])
COUNTS = [[3, 1, 0, 0], [0, 4, 0, 0], [1, 0, 4, 0], [0, 0, 0, 0]]


def test_counts_by_hand_leave_void_out() -> None:
    counts = confusion(LABELS, PREDICTIONS, 4)
    assert counts.tolist() == COUNTS
    assert counts.dtype == torch.int64


def test_measures_by_hand() -> None:
    counts = torch.tensor(COUNTS)
    # 3 of 4 + 4 - 3, 4 of 4 + 5 - 4, 4 of 5 + 4 - 4; nothing is of class 3 or taken for it
    assert mean_iou(counts) == pytest.approx((3 / 5 + 4 / 5 + 4 / 5) / 3)
    assert pixel_accuracy(counts) == pytest.approx(11 / 13)


def test_a_class_that_is_only_predicted_has_an_iou_of_zero() -> None:
    counts = confusion(torch.tensor([0, 0]), torch.tensor([0, 1]), 3)
    assert mean_iou(counts) == pytest.approx((1 / 2 + 0) / 2)


def test_sums_over_batches_are_those_of_the_whole() -> None:
    parts = [confusion(LABELS[at : at + 1], PREDICTIONS[at : at + 1], 4) for at in range(4)]
    assert torch.equal(sum(parts[1:], parts[0]), confusion(LABELS, PREDICTIONS, 4))


def test_masks_of_bytes_do_not_overflow() -> None:
    labels = torch.tensor([20, 20, V], dtype=torch.uint8)
    counts = confusion(labels, torch.tensor([20, 19, 0]), 21)
    assert (int(counts[20, 20]), int(counts[20, 19]), int(counts.sum())) == (1, 1, 2)


def test_void_alone_has_no_measure() -> None:
    counts = confusion(torch.tensor([V, V]), torch.tensor([0, 1]), 2)
    assert math.isnan(mean_iou(counts)) and math.isnan(pixel_accuracy(counts))
