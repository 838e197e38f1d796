"""What the driver has to write while a run goes on: kept in memory until it is written.

Tune's loop must neither wait for a store nor see its faults. Each entry is a function that may be
called again; a newer entry of a name takes the older one's place.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from trainables.waiting.patience import Patience, Trouble


class Outbox:
    """Entries by name, written in the order in which they were put.

    `on_fault` is called with the first fault of each outage.
    """

    def __init__(
        self,
        patience: Patience,
        on_fault: Callable[[OSError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries: dict[str, Callable[[], None]] = {}
        self._trouble = Trouble(patience, clock)
        self._on_fault = on_fault
        self.fault: OSError | None = None

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def out(self) -> bool:
        """Whether the store was out when last written to."""
        return self._trouble.lasting

    @property
    def spent(self) -> bool:
        """Whether the store has been out for as long as patience lasts."""
        return self._trouble.spent

    def put(self, name: str, write: Callable[[], None]) -> None:
        """Take an entry, and write it now unless the store is out."""
        self._entries[name] = write
        self.flush()

    def flush(self) -> None:
        """Write what there is, as far as it goes; nothing before the next attempt is due."""
        while self._entries and self._trouble.pause_s <= 0:
            name, write = next(iter(self._entries.items()))
            try:
                write()
            except OSError as fault:
                self.fault = fault
                if not self._trouble.lasting:
                    self._on_fault(fault)
                self._trouble.failed()
                return
            self._trouble.over()
            del self._entries[name]

    def drain(self, pause: Callable[[float], None] = time.sleep) -> bool:
        """Write all of it, waiting where the store is out; False when patience is spent first."""
        self.flush()
        while self._entries and not self.spent:
            pause(max(self._trouble.pause_s, 0.01))
            self.flush()
        return not self._entries
