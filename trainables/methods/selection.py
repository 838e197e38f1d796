"""Which of many scores are the largest, exactly and fast, for the choice in every step.

The same choice as `lowest` of pruning, which is asked once a prune.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.pruning.lowest import lowest

SAMPLE_EVERY = 61
"""Every so many scores one is sorted, to tell where the threshold must lie; a prime, so that the
sample does not keep to some columns of a layer."""


def all_but_lowest(scores: Tensor, count: int) -> Tensor:
    """Return 1 for all but the `count` lowest of the scores [n], no NaN, else 0, as scores [n].

    Of equal scores the first are the lower. May use the scores' own memory.
    """
    if scores.is_cuda or count == 0:
        return (~lowest(scores, count)).to(scores.dtype)
    values = scores.numpy()
    threshold = kth_lowest(values, count)
    ties = np.flatnonzero(values == threshold)
    n_below = np.count_nonzero(values < threshold)
    # Three passes in place: a comparison as bool, turned into floats, takes five times as long.
    kept = scores.sub_(float(threshold)).clamp_min_(0).sign_()
    kept[torch.from_numpy(ties[count - n_below :])] = 1
    return kept


def kth_lowest(values: np.ndarray[Any, Any], k: int) -> Any:
    """Return the k-th lowest, from 1, of the values [n].

    A sorted sample gives two bounds that almost surely enclose it, and only what lies between them
    is ordered. The bounds are checked: an unlucky sample, or one misled by an order in the values,
    costs time and nothing else. Many equal values end up on a bound, where nothing is to order.
    """
    low, high = _bounds(values, k)
    n_up_to_low = np.count_nonzero(values <= low)
    if k <= n_up_to_low:
        inside = np.count_nonzero(values < low) < k
        return low if inside else np.partition(values, k - 1)[k - 1]
    between = values[(values > low) & (values < high)]
    place = k - n_up_to_low
    if place <= len(between):
        return np.partition(between, place - 1)[place - 1]
    if k <= np.count_nonzero(values <= high):
        return high
    return np.partition(values, k - 1)[k - 1]


def _bounds(values: np.ndarray[Any, Any], k: int) -> tuple[Any, Any]:
    """Two values of a sample, four standard deviations of its quantile below and above."""
    sample = np.sort(values[::SAMPLE_EVERY])
    n, share = len(sample), k / len(values)
    margin = 4 * (n * share * (1 - share)) ** 0.5 + 2
    low, high = round(share * n - margin), round(share * n + margin)
    return sample[min(max(low, 0), n - 1)], sample[min(high, n - 1)]
