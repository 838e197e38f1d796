"""YAML texts that are small and stand for much."""

from __future__ import annotations

import pytest

from trainables.files.plain_yaml import MOST_VALUES, plain


def bomb(levels: int) -> str:
    """Nine aliases a level: nine to the power of the levels values from a few hundred bytes."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_are_counted_each_time() -> None:
    assert len(plain(bomb(4))["a3"]) == 9
    with pytest.raises(ValueError, match=r"must hold at most 1,000,000 values .* got more"):
        plain(bomb(9))


def test_the_limit_counts_every_value() -> None:
    """The list itself is one value, and so is each of its entries."""
    text = "[" + "0," * 999 + "]"
    assert len(plain(text)) == 999 < MOST_VALUES


@pytest.mark.parametrize("text", ["a: &a {b: *a}", "&a [*a]", "a: &a [1, {b: [*a]}]"])
def test_an_alias_to_its_own_parent_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="got an alias to its own parent"):
        plain(text)


def test_the_same_value_in_two_places_is_fine() -> None:
    assert plain("a: &a [1, 2]\nb: {c: *a, d: *a}") == {
        "a": [1, 2],
        "b": {"c": [1, 2], "d": [1, 2]},
    }
