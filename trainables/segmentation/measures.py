"""What segmentation is measured by, from one table of pixel counts.

Counts are whole numbers, so that the order in which batches are summed changes nothing.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

VOID: Final = 255
"""The label of pixels that belong to no class: they are neither learnt nor measured."""


def confusion(labels: Tensor, predictions: Tensor, n_classes: int) -> Tensor:
    """Return how many pixels of each class were taken for each class: int64 [classes, classes].

    Rows are `labels`, columns `predictions`, both of one shape; void pixels count nowhere. Labels
    and predictions must be classes in [0, n_classes), or void among the labels.
    """
    known = labels != VOID
    pairs = labels[known].to(torch.int64) * n_classes + predictions[known].to(torch.int64)
    return torch.bincount(pairs, minlength=n_classes**2).reshape(n_classes, n_classes)


def mean_iou(counts: Tensor) -> float:
    """Return the mean over classes of intersection over union, in [0, 1]; NaN without a pixel.

    A class that occurs neither among labels nor among predictions has no union, and stays out of
    the mean.
    """
    counts = counts.cpu().to(torch.float64)
    intersection = counts.diagonal()
    union = counts.sum(0) + counts.sum(1) - intersection
    present = union > 0
    return float((intersection[present] / union[present]).mean())


def pixel_accuracy(counts: Tensor) -> float:
    """Return the share of labelled pixels that were taken for their class; NaN without a pixel."""
    counts = counts.cpu().to(torch.float64)
    return float(counts.diagonal().sum() / counts.sum())
