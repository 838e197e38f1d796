"""Counts and splits against hand-computed values, exact arithmetic and invariants."""

import math
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.formulas.sparsity import (
    epochs_to_steps,
    exact,
    gmp_sparsity,
    layer_zeros,
    pruned_fraction,
    split_steps,
    zeros_after,
    zeros_at,
)

# Sparsities as people write them: up to four decimals.
SPARSITIES = st.integers(0, 9999).map(lambda i: i / 10_000)


def test_exact_is_the_decimal_as_written():
    assert exact(0.1) == Fraction(1, 10)
    assert exact(1e-7) == Fraction(1, 10_000_000)
    assert exact(3) == 3
    assert exact(Fraction(2, 3)) == Fraction(2, 3)


@pytest.mark.parametrize(
    ("sparsity", "cycles", "expected"),
    [(0.9, 1, 0.9), (0.9, 2, 0.683772), (0.9, 3, 0.535841), (0.75, 2, 0.5), (0.0, 4, 0.0)],
)
def test_pruned_fraction(sparsity, cycles, expected):
    assert pruned_fraction(sparsity, cycles) == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(
    ("n", "sparsity", "expected"),
    [
        (1000, 0.9, 900),  # (1 - .9) * 1000 is 99.99999999999997 in floats
        (25, 0.58, 14),  # 14.5 exactly: the even neighbour
        (25, 0.54, 14),  # 13.5 exactly
        (15, 0.9, 14),  # 13.5
        (5, 0.1, 0),  # 0.5
        (848_944, 0.9, 764_050),
        (0, 0.5, 0),
        (7, 0, 0),
        (7, 1, 7),
    ],
)
def test_zeros_at_rounds_the_exact_product_half_to_even(n, sparsity, expected):
    assert zeros_at(n, sparsity) == expected


@pytest.mark.parametrize(
    ("n", "sparsity", "cycles", "expected"),
    [
        (1000, 0.9, 1, [0, 900]),
        (1000, 0.9, 2, [0, 684, 900]),
        (1000, 0.9, 3, [0, 536, 785, 900]),
        (848_944, 0.9, 3, [0, 454_899, 666_045, 764_050]),
        (1000, 0.75, 2, [0, 500, 750]),
        (10, 0.5, 1, [0, 5]),
        (2, 0.75, 2, [0, 1, 2]),  # 1.5 at the end: even
        (1, 0.75, 2, [0, 0, 1]),  # .5 after cycle 1: even
        (3, 0.75, 2, [0, 2, 2]),  # 1.5 after cycle 1; 2.25 after cycle 2
        (5, 0.0, 3, [0, 0, 0, 0]),
    ],
)
def test_zeros_after_each_cycle(n, sparsity, cycles, expected):
    assert [zeros_after(n, sparsity, cycles, p) for p in range(cycles + 1)] == expected


@given(n=st.integers(0, 10**8), sparsity=SPARSITIES, cycles=st.integers(1, 12), data=st.data())
def test_zeros_after_agrees_with_sixty_digits(n, sparsity, cycles, data):
    cycle = data.draw(st.integers(0, cycles))
    with localcontext() as context:
        context.prec = 60
        kept = (1 - Decimal(str(sparsity))) ** (Decimal(cycle) / Decimal(cycles))
        zeros = n * (1 - kept)
        distance = abs(zeros - zeros_after(n, sparsity, cycles, cycle))
        assert distance <= Decimal("0.5") + Decimal(10) ** -40


@given(n=st.integers(0, 10**9), sparsity=SPARSITIES, cycles=st.integers(1, 30))
def test_zeros_never_fall_and_end_at_the_goal(n, sparsity, cycles):
    counts = [zeros_after(n, sparsity, cycles, p) for p in range(cycles + 1)]
    assert counts[0] == 0
    assert counts[-1] == zeros_at(n, sparsity)
    assert all(a <= b for a, b in pairwise(counts))


@given(root=st.integers(0, 99), k=st.integers(1, 6), n=st.integers(1, 200))
def test_exact_roots_round_half_to_even(root, k, n):
    # 1 - S = (root / 100)^k: after cycle 1 exactly n (1 - root / 100) are zero.
    decimals = 2 * k
    kept = Fraction(root, 100) ** k
    sparsity = float(f"{1 - Decimal(root) ** k / Decimal(100) ** k:.{decimals}f}")
    if exact(sparsity) != 1 - kept or sparsity == 1.0:
        return  # more digits than a float reads back
    assert zeros_after(n, sparsity, k, 1) == round(n * (1 - Fraction(root, 100)))


@pytest.mark.parametrize(
    ("sizes", "dead", "zeros", "expected"),
    [
        ([10, 10], [0, 0], 10, [5, 5]),
        ([10, 10], [0, 0], 11, [6, 5]),  # equal remainders: the earlier layer first
        ([1, 2, 4], [0, 0, 0], 3, [0, 1, 2]),  # shares 3/7, 6/7, 12/7: one each to .857 and .714
        ([1, 2, 4], [0, 0, 0], 1, [0, 0, 1]),  # 1/7, 2/7, 4/7
        ([1, 2, 4], [0, 0, 0], 7, [1, 2, 4]),
        ([10, 10, 10], [9, 0, 0], 15, [9, 3, 3]),  # the first is above its share already
        ([10, 10, 10], [9, 4, 0], 15, [9, 4, 2]),  # and then the second too
        ([3, 7], [3, 7], 10, [3, 7]),
        ([5], [0], 3, [3]),
        ([], [], 0, []),
    ],
)
def test_layer_zeros(sizes, dead, zeros, expected):
    assert layer_zeros(sizes, dead, zeros) == expected


@given(st.data())
def test_layer_zeros_reach_the_total_and_revive_nothing(data):
    sizes = data.draw(st.lists(st.integers(1, 50), min_size=1, max_size=8))
    dead = [data.draw(st.integers(0, n)) for n in sizes]
    zeros = data.draw(st.integers(sum(dead), sum(sizes)))
    counts = layer_zeros(sizes, dead, zeros)
    assert sum(counts) == zeros
    assert all(d <= c <= n for d, c, n in zip(dead, counts, sizes, strict=True))
    if not any(dead):
        assert all(
            abs(c - Fraction(zeros * n, sum(sizes))) < 1 for c, n in zip(counts, sizes, strict=True)
        )


@given(st.lists(st.integers(1, 12), min_size=1, max_size=6))
def test_layer_zeros_can_follow_each_other_one_by_one(sizes):
    # Largest remainder alone may lower a layer's count as the total grows; `dead` forbids it.
    counts = [0] * len(sizes)
    for zeros in range(sum(sizes) + 1):
        after = layer_zeros(sizes, counts, zeros)
        assert all(a >= b for a, b in zip(after, counts, strict=True))
        counts = after
    assert counts == sizes


@pytest.mark.parametrize(
    ("epochs", "per_epoch", "expected"),
    [
        (3, 21, 63),
        (0.5, 21, 10),
        (0.5, 23, 12),
        (2.22, 100, 222),
        (0.29, 100, 29),
        (1e-9, 5, 0),
        (0.0, 5, 0),
    ],
)
def test_epochs_to_steps(epochs, per_epoch, expected):
    assert epochs_to_steps(epochs, per_epoch) == expected


@pytest.mark.parametrize(
    ("epochs", "cycles", "per_epoch", "expected"),
    [
        (10, 3, 7, [21, 21, 28]),
        (10.0, 3, 7, [21, 21, 28]),
        (3, 3, 7, [7, 7, 7]),
        (2, 3, 7, [5, 4, 5]),  # ends 14/3, 28/3, 14: 5, 9, 14
        (2.5, 2, 7, [9, 9]),  # ends 8.75, 17.5: 9, 18
        (1.5, 2, 2, [2, 1]),  # ends 1.5, 3: the half to even
        (5, 1, 9, [45]),
        (0.1, 1, 10, [1]),
        (0.3, 3, 10, [1, 1, 1]),
    ],
)
def test_split_steps(epochs, cycles, per_epoch, expected):
    assert split_steps(epochs, cycles, per_epoch) == expected


@pytest.mark.parametrize(
    ("epochs", "cycles", "per_epoch", "cycle"),
    [(0.2, 3, 10, 2), (0.01, 1, 10, 1), (0.1, 2, 10, 1), (0, 1, 5, 1)],
)
def test_a_cycle_without_a_step_is_refused_with_all_numbers(epochs, cycles, per_epoch, cycle):
    message = f"{epochs} epochs of {per_epoch} steps over {cycles} cycles leave cycle {cycle} "
    with pytest.raises(ValueError, match=message):
        split_steps(epochs, cycles, per_epoch)


@given(tenths=st.integers(1, 500), cycles=st.integers(1, 12), per_epoch=st.integers(1, 400))
def test_split_steps_add_up_and_differ_little(tenths, cycles, per_epoch):
    epochs = tenths / 10
    try:
        steps = split_steps(epochs, cycles, per_epoch)
    except ValueError:
        assert epochs * per_epoch < 2 * cycles
        return
    assert sum(steps) == epochs_to_steps(epochs, per_epoch)
    assert len(steps) == cycles
    assert min(steps) >= 1
    if epochs.is_integer() and epochs >= cycles:
        assert steps[:-1] == [int(epochs) // cycles * per_epoch] * (cycles - 1)
    else:
        assert max(steps) - min(steps) <= 2


def test_gmp_sparsity_of_the_published_run():
    series = gmp_sparsity(0.9, epochs=200, interval=20)
    assert list(series) == [20, 40, 60, 80, 100, 120, 140, 160, 180]
    expected = [0.268, 0.477, 0.633, 0.746, 0.821, 0.867, 0.890, 0.899, 0.900]
    assert [round(float(s), 3) for s in series.values()] == expected
    assert series[180] == Fraction(9, 10)
    assert series[20] == Fraction(9, 10) * (1 - Fraction(8, 9) ** 3)


def test_gmp_interval_of_half_the_run_prunes_once_and_not_beyond():
    assert gmp_sparsity(0.8, epochs=10, interval=5) == {5: Fraction(4, 5)}
    assert list(gmp_sparsity(0.8, epochs=11, interval=3)) == [3, 6]
    with pytest.raises(ValueError, match="at most half of the 10 epochs, got 6"):
        gmp_sparsity(0.8, epochs=10, interval=6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pruned_fraction(1.0, 2), r"sparsity must be in \[0, 1\), got 1.0"),
        (lambda: pruned_fraction(-0.1, 2), r"sparsity must be in \[0, 1\), got -0.1"),
        (lambda: pruned_fraction(math.nan, 2), "sparsity must be in .*, got nan"),
        (lambda: pruned_fraction(0.5, 0), "cycles must be >= 1, got 0"),
        (lambda: zeros_at(-1, 0.5), "n must be >= 0, got -1"),
        (lambda: zeros_at(5, 1.5), r"sparsity must be in \[0, 1\], got 1.5"),
        (lambda: zeros_after(-1, 0.5, 1, 1), "n must be >= 0, got -1"),
        (lambda: zeros_after(5, 0.5, 2, 3), r"cycle must be in \[0, 2\], got 3"),
        (lambda: zeros_after(5, 0.5, 2, -1), r"cycle must be in \[0, 2\], got -1"),
        (lambda: layer_zeros([3], [4], 4), r"dead must be in \[0, size\], .*, got \[4\] of \[3\]"),
        (lambda: layer_zeros([3, 3], [2, 0], 1), r"zeros must be in \[2, 6\], got 1"),
        (lambda: layer_zeros([3, 3], [2, 0], 7), r"zeros must be in \[2, 6\], got 7"),
        (lambda: epochs_to_steps(-1, 5), "epochs must be >= 0 and finite, got -1"),
        (lambda: epochs_to_steps(math.inf, 5), "epochs must be >= 0 and finite, got inf"),
        (lambda: epochs_to_steps(1, 0), "steps_per_epoch must be >= 1, got 0"),
        (lambda: split_steps(1, 0, 5), "cycles must be >= 1, got 0"),
        (lambda: gmp_sparsity(0.5, epochs=10, interval=0), "interval must be >= 1, got 0"),
        (lambda: gmp_sparsity(1.0, epochs=10, interval=2), "sparsity must be in"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_share_of_epochs_is_exact_everywhere():
    """19,000 combinations, 97 of which the product in floats rounds otherwise."""
    assert epochs_to_steps(3, 15, 0.1) == 4
    wrong = 0
    for epochs, twentieths, per_epoch in product(range(1, 21), range(1, 20), range(1, 51)):
        share = twentieths / 20
        found = epochs_to_steps(epochs, per_epoch, share)
        assert found == round(Fraction(twentieths, 20) * epochs * per_epoch)
        wrong += found != epochs_to_steps(epochs * share, per_epoch)
    assert wrong == 97


def test_gradual_pruning_of_a_length_in_steps_is_exact():
    """Nineteen steps, seven an epoch: D = 1 fits twice, so that one prune is due, after epoch 1."""
    levels = gmp_sparsity(0.9, epochs=Fraction(19, 7), interval=1)
    assert levels == {1: Fraction(9, 10)}
    assert gmp_sparsity(0.9, epochs=Fraction(21, 7), interval=1) == gmp_sparsity(
        0.9, epochs=3, interval=1
    )
