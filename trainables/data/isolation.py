"""Items made by themselves: under generators of their own, and by one thread.

So an item has the same bits in whichever process it is made, and whatever was made before it.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def reseed(seed: int, device: torch.device | None = None) -> None:
    """Let torch (on the CPU and on a CUDA device), NumPy and `random` draw from a seed from now on.

    As `torch.manual_seed` seeds torch, which however takes as long as three hundred of these where
    CUDA is installed and not in use.
    """
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)
    random.seed(seed)
    if device is not None and device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


@contextmanager
def restoring_generators() -> Iterator[None]:
    """After this context torch on the CPU, NumPy and `random` draw as if it had not been there."""
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within this context torch, NumPy and `random` draw from a seed; after it as before."""
    with restoring_generators():
        reseed(seed)
        yield


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
    """Set a loader process up: it makes items with one thread.

    What it inherits it never collects: the parent's garbage may hold things, such as a connection
    of Ray's, whose end in a process that was forked is that process's own.
    """
    gc.freeze()
    torch.set_num_threads(1)
