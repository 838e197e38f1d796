"""Batches by tokens, formed once by length, so that little of a batch is padding."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def by_length(lengths: NDArray[np.int64], most: int) -> list[NDArray[np.int64]]:
    """Return batches of pairs of about equal length, at most `most` tokens each with padding.

    `lengths` [N, 2]: tokens of source and target. A batch of n pairs counts n times the longest of
    its sources or targets, whichever is longer; a pair that is longer by itself makes a batch of
    its own. Pairs of equal lengths stay in their order.
    """
    longer = lengths.max(1)
    order = np.lexsort((lengths[:, 1], lengths[:, 0], longer))
    batches, start = [], 0
    for stop in range(1, len(order) + 1):  # the last is the longest
        if stop == len(order) or (stop + 1 - start) * int(longer[order[stop]]) > most:
            batches.append(order[start:stop])
            start = stop
    return batches
