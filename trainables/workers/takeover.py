"""The end of a worker whose run another driver has taken over while its own one is frozen.

A frozen driver keeps its actors, and with them CPUs and GPUs that the other one needs. A worker
that waits for an order looks, every now and then, whose token the study folder holds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from trainables.files import token
from trainables.files.storage import Folder, is_remote

EVERY_S: Final = 10.0
EVERY_REMOTE_S: Final = 60.0
"""Where each look is a request that is paid for."""

IDLE_S: Final = 30.0
"""How long a worker has had no order before it looks: one of a driver at work hears sooner."""


def is_taken_over(folder: Folder, own: str) -> bool:
    """Whether a study folder holds another run's token, and no longer this one's; False where it
    cannot be read, or holds none, which is no other run's sign."""
    try:
        return not token.sees(folder, own) and token.is_there(folder)
    except OSError:
        return False


class Takeover:
    """A thread that calls `end`, which ends this process, once its run is another driver's."""

    def __init__(
        self,
        folder: Folder,
        own: str,
        end: Callable[[], None],
        idle_s: float = IDLE_S,
        every_s: float | None = None,
    ) -> None:
        remote = EVERY_REMOTE_S if is_remote(folder.location) else EVERY_S
        self._folder, self._own, self._end, self._idle_s = folder, own, end, idle_s
        self._every_s = remote if every_s is None else every_s
        self._idle_since: float | None = None
        threading.Thread(target=self._look, daemon=True).start()

    def busy(self) -> None:
        """An order is being carried out: it is finished first, whoever wants it."""
        self._idle_since = None

    def idle(self) -> None:
        """The next order is waited for."""
        self._idle_since = time.monotonic()

    def _look(self) -> None:
        while not self._waits_in_vain():
            time.sleep(self._every_s)
        self._end()

    def _waits_in_vain(self) -> bool:
        since = self._idle_since
        if since is None or time.monotonic() - since < self._idle_s:
            return False
        return is_taken_over(self._folder, self._own) and self._idle_since == since
