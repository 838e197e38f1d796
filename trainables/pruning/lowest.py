"""Which of many scores are the lowest, exactly, ties by place, on every device alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor


def lowest(score: Tensor, count: int) -> Tensor:
    """Which of the scores [n] are the `count` lowest, as bool [n]; among equal ones the first.

    Exact on every device, and on CUDA without waiting for the device.
    """
    if score.is_cuda:
        # A stable sort is exact on ties and never asks the device for a number.
        order = score.sort(stable=True).indices
        return torch.zeros_like(score, dtype=torch.bool).index_fill_(0, order[:count], True)
    if count == 0:
        return torch.zeros_like(score, dtype=torch.bool)
    values = score.numpy()
    threshold = _kth_lowest(values, count)
    low = values < threshold
    ties = np.flatnonzero(values == threshold)
    low[ties[: count - np.count_nonzero(low)]] = True
    return torch.from_numpy(low)


def _kth_lowest(values: np.ndarray[Any, Any], k: int) -> Any:
    # NumPy's selection is two to six times as fast as torch.kthvalue, and only the value is used,
    # in which no two algorithms differ. But where very many values equal the least (all that is
    # pruned already) it takes thirty times as long: these are set aside first.
    while True:
        least = values.min()
        above = values[values > least]
        n_least = len(values) - len(above)
        if k <= n_least:
            return least
        if 8 * n_least < len(values):
            return np.partition(values, k - 1)[k - 1]
        values, k = above, k - n_least
