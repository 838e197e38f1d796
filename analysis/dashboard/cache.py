"""What has been computed for one state of the folders, kept while that state lasts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar

T = TypeVar("T")

MANY: Final = 200


class Cache:
    """Up to `MANY` results by key, the longest unused dropped first. Safe among threads."""

    def __init__(self, many: int = MANY) -> None:
        self._many = many
        self._lock = threading.Lock()
        self._results: OrderedDict[Hashable, Any] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the result of a key, made by the first who asks; others wait for it."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._results:
                    self._results.move_to_end(key)
                    result: T = self._results[key]
                    return result
            made = make()
            with self._lock:
                self._results[key] = made
                while len(self._results) > self._many:
                    dropped, _ = self._results.popitem(last=False)
                    self._making.pop(dropped, None)
            return made
