"""A store that cannot be read or written just now: told apart from every other fault, and waited
for with back-off.

A network file system hiccups, a disk fills up, an object store refuses requests for some seconds.
What is to be written is then kept in memory and tried again; every write here can be made twice.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from trainables.files.storage import Folder, is_remote
from trainables.waiting.patience import ABSENT, Patience, Trouble, hopeless

T = TypeVar("T")


class StoreOutage(OSError):
    """A folder of the study could not be read or written just now."""

    @property
    def reason(self) -> str:
        """What the store said, its folder's location left out where that is known."""
        return str(self.__cause__ or self)


class Anchor:
    """A file that is in a local folder for as long as the folder is the one that a run began in.

    One that was deleted or renamed, or whose mount is gone, would be made anew by the next write,
    and lose what was in it.
    """

    def __init__(self, folder: Folder, name: str) -> None:
        self._folder, self._name = folder, name

    def require(self) -> None:
        """Raise OSError where the file is not there."""
        if not self._folder.exists(self._name):
            raise OSError(
                f"{self._name} is gone from it: the folder was deleted or renamed, or is not"
                " mounted any more"
            )


def anchored(folder: Folder, name: str) -> StoreFolder:
    """Return a folder that is out for as long as a file is not in it, where it is a local one.

    In an object store each look would be a request, and nothing is made anew there but files.
    """
    return StoreFolder(folder, None if is_remote(folder.location) else Anchor(folder, name))


class StoreFolder:
    """A `Folder` whose faults are `StoreOutage`s; that a file is absent is none.

    Where there is an anchor, a folder without it is out, whatever it answers.
    """

    def __init__(self, folder: Folder, anchor: Anchor | None = None) -> None:
        self._folder, self._anchor = folder, anchor

    @property
    def location(self) -> str:
        return self._folder.location

    def read(self, name: str) -> bytes:
        with _outages(self.location, ABSENT):
            try:
                return self._folder.read(name)
            except ABSENT:
                self._require()
                raise

    def write(self, name: str, data: bytes) -> None:
        with _outages(self.location):
            self._require()
            self._folder.write(name, data)

    def exists(self, name: str) -> bool:
        with _outages(self.location, ABSENT):
            return self._folder.exists(name) or self._none(False)

    def names(self, under: str = "") -> list[str]:
        with _outages(self.location, ABSENT):
            return self._folder.names(under) or self._none([])

    def sizes(self, under: str = "") -> dict[str, int]:
        with _outages(self.location, ABSENT):
            return self._folder.sizes(under) or self._none({})

    def delete(self, name: str) -> None:
        with _outages(self.location):
            self._folder.delete(name)

    def child(self, name: str) -> StoreFolder:
        return StoreFolder(self._folder.child(name), self._anchor)

    def _require(self) -> None:
        if self._anchor is not None:
            self._anchor.require()

    def _none(self, nothing: T) -> T:
        """What says that nothing is there, where the folder itself is."""
        self._require()
        return nothing


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
                if trouble.spent or (hopeless(outage) and not self._patience.hopeful):
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
