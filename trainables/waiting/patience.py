"""How what failed is tried again: the first times within moments, then with pauses that grow.

A store that refuses one request in three costs next to nothing that way, and one that is out for
minutes is not asked more often than it was. Knows no files.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

T = TypeVar("T")

ABSENT: Final = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What reading raises of a file that is not there: an answer of the store, not an outage."""

_HOPELESS: Final = ("NO_SUCH_BUCKET", "INVALID_ACCESS_KEY_ID", "SIGNATURE_DOES_NOT_MATCH")
"""What an object store says where its address or the user's key is wrong."""

_CHANCE: Final = random.Random()  # of its own: the global one belongs to what is computed


@dataclass(frozen=True)
class Patience:
    """How long something is tried again, and the pauses between: doubled up to a longest one.

    Each pause is shortened by chance by up to a `spread` of it, so that many workers do not come
    back at once. Where it is not `hopeful`, what waiting hardly mends is not waited for.
    """

    seconds: float
    first_s: float = 0.02
    most_s: float = 15.0
    spread: float = 0.5
    hopeful: bool = True

    def pause_s(self, failures: int) -> float:
        """Return the longest pause after so many failures in a row; 0 after none."""
        if failures <= 0:
            return 0.0
        return float(min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 30)))

    def drawn_s(self, failures: int) -> float:
        """Return a pause after so many failures in a row, by chance."""
        return self.pause_s(failures) * (1.0 - self.spread * _CHANCE.random())


AT_ONCE: Final = Patience(1.2)
"""How long one request is made again before anybody hears of it: seven times or so."""

BELIEVED_S: Final = 5.0
"""How long a store that did not answer twice in a row is taken for silent."""

AT_START: Final = Patience(4.0, hopeful=False)
"""How long what has not begun waits for a store: long enough for one that refuses some requests."""


def hopeless(fault: OSError) -> bool:
    """Whether a store says of itself that waiting will not mend a fault."""
    text = str(fault)
    return any(code in text for code in _HOPELESS)


class Trouble:
    """Failures in a row: when they began, whether patience is spent, when to try again."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._since: float | None = None
        self._due = 0.0
        self._failures = 0

    @property
    def lasting(self) -> bool:
        """Whether the last attempt failed."""
        return self._since is not None

    @property
    def seconds(self) -> float:
        """Seconds since the first of the failures; 0 when the last attempt succeeded."""
        return 0.0 if self._since is None else self._clock() - self._since

    @property
    def spent(self) -> bool:
        """Whether failures have lasted for as long as patience does."""
        return self._since is not None and self.seconds >= self._patience.seconds

    @property
    def pause_s(self) -> float:
        """Seconds until the next attempt; never beyond the end of patience."""
        if self._since is None:
            return 0.0
        return max(0.0, min(self._due, self._since + self._patience.seconds) - self._clock())

    def failed(self) -> None:
        """Note a failure."""
        now = self._clock()
        self._failures += 1
        self._due = now + self._patience.drawn_s(self._failures)
        if self._since is None:
            self._since = now

    def over(self) -> None:
        """Note a success."""
        self._since, self._failures = None, 0


class Attempts:
    """Requests to one store, each made again within moments where it fails.

    After one that was in vain to the end the store counts as out, and each is made once until one
    succeeds: whoever asked waits longer between them, and is not held up by each. Where the store
    does not even answer, the second of these is believed for some seconds: a reader of a thousand
    files would wait for each.
    """

    def __init__(self, patience: Patience = AT_ONCE) -> None:
        self._patience = patience
        self._out = False
        self._silence = OSError()
        self._silent_until = 0.0

    def of(self, request: Callable[[], T]) -> T:
        """Return what a request returns; its OSError where it fails to the end."""
        began, failures = time.monotonic(), 0
        if began < self._silent_until:
            raise OSError(str(self._silence)) from self._silence
        while True:
            try:
                answer = request()
            except ABSENT:
                self._out = False
                raise
            except OSError as fault:
                failures += 1
                left = began + self._patience.seconds - time.monotonic()
                if self._out or left <= 0 or hopeless(fault):
                    self._give_up(fault, silent=failures == 1 and left <= 0)
                    raise
                time.sleep(min(left, self._patience.drawn_s(failures)))
            else:
                self._out = False
                return answer

    def _give_up(self, fault: OSError, silent: bool) -> None:
        if self._out and silent:
            self._silence, self._silent_until = fault, time.monotonic() + BELIEVED_S
        self._out = True
