"""A store that cannot be read or written just now: told apart from every other fault, and waited
for with back-off.

A network file system hiccups, a disk fills up, an object store refuses requests for some seconds.
What is to be written is then kept in memory and tried again; every write here can be made twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from trainables.files.storage import Folder

T = TypeVar("T")

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
"""What reading raises of a file that is not there: an answer of the store, not an outage."""


class StoreOutage(OSError):
    """A folder of the study could not be read or written just now."""


@dataclass(frozen=True)
class Patience:
    """How long something is tried again, and the pauses between: doubled up to a longest one."""

    seconds: float
    first_s: float = 0.5
    most_s: float = 15.0

    def pause_s(self, failures: int) -> float:
        """Return the pause after so many failures in a row; 0 after none."""
        if failures <= 0:
            return 0.0
        return float(min(self.most_s, self.first_s * 2.0 ** min(failures - 1, 30)))


AT_START: Final = Patience(4.0)
"""How long what has not begun waits for a store: long enough for one that refuses some requests."""


class Trouble:
    """Failures in a row: when they began, whether patience is spent, when to try again."""

    def __init__(self, patience: Patience, clock: Callable[[], float] = time.monotonic) -> None:
        self._patience, self._clock = patience, clock
        self._since: float | None = None
        self._last = 0.0
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
        due = self._last + self._patience.pause_s(self._failures)
        return max(0.0, min(due, self._since + self._patience.seconds) - self._clock())

    def failed(self) -> None:
        """Note a failure."""
        self._last = self._clock()
        self._failures += 1
        if self._since is None:
            self._since = self._last

    def over(self) -> None:
        """Note a success."""
        self._since, self._failures = None, 0


class StoreFolder:
    """A `Folder` whose faults are `StoreOutage`s; that a file is absent is none."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder

    @property
    def location(self) -> str:
        return self._folder.location

    def read(self, name: str) -> bytes:
        with _outages(self.location, _ABSENT):
            return self._folder.read(name)

    def write(self, name: str, data: bytes) -> None:
        with _outages(self.location):
            self._folder.write(name, data)

    def exists(self, name: str) -> bool:
        with _outages(self.location, _ABSENT):
            return self._folder.exists(name)

    def names(self, under: str = "") -> list[str]:
        with _outages(self.location, _ABSENT):
            return self._folder.names(under)

    def sizes(self, under: str = "") -> dict[str, int]:
        with _outages(self.location, _ABSENT):
            return self._folder.sizes(under)

    def delete(self, name: str) -> None:
        with _outages(self.location):
            self._folder.delete(name)

    def child(self, name: str) -> StoreFolder:
        return StoreFolder(self._folder.child(name))


class PatientFolder(StoreFolder):
    """A `StoreFolder` that tries again for as long as `patience` says, then raises `StoreOutage`.

    It blocks meanwhile: for what has nothing else to do. `on_outage` is called with the first fault
    of each outage.
    """

    def __init__(
        self,
        folder: Folder,
        patience: Patience,
        on_outage: Callable[[StoreOutage], None] | None = None,
    ) -> None:
        super().__init__(folder)
        self._patience, self._on_outage = patience, on_outage

    def read(self, name: str) -> bytes:
        return self._patiently(lambda: super(PatientFolder, self).read(name))

    def write(self, name: str, data: bytes) -> None:
        self._patiently(lambda: super(PatientFolder, self).write(name, data))

    def exists(self, name: str) -> bool:
        return self._patiently(lambda: super(PatientFolder, self).exists(name))

    def names(self, under: str = "") -> list[str]:
        return self._patiently(lambda: super(PatientFolder, self).names(under))

    def sizes(self, under: str = "") -> dict[str, int]:
        return self._patiently(lambda: super(PatientFolder, self).sizes(under))

    def delete(self, name: str) -> None:
        self._patiently(lambda: super(PatientFolder, self).delete(name))

    def child(self, name: str) -> PatientFolder:
        return PatientFolder(self._folder.child(name), self._patience, self._on_outage)

    def _patiently(self, attempt: Callable[[], T]) -> T:
        trouble = Trouble(self._patience)
        while True:
            try:
                return attempt()
            except StoreOutage as outage:
                if self._on_outage is not None and not trouble.lasting:
                    self._on_outage(outage)
                trouble.failed()
                if trouble.spent:
                    raise
                time.sleep(trouble.pause_s)


@contextmanager
def _outages(location: str, answers: tuple[type[OSError], ...] = ()) -> Iterator[None]:
    """Raise what the file system raises as a `StoreOutage`; `answers` pass as they are."""
    try:
        yield
    except OSError as error:
        if isinstance(error, (StoreOutage, *answers)):
            raise
        raise StoreOutage(f"{location} cannot be read or written: {error}") from error
