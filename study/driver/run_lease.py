"""The lease of the run that is at work in a study folder: two drivers must not share one."""

from __future__ import annotations

import sys
import time

from trainables.files.leases import LEASE_TIMEOUT_S, Leases, is_local
from trainables.files.progress import RUN_LEASE
from trainables.files.storage import Folder
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import duration


def refuse_another_run(
    folder: Folder, leases: Leases, timeout_s: float = LEASE_TIMEOUT_S, poll_s: float = 2.0
) -> None:
    """Refuse a folder in which another run is at work.

    A lease of a process of this host is alive, else it would not be among the others. One from
    elsewhere is alive when it changes within the timeout; if it does not, its driver was lost, and
    the lease is deleted.
    """
    texts = leases.others(RUN_LEASE)
    if not texts:
        return
    if any(is_local(text) for text in texts.values()) or _changes(leases, texts, timeout_s, poll_s):
        raise Refusal(f"--out must not be in use by another run, got {folder.location}")
    for name in texts:
        folder.delete(f"{RUN_LEASE}/{name}")


class Holding:
    """A run's own lease, looked at before each heartbeat: the folder may be another run's by now.

    A driver that was frozen for longer than its lease knows nothing of it. And two drivers on two
    machines may have begun at once.
    """

    def __init__(self, leases: Leases) -> None:
        self._leases = leases
        self._before: dict[str, str] = {}

    def lost(self) -> bool:
        """Whether this run must end: its lease was taken away, or another run is at work here too,
        which the names of both make the one to stay."""
        if not self._leases.holds(RUN_LEASE):
            return True
        before, self._before = self._before, self._leases.others(RUN_LEASE)
        return any(
            name < self._leases.file and (is_local(text) or before.get(name, text) != text)
            for name, text in self._before.items()
        )


def _changes(leases: Leases, texts: dict[str, str], timeout_s: float, poll_s: float) -> bool:
    """Whether a lease gets a new heartbeat, or a new one comes, within the timeout."""
    print(
        "a run from another machine was at work in this folder; looking for up to"
        f" {duration(timeout_s)} whether it still is",
        file=sys.stderr,
        flush=True,
    )
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        time.sleep(poll_s)
        now = leases.others(RUN_LEASE)
        if any(texts.get(name) != text for name, text in now.items()):
            return True
        if not now:
            return False
    return False
