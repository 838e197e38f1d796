"""Ctrl-C during a run: answered at once, and the run ended tidily; a second one ends it at once."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

STOPPING: Final = (
    "Stopping. What is settled stays, and trials at work go on from their last saved state when the"
    " same command is run again. Ctrl-C again ends at once."
)

_SWITCH: Final = "TUNE_DISABLE_SIGINT_HANDLER"
"""Tune would take Ctrl-C for itself, and answer with how to restore an experiment of its own."""


@contextmanager
def interruptible(say: Callable[[str], object]) -> Iterator[None]:
    """Answer the first Ctrl-C with `say`, and have the Tune run that is going on end its loop.

    Tune ends on SIGUSR1 too. Where it does not listen yet, and for a second Ctrl-C, what was there
    before answers, or Python's own handler where the process ignored it. Outside of the main thread
    nothing is caught.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, switch = signal.getsignal(signal.SIGINT), os.environ.get(_SWITCH)

    def stop(_: int, __: Any) -> None:
        signal.signal(signal.SIGINT, before if callable(before) else signal.default_int_handler)
        if not callable(signal.getsignal(signal.SIGUSR1)):
            raise KeyboardInterrupt
        say(STOPPING)
        logging.getLogger("ray.tune.tune").setLevel(logging.CRITICAL)
        signal.raise_signal(signal.SIGUSR1)

    os.environ[_SWITCH] = "1"
    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if switch is None:
            del os.environ[_SWITCH]
        else:
            os.environ[_SWITCH] = switch
