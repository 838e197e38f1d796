"""Structures: their units by hand, what they do not divide, and counts in whole groups."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.formulas.sparsity import gmp_sparsity, zeros_after, zeros_at
from trainables.formulas.structures import WEIGHTS, Structure, kind_named, misfits, structure_of

TWO_OF_FOUR = Structure("n:m", pattern=(2, 4))
BLOCKS = Structure("blocks", block=(2, 3))


@pytest.mark.parametrize(
    ("structure", "name", "unit"),
    [
        (WEIGHTS, "weights", (1, 1)),
        (Structure("filters"), "filters", (1, 12)),
        (TWO_OF_FOUR, "2:4", (1, 1)),
        (BLOCKS, "blocks 2x3", (2, 3)),
        (Structure("rows"), "rows", (1, 12)),
        (Structure("columns"), "columns", (8, 1)),
    ],
)
def test_the_unit_of_a_layer_of_eight_outputs_and_twelve_inputs(
    structure: Structure, name: str, unit: tuple[int, int]
) -> None:
    assert structure.name == name
    assert kind_named(name) == structure.kind
    assert structure.unit(8, 12) == unit
    assert structure.misfit(8, 12) is None


def test_what_is_not_divided_is_named_with_the_reason() -> None:
    layers = {"conv1": (16, 9), "conv2": (32, 144), "classifier": (10, 32)}
    assert misfits(TWO_OF_FOUR, layers) == {"conv1": "4 does not divide 9 inputs"}
    assert misfits(Structure("blocks", block=(4, 3)), layers) == {
        "classifier": "4 does not divide 10 outputs"
    }
    assert misfits(BLOCKS, layers) == {"classifier": "3 does not divide 32 inputs"}
    for kind in ("weights", "filters", "rows", "columns"):
        assert misfits(structure_of(kind), layers) == {}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Structure("tails"), "structure must be one of weights, filters, n:m, .*'tails'"),
        (lambda: Structure("n:m"), "structure n:m needs its size, got n:m with None"),
        (lambda: Structure("rows", block=(1, 2)), "structure blocks is the one with that size"),
        (lambda: Structure("weights", pattern=(2, 4)), "structure n:m is the one with that size"),
        (lambda: Structure("n:m", pattern=(4, 4)), r"1 <= n < m, got \(4, 4\)"),
        (lambda: Structure("n:m", pattern=(0, 4)), r"1 <= n < m, got \(0, 4\)"),
        (lambda: Structure("blocks", block=(0, 4)), r"rows and columns >= 1, got \(0, 4\)"),
    ],
)
def test_refusals(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


# --- counts in whole groups ---


@pytest.mark.parametrize(
    ("n", "m", "cycles", "expected"),
    [
        (2, 4, 1, [2]),
        (2, 4, 2, [1, 2]),  # 4 (1 - .5^(1/2)) = 1.17
        (2, 4, 3, [1, 1, 2]),  # .83, 1.48
        (1, 4, 2, [2, 3]),  # 4 (1 - .25^(1/2)) = 2
        (1, 4, 4, [1, 2, 3, 3]),  # 1.17, 2, 2.59
        (4, 8, 3, [2, 3, 4]),  # 1.65, 2.96
        (1, 3, 2, [1, 2]),  # 3 (1 - (1/3)^(1/2)) = 1.27
    ],
)
def test_cycles_raise_the_zeros_of_a_group_in_whole_steps(
    n: int, m: int, cycles: int, expected: list[int]
) -> None:
    goal = float(Fraction(m - n, m))
    counts = [zeros_after(10 * m, goal, cycles, p, m) for p in range(1, cycles + 1)]
    assert counts == [10 * zeros for zeros in expected]


def test_gradual_pruning_raises_them_in_whole_steps() -> None:
    """To .5 in four prunes: levels .289, .4375, .492, .5, so 1.16, 1.75, 1.97 and 2 of four."""
    levels = gmp_sparsity(0.5, epochs=10, interval=2)
    assert [zeros_at(8, level, 4) for level in levels.values()] == [2, 4, 4, 4]
    # To .75 of four in seven prunes: 4 x .278, .477, .610, .691, .733, .748, .75.
    levels = gmp_sparsity(0.75, epochs=16, interval=2)
    assert [zeros_at(4, level, 4) for level in levels.values()] == [1, 2, 2, 3, 3, 3, 3]


def test_halves_of_a_group_round_to_even() -> None:
    assert [zeros_at(4, s, 4) for s in (0.125, 0.375, 0.625)] == [0, 2, 2]


def test_groups_divide_the_weights() -> None:
    for count in (lambda: zeros_at(10, 0.5, 4), lambda: zeros_after(10, 0.5, 2, 1, 4)):
        with pytest.raises(ValueError, match="groups must be >= 1 and divide 10 weights, got 4"):
            count()


@given(
    m=st.integers(2, 32),
    keep=st.integers(1, 31),
    cycles=st.integers(1, 6),
    groups=st.integers(1, 50),
)
def test_counts_never_fall_and_end_at_the_goal(m: int, keep: int, cycles: int, groups: int) -> None:
    n = min(keep, m - 1)
    goal = float(Fraction(m - n, m))
    counts = [zeros_after(groups * m, goal, cycles, p, m) for p in range(cycles + 1)]
    assert counts == sorted(counts)
    assert all(count % groups == 0 for count in counts)
    assert (counts[0], counts[-1]) == (0, groups * (m - n))
    assert zeros_at(groups * m, goal, m) == counts[-1]
