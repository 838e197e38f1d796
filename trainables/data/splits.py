"""Splits that keep the share of every class, as pure functions of labels and a seed.

Needs only numpy. The shuffle is numpy's legacy `RandomState`, whose stream numpy has frozen, so
that a split is the same under every version.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Indices = NDArray[np.int64]

SPLIT_SEED = 0
"""The one seed of every split and subset: the same images are held out in every study."""


def share_of(n: int, share: float) -> int:
    """Return round(share n) for the decimal that was written: .575 of 100 is 57.5, so 58.

    In floats it is 57.49999999999999. Halves go to the even neighbour.
    """
    return round(Fraction(str(share)) * n)


def class_quotas(counts: NDArray[np.int64], n_held: int) -> NDArray[np.int64]:
    """Return how many of `n_held` images to take from each class, in proportion to `counts`.

    Largest remainders in exact integers; of equal remainders the lower class goes first. The
    quotas sum to `n_held` and none exceeds its class. Raises ValueError unless
    0 <= n_held <= sum(counts).
    """
    total = int(counts.sum())
    if not 0 <= n_held <= total:
        raise ValueError(f"n_held must be in [0, {total}], got {n_held}")
    quotas, remainders = np.divmod(counts * n_held, max(total, 1))
    missing = n_held - int(quotas.sum())
    quotas[np.argsort(-remainders, kind="stable")[:missing]] += 1
    return quotas


def stratified(labels: Labels, n_held: int, seed: int) -> tuple[Indices, Indices]:
    """Return the indices of `n_held` images drawn class by class, and of all others.

    Both are sorted, disjoint, and together every index of `labels` [N]; how many each class gives
    is `class_quotas`. Raises ValueError as `class_quotas` does.
    """
    counts = np.bincount(labels).astype(np.int64)
    quotas = class_quotas(counts, n_held)
    shuffled = np.random.RandomState(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    held = rank < np.repeat(quotas, counts)
    return np.sort(by_class[held]), np.sort(by_class[~held])


def held_out(
    labels: Labels, n_held: int, kind: Literal["stratified", "random"], seed: int
) -> tuple[Indices, Indices]:
    """Return the indices of `n_held` images and of all others, both sorted.

    `stratified` draws class by class, `random` whatever the classes. Raises as `stratified` does.
    """
    alike = labels if kind == "stratified" else np.zeros_like(labels)
    return stratified(alike, n_held, seed)
