"""The loss of a loader's process is an error where the next batch is waited for, and only there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from torch.utils.data import DataLoader

from trainables.data.loading import _told, fetched, is_loss


class Pids:
    """Items that tell which process made them."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        return os.getpid()


def first_as_it_is(batch: list[Any]) -> Any:
    return batch[0]


def loader() -> DataLoader[Any]:
    return DataLoader(Pids(), 1, num_workers=1, collate_fn=first_as_it_is, prefetch_factor=1)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_loss_is_told_at_the_next_batch_alone() -> None:
    batches = fetched(loader())
    os.kill(next(batches), signal.SIGKILL)
    until = time.monotonic() + 0.5
    while time.monotonic() < until:  # torch's handler would raise here
        pass
    with pytest.raises(RuntimeError) as raised:
        list(batches)
    assert is_loss(raised.value)


def test_a_handler_of_another_stays() -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGCHLD, lambda number, _frame: calls.append(number))
    mine = signal.getsignal(signal.SIGCHLD)
    try:
        assert len(list(fetched(loader()))) == 8
        assert signal.getsignal(signal.SIGCHLD) is mine
    finally:
        signal.signal(signal.SIGCHLD, before)


def test_other_errors_are_no_losses() -> None:
    assert not is_loss(RuntimeError("size mismatch"))
    assert not is_loss(RuntimeError("Caught RuntimeError in DataLoader worker process 0."))


@pytest.mark.parametrize("broken", [EOFError(), ConnectionResetError(104, "reset")])
def test_a_connection_that_breaks_while_a_batch_is_sent_is_a_loss(broken: Exception) -> None:
    def sent() -> Iterator[int]:
        yield 1
        raise broken

    batches = _told(sent())
    assert next(batches) == 1
    with pytest.raises(RuntimeError) as raised:
        next(batches)
    assert is_loss(raised.value)


def test_an_items_own_error_of_such_a_kind_stays() -> None:
    def sent() -> Iterator[int]:
        raise FileNotFoundError("Caught FileNotFoundError in DataLoader worker process 0.")
        yield 1

    with pytest.raises(FileNotFoundError, match="Caught"):
        next(_told(sent()))
