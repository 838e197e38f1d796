"""Batches of torch's DataLoader, and the loss of one of its processes as an error at one place."""

from __future__ import annotations

import re
import signal
import sysconfig
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from trainables.data.raw import DataFormatError
from trainables.vocabulary.wording import in_one_line

RESTARTS = 3
"""How often in a row a loader that has lost a process is started anew at the same place."""


def fetched(loader: DataLoader[Any]) -> Iterator[Any]:
    """Yield what a loader gives; RuntimeError at the next one where a process of its is lost.

    Left alone, torch raises that error from a signal handler, in whatever this process is doing,
    an optimiser step or a write to a file; so its handler is taken out again. A loss is then found
    while the next batch is waited for, within seconds.
    """
    before = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    if threading.current_thread() is threading.main_thread():
        kept = before if callable(before) and not _is_torch_s(before) else signal.SIG_DFL
        if _is_torch_s(signal.getsignal(signal.SIGCHLD)):
            signal.signal(signal.SIGCHLD, kept)
    return _told(iterator) if loader.num_workers else iterator


def _told(batches: Iterator[Any]) -> Iterator[Any]:
    """Tell the loss of a process that was sending a batch, a broken connection, as any other."""
    while True:
        try:
            batch = next(batches)
        except StopIteration:
            return
        except DataFormatError as error:  # torch hands on the traceback as its text
            sentence = str(error).rpartition(f"{DataFormatError.__name__}: ")[2].strip()
            raise DataFormatError(sentence) from error
        except Exception as error:
            if trace := _ITEM_FAULT.match(str(error)):
                raise type(error)(_sentence(error, trace["trace"])) from error
            if not isinstance(error, EOFError | ConnectionError | FileNotFoundError):
                raise
            raise RuntimeError(f"{_LOST} unknown) ended while it sent a batch") from error
        yield batch


_LOST = "DataLoader worker (pid"

_ITEM_FAULT = re.compile(
    r"Caught \w+ in DataLoader worker process \d+\.\n"
    r"Original Traceback \(most recent call last\):\n(?P<trace>.*)",
    re.DOTALL,
)
"""What torch makes of an error that an item raised: the traceback as the message of another one."""

_FRAME = re.compile(r'^  File "(?P<file>.+)", line (?P<line>\d+).*\n(?:    .*\n)*', re.MULTILINE)


def _sentence(error: Exception, trace: str) -> str:
    """The last lines of a traceback, without the error's own name, and the line that is at fault:
    the innermost of code that is neither installed nor this project's."""
    frames = list(_FRAME.finditer(trace))
    end = in_one_line(trace[frames[-1].end() if frames else 0 :])
    own = [frame for frame in frames if not _is_foreign(frame["file"])]
    place = f" ({Path(own[-1]['file']).name}, line {own[-1]['line']})" if own else ""
    return end.removeprefix(f"{type(error).__name__}: ") + place


def _is_foreign(file: str) -> bool:
    inside = (Path(__file__).parents[1], Path(sysconfig.get_path("stdlib")))
    path = Path(file)
    return (
        file.startswith("<")
        or "site-packages" in path.parts
        or any(map(path.is_relative_to, inside))
    )


def is_loss(error: RuntimeError) -> bool:
    """Whether an error is that a process of a loader was lost, and no fault in an item of its."""
    return str(error).startswith(_LOST)


def _is_torch_s(handler: Any) -> bool:
    return str(getattr(handler, "__module__", "")).startswith("torch.utils.data")
