"""Random draws as a function of (seed, stage position, epoch, use), made on the CPU.

The position is "dense" or a cycle's number, never a stage's hash: trials that differ in their
schedule see the same orders and augmentations, and a stage can be resumed anywhere.
"""

from __future__ import annotations

import hashlib
from typing import Literal

import torch

_WORD = 2**64 - 1

Use = Literal["init", "order", "augment", "dropout", "prune", "bn", "item", "batch"]


def derived_seed(seed: int, position: str, epoch: int, use: Use, step: int = 0) -> int:
    """Return a seed in [0, 2^63) that is independent for every different argument."""
    text = f"{seed}/{position}/{epoch}/{use}/{step}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def item_seed(base: int, index: int) -> int:
    """Return a seed in [0, 2^63) for an item, from a derived seed of its epoch.

    The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit of the sum decides on every
    bit of the seed. A hundred times as fast as a hash where caches hold other things.
    """
    mixed = (base + index * 0x9E3779B97F4A7C15) & _WORD
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _WORD
    return (mixed ^ (mixed >> 31)) >> 1


def generator(seed: int, position: str, epoch: int, use: Use) -> torch.Generator:
    """Return a fresh CPU generator for one use in one epoch of one stage."""
    return torch.Generator().manual_seed(derived_seed(seed, position, epoch, use))


def epoch_order(n: int, seed: int, position: str, epoch: int) -> torch.Tensor:
    """Return the order in which an epoch visits n examples: a permutation, int64 [n]."""
    return torch.randperm(n, generator=generator(seed, position, epoch, "order"))
