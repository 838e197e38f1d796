"""Whether NumPy and `random` have drawn anything since they were seeded.

To seed the two takes as long as a tenth of decoding a small image, and few items draw from them.
Where it can be told that an item has not, they need not be seeded for the next one.
"""

from __future__ import annotations

import ctypes
import random
from functools import cache
from typing import Any

import numpy as np

_WORDS = 624
"""Words of a Mersenne Twister's state; the place of the next one comes after them in NumPy's
structure, and before them in Python's."""


class Freshness:
    """Looks at the generators of NumPy and `random` of this process, without drawing from them.

    A draw moves the place in the state, or makes the next state: so place and first words tell.
    `known` is False where the structures are not those of the versions that this was written for;
    then nothing can be told.
    """

    def __init__(self) -> None:
        self.known = _is_as_expected()
        self._words = _words(_numpys_own(), _pythons_own()) if self.known else ()
        self._seeded = self._look()

    def mark(self) -> None:
        """Take the generators for seeded just now."""
        self._seeded = self._look()

    def __bool__(self) -> bool:
        """Whether neither has drawn since the mark, as far as that is known."""
        return self.known and self._look() == self._seeded

    def _look(self) -> list[int]:
        return [word.value for word in self._words]


@cache
def freshness() -> Freshness:
    """Return this process's own, which a process that is forked from it may use as well."""
    return Freshness()


def _numpys_own() -> Any:
    return np.random.get_bit_generator()  # type: ignore[attr-defined]


def _pythons_own() -> Any:
    return random.seed.__self__  # type: ignore[attr-defined]


def _words(numpys: Any, pythons: Any) -> tuple[ctypes.c_uint32, ...]:
    """Of each generator the place, and the first words of the state."""
    state, own = numpys.ctypes.state_address, id(pythons) + object.__basicsize__
    addresses = (state + 4 * _WORDS, state, state + 4, own, own + 4, own + 8)
    return tuple(ctypes.c_uint32.from_address(address) for address in addresses)


def _is_as_expected() -> bool:
    """Whether the places tell seeding and drawing apart, tried on generators of our own."""
    if type(_numpys_own()) is not np.random.MT19937:
        return False
    numpys, pythons = np.random.RandomState(0), random.Random(0)
    words = _words(numpys._bit_generator, pythons)
    places = words[0], words[3]
    at_first = [place.value for place in places]
    numpys.random_sample()
    pythons.random()
    after_two_words = [place.value for place in places]
    numpys.seed(0)
    pythons.seed(0)
    again = [place.value for place in places]
    return at_first == again == [_WORDS] * 2 and after_two_words == [2, 2]
