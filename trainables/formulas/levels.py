"""One number for what rounding alone tells apart: `.1 + .2` is `.3` wherever values meet."""

from __future__ import annotations

import math
from typing import Any, Final

_DIGITS: Final = 12
_ROUNDINGS: Final = 4
"""So many last places a short sum may be off."""


def level(value: float) -> float:
    """Return the number of at most twelve digits that a value is but for rounding, else the value.

    `.30000000000000004`, which is `.1 + .2`, gives `.3`; a number that a search drew has more
    digits and stays as it is.
    """
    if not math.isfinite(value):
        return value
    short = float(f"{value:.{_DIGITS}g}")
    return short if abs(value - short) <= _ROUNDINGS * math.ulp(value) else value


def levelled(value: Any) -> Any:
    """Return plain data with every float in it at its `level`; what is no float stays as it is."""
    if isinstance(value, float):
        return level(float(value))
    if isinstance(value, dict):
        return {key: levelled(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(levelled(one) for one in value)
    return value
