"""Items made by themselves: under generators of their own, and by one thread.

So an item has the same bits in whichever process it is made, and whatever was made before it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this context torch, numpy and random draw from a seed; after it as before."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


@contextmanager
def single_threaded() -> Iterator[None]:
    """Within this context torch computes with one thread."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def one_thread(_worker: int) -> None:
    """Set a loader process up: it makes items with one thread."""
    torch.set_num_threads(1)
