"""YAML texts that are small and stand for much."""

from __future__ import annotations

import pytest

from trainables.files.plain_yaml import DEEPEST, MOST_VALUES, plain


def bomb(levels: int) -> str:
    """Nine aliases a level: nine to the power of the levels values from a few hundred bytes."""
    lines = ["a0: &a0 [x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_are_counted_each_time() -> None:
    assert len(plain(bomb(4))["a3"]) == 9
    with pytest.raises(ValueError, match=r"must hold at most 1,000,000 values .* got more"):
        plain(bomb(9))


def merges(levels: int) -> str:
    """Three merges a level: what they stand for is gathered before any of it is a mapping."""
    lines = ["a0: &a0 {x: 1, y: 2}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


def test_merges_are_counted_as_aliases_are() -> None:
    assert plain(merges(3))["a2"] == {"x": 1, "y": 2}
    with pytest.raises(ValueError, match=r"must hold at most 1,000,000 values .* got more"):
        plain(merges(20))


def test_a_text_of_many_characters_is_refused_before_it_is_read() -> None:
    with pytest.raises(ValueError, match="must have at most 200,000 characters, got 600,001"):
        plain("[" + "1," * 300_000)


def nested_by_aliases(levels: int) -> str:
    """Each line stands one level deeper than the one before, with no bracket in another."""
    lines = ["a0: &a0 [x]", *(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, levels))]
    return "\n".join(lines)


def test_levels_are_counted_through_aliases() -> None:
    """The mapping itself and the text inside are two further ones."""
    assert plain(nested_by_aliases(DEEPEST - 2))
    with pytest.raises(ValueError, match="must be nested at most 100 deep, got more"):
        plain(nested_by_aliases(DEEPEST - 1))


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
