"""Numbers that rounding alone tells apart are one level."""

from __future__ import annotations

import math

import pytest

from trainables.formulas.levels import level, levelled


def test_short_decimals_are_found_again() -> None:
    assert 0.1 + 0.2 != 0.3
    assert level(0.1 + 0.2) == 0.3
    assert level(1 - 0.7) == 0.3
    assert level(3 * 0.1) == 0.3
    assert level(-0.1 - 0.2) == -0.3
    assert level(1e-5 * 3) == 3e-5


@pytest.mark.parametrize("value", [0.3, 0.0, 1.0, math.pi, 1 / 3, 0.4837261928374651, 1e300])
def test_other_numbers_stay_as_they_are(value: float) -> None:
    assert level(value) == value


def test_a_number_a_few_places_further_is_another() -> None:
    away = 0.3
    for _ in range(5):
        away = math.nextafter(away, 1.0)
    assert away - 0.3 > 4 * math.ulp(away)
    assert level(away) == away
    assert level(math.nextafter(0.3, 1.0)) == 0.3


def test_nothing_is_made_of_what_is_no_number() -> None:
    assert math.isnan(level(math.nan)) and level(math.inf) == math.inf
    plain = {"a": [0.1 + 0.2, True, 3, "x", None], "b": (1 - 0.7,)}
    assert levelled(plain) == {"a": [0.3, True, 3, "x", None], "b": (0.3,)}
    assert levelled(plain)["a"][1] is True
