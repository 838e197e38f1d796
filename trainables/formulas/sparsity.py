"""The arithmetic of pruning: weights to remove in each cycle, and steps of each cycle.

Counts are exact. A sparsity means the decimal that was written, never its nearest binary fraction:
(1 - 0.9) * 1000 is 99.99999999999997 in floats. Halves round to even, as Python's `round` does on
the exact value. Standard library only; what looks at tensors is in `measures`.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise


def exact(value: float | Fraction) -> Fraction:
    """The decimal that was written: the shortest one that reads back as this float, as a fraction.

    So floors and roundings are those of the decimal: in floats 0.29 * 100 is 28.999999999999996.
    """
    return Fraction(str(value))


def pruned_fraction(sparsity: float, cycles: int) -> float:
    """The share s of the weights still alive that each of `cycles` equal cycles removes.

    s = 1 - (1 - S)^(1/k), so that the last cycle ends at sparsity S in [0, 1).
    """
    _check_goal(sparsity, cycles)
    return 1 - math.pow(1 - exact(sparsity), 1 / cycles)


def zeros_at(n: int, sparsity: float | Fraction, group: int | None = None) -> int:
    """How many of `n` weights are zero at `sparsity` in [0, 1]: round(S n), exactly.

    With `group`, where every so many weights have the same number of zeros, round(S group) in each.
    """
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparsity must be in [0, 1], got {sparsity}")
    counted, times = _counted(n, group)
    return round(exact(sparsity) * counted) * times


def zeros_after(n: int, sparsity: float, cycles: int, cycle: int, group: int | None = None) -> int:
    """How many of `n` weights are zero after `cycle` of `cycles` to `sparsity`; cycle 0 is before.

    round(n (1 - (1 - s)^p)) with s of `pruned_fraction`, decided in integers: the weights kept are
    a k-th root of a rational, so their double is bracketed between two integers, which settles the
    rounding. After the last cycle this is round(S n). With `group`, where every so many weights
    have the same number of zeros, that of one group in each: two cycles to 2 zeros of 4 make 1 and
    2, three make 1, 1 and 2.

    Raises:
        ValueError: sparsity is outside [0, 1), cycles < 1, cycle outside [0, cycles], or groups
            that do not divide n.
    """
    _check_goal(sparsity, cycles)
    if not 0 <= cycle <= cycles:
        raise ValueError(f"cycle must be in [0, {cycles}], got {cycle}")
    counted, times = _counted(n, group)
    return _zeros_after(counted, sparsity, cycles, cycle) * times


def _counted(n: int, group: int | None) -> tuple[int, int]:
    """Of how many weights the share is taken, and how many times over."""
    if n < 0:
        raise ValueError(f"n must be >= 0, got {n}")
    if group is None:
        return n, 1
    if group < 1 or n % group:
        raise ValueError(f"groups must be >= 1 and divide {n} weights, got {group}")
    return group, n // group


def _zeros_after(n: int, sparsity: float, cycles: int, cycle: int) -> int:
    shared = math.gcd(cycle, cycles)
    p, k = cycle // shared, cycles // shared
    power = (2 * n) ** k * (1 - exact(sparsity)) ** p
    twice_kept = _integer_root(math.floor(power), k)
    if twice_kept**k == power:
        return round(Fraction(2 * n - twice_kept, 2))
    # The zeros are strictly between two neighbouring multiples of 1/2: the whole one is nearest.
    return (2 * n - twice_kept) // 2


def layer_zeros(sizes: Sequence[int], dead: Sequence[int], zeros: int) -> list[int]:
    """Zeros of each layer when all layers get the same share and the total is exactly `zeros`.

    Largest remainder: every layer its share rounded down, then one more in order of the remainder
    lost, the earlier layer first among equals. A layer that already holds more than its share
    (`dead`, zeros so far) keeps these, and the others share the rest.

    Raises:
        ValueError: a layer has more dead weights than weights, or the total cannot be reached.
    """
    if any(not 0 <= d <= n or n < 1 for d, n in zip(dead, sizes, strict=True)):
        raise ValueError(f"dead must be in [0, size], size >= 1, got {dead} of {sizes}")
    if not sum(dead) <= zeros <= sum(sizes):
        raise ValueError(f"zeros must be in [{sum(dead)}, {sum(sizes)}], got {zeros}")
    counts = list(dead)
    sharing = list(range(len(sizes)))
    while True:
        total = sum(sizes[i] for i in sharing)
        rest = zeros - sum(dead) + sum(dead[i] for i in sharing)
        below = [i for i in sharing if dead[i] * total <= rest * sizes[i]]
        if below == sharing:
            break
        sharing = below
    for i in sharing:
        counts[i] = rest * sizes[i] // total
    by_remainder = sorted(sharing, key=lambda i: -(rest * sizes[i] % total))
    for i in by_remainder[: zeros - sum(counts)]:
        counts[i] += 1
    return counts


def epochs_to_steps(
    epochs: float | Fraction, steps_per_epoch: int, share: float | Fraction = 1
) -> int:
    """round(I s T): the optimiser steps of a share of `epochs` >= 0, which need not be whole.

    Exact: .1 of 3 epochs of 15 steps are 4.5 steps, so 4; in floats they are above 4.5.
    """
    _check_epochs(epochs, steps_per_epoch)
    return round(exact(epochs) * exact(share) * steps_per_epoch)


def split_steps(epochs: float | Fraction, cycles: int, steps_per_epoch: int) -> list[int]:
    """The optimiser steps of each cycle when `epochs` in all are spread over `cycles`.

    Whole epochs E >= k: floor(E / k) epochs each, the remainder to the last cycle. Otherwise equal
    shares, cut at the rounded cumulative steps. The sum is `epochs_to_steps(epochs, ...)`.

    Raises:
        ValueError: a value out of range, or a cycle that would get no step.
    """
    _check_epochs(epochs, steps_per_epoch)
    if cycles < 1:
        raise ValueError(f"cycles must be >= 1, got {cycles}")
    total = exact(epochs)
    if total.denominator == 1 and total >= cycles:
        each = int(total) // cycles * steps_per_epoch
        return [each] * (cycles - 1) + [int(total) * steps_per_epoch - each * (cycles - 1)]
    ends = [round(total * steps_per_epoch * p / cycles) for p in range(cycles + 1)]
    steps = [end - start for start, end in pairwise(ends)]
    if 0 in steps:
        raise ValueError(
            f"every cycle needs at least one step: {epochs} epochs of {steps_per_epoch} steps over "
            f"{cycles} cycles leave cycle {steps.index(0) + 1} without one"
        )
    return steps


def gmp_sparsity(
    sparsity: float, *, epochs: float | Fraction, interval: int
) -> dict[int, Fraction]:
    """The sparsity that gradual pruning prunes to, by the number of epochs trained so far.

    At the end of epochs jD, j = 1..n, n = floor(T / D) - 1: S - S (1 - t / (D n))^3 (Zhu and Gupta
    2017, To prune, or not to prune). Exact, for `zeros_at`. The last interval is left to recover.

    Args:
        sparsity: S in [0, 1).
        epochs: T, the whole run.
        interval: D in epochs, at most T / 2.
    """
    _check_goal(sparsity, 1)
    if interval < 1:
        raise ValueError(f"interval must be >= 1, got {interval}")
    if not 2 * interval <= epochs < math.inf:
        raise ValueError(f"interval must be at most half of the {epochs} epochs, got {interval}")
    goal = exact(sparsity)
    n = math.floor(exact(epochs) / interval) - 1
    return {j * interval: goal - goal * (1 - Fraction(j, n)) ** 3 for j in range(1, n + 1)}


def _integer_root(value: int, k: int) -> int:
    """floor(value^(1/k)) for value >= 0, by Newton's method on integers from above."""
    if value < 2 or k == 1:
        return value
    root = 1 << -(-value.bit_length() // k)
    while True:
        lower = ((k - 1) * root + value // root ** (k - 1)) // k
        if lower >= root:
            return root
        root = lower


def _check_goal(sparsity: float, cycles: int) -> None:
    if not 0 <= sparsity < 1:
        raise ValueError(f"sparsity must be in [0, 1), got {sparsity}")
    if cycles < 1:
        raise ValueError(f"cycles must be >= 1, got {cycles}")


def _check_epochs(epochs: float | Fraction, steps_per_epoch: int) -> None:
    if not 0 <= epochs < math.inf:
        raise ValueError(f"epochs must be >= 0 and finite, got {epochs}")
    if steps_per_epoch < 1:
        raise ValueError(f"steps_per_epoch must be >= 1, got {steps_per_epoch}")
