"""The loss of a loader's process is an error where the next batch is waited for, and only there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from trainables.data.loading import __file__ as loading_file
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


CAUGHT = """Caught {0} in DataLoader worker process 1.
Original Traceback (most recent call last):
  File "{1}/torch/utils/data/_utils/worker.py", line 375, in _worker_loop
    data = fetcher.fetch(index)
           ^^^^^^^^^^^^^^^^^^^^
  File "{2}/training/loader.py", line 127, in _under
    items.append(self._items[index])
  File "/home/ada/birds.py", line 44, in __getitem__
    return read(path)
  File "{1}/numpy/lib/reading.py", line 7, in read
    raise ValueError(path)
{3}
"""


def of_an_item(kind: type[Exception], end: str) -> Exception:
    """The error that torch makes of one that an item raised in a process of a loader."""
    installed, package = (str(Path(p).parent.parent) for p in (torch.__file__, loading_file))
    return kind(CAUGHT.format(kind.__name__, installed, package, end))


@pytest.mark.parametrize(
    ("kind", "end", "sentence"),
    [
        (FileNotFoundError, "FileNotFoundError: no 3.png", "no 3.png (birds.py, line 44)"),
        (ValueError, "ValueError: two\nlines: both", "two lines: both (birds.py, line 44)"),
        (RuntimeError, "birds.Torn: half", "birds.Torn: half (birds.py, line 44)"),
        (AssertionError, "AssertionError", "AssertionError (birds.py, line 44)"),
    ],
)
def test_an_items_own_error_is_told_in_one_sentence_with_its_line(
    kind: type[Exception], end: str, sentence: str
) -> None:
    def sent() -> Iterator[int]:
        raise of_an_item(kind, end)
        yield 1

    with pytest.raises(kind) as raised:
        next(_told(sent()))
    assert str(raised.value) == sentence
    assert "numpy/lib/reading.py" in str(raised.value.__cause__)


def test_an_error_that_no_item_raised_stays() -> None:
    def sent() -> Iterator[int]:
        raise ValueError("Caught a cold")
        yield 1

    with pytest.raises(ValueError, match=r"^Caught a cold$"):
        next(_told(sent()))
