"""Why a run ends before its work is done, in one sentence, and the exit status that says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal

from trainables.files.outages import StoreOutage
from trainables.vocabulary.wording import duration
from trainables.waiting.patience import Patience

Cause = Literal["store", "nodes", "run", "cluster"]

AGAIN = "run the same command again to go on"

_STATUS: Final[dict[Cause, int]] = {"store": 1, "nodes": 1, "run": 1, "cluster": 3}


@dataclass(frozen=True)
class RunEnd:
    """What ended a run early: its store, what its nodes lack, another run in its folder, or
    the loss of its cluster."""

    cause: Cause
    sentence: str

    @property
    def status(self) -> int:
        """The exit status: 3 when the cluster was lost, else 1."""
        return _STATUS[self.cause]


def cluster_lost(head: str) -> RunEnd:
    """The end of a run whose Ray, with its head at host:port, does not answer any more."""
    sentence = f"the cluster was lost: Ray's head at {head} does not answer any more"
    return RunEnd("cluster", sentence)


class ClusterLost(Exception):
    """Ray raised something, and its head does not answer."""

    def __init__(self, end: RunEnd) -> None:
        super().__init__(end.sentence)
        self.end = end


def store_is_out(location: str, patience: Patience, fault: OSError) -> str:
    """The warning of a run that cannot write into its folder, and goes on."""
    return (
        f"warning: {location} cannot be written now ({_reason(fault)}); what is to be written is"
        f" kept, and tried again for {duration(patience.seconds)}"
    )


def store_was_out(location: str, patience: Patience, fault: OSError | None) -> RunEnd:
    """The end of a run that could not write into its folder for as long as patience lasts."""
    return RunEnd(
        "store",
        f"{location} could not be written for {duration(patience.seconds)}"
        f" (resources.store_patience): {_reason(fault)}",
    )


def _reason(fault: OSError | None) -> str:
    """What a store said, beside a sentence that names it."""
    return fault.reason if isinstance(fault, StoreOutage) else str(fault)


@contextmanager
def ends_as_interrupts() -> Iterator[None]:
    """Within this context SIGTERM, and SIGHUP of a terminal that closes, do what Ctrl-C does.

    Ray's own handler of the first, which a session installs, would end the process without a word.
    A SIGHUP that is ignored, as under `nohup`, stays so, and SIGTERM is heard where a shell has the
    process ignore Ctrl-C, as in the background. Nothing changes outside the main thread.
    """
    import signal
    import threading

    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        if not callable(signal.getsignal(signal.SIGINT)):
            raise KeyboardInterrupt
        signal.raise_signal(signal.SIGINT)

    signals = [signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    before = {number: signal.signal(number, interrupt) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
