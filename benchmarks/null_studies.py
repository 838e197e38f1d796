"""How often the statistics are wrong of made-up studies whose truth is known.

    python benchmarks/null_studies.py [--studies 20000] [--only regret verdicts coverage power best]

All values are points; a network's luck and a dense run's have a standard deviation of .3, and
validation and test share both. Prints one table per question, and ends with status 1 where a limit
is missed: mean regret within .02 of zero and its interval above zero in at most 5 %; false verdicts
in at most 6 % of studies; coverage of normal data within .93 and .98 (.99 for an advantage, whose
interval is never below zero). `tests/analysis/stats` holds the short form.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analysis.stats import Candidates, best_of_table, in_hand_table, smallest_difference, wilson
from analysis.stats.crossfit import advantage_at, optimum_at
from analysis.stats.intervals import Kind, t_bounds
from analysis.stats.simulation import (
    SPREAD,
    coverage,
    coverage_of,
    false_verdicts,
    found,
    regret_coverage,
    settled,
    studies,
)

Floats = NDArray[np.float64]
Rows = list[dict[str, Any]]

SEEDS: Final = (3, 5, 8)
SIZES: Final = (3, 5, 8, 12)
ENTRANTS: Final = (2, 3, 4, 5, 6)
DISCOUNTS: Final = 12
CROSSFITTED: Final = ("regret of 13", "advantage of 6", "two tuned of 5")
IMAGE: Final = 0.28
"""Points that one of 360 images is worth."""

SKEWED: Final[dict[str, tuple[Callable[[np.random.Generator, tuple[int, int]], Floats], float]]] = {
    "exponential": (lambda rng, shape: rng.exponential(size=shape), 1.0),
    "log-normal, .5": (lambda rng, shape: rng.lognormal(0, 0.5, shape), float(np.exp(0.125))),
    "log-normal, 1": (lambda rng, shape: rng.lognormal(0, 1, shape), float(np.exp(0.5))),
    "t of three degrees": (lambda rng, shape: rng.standard_t(3, shape), 0.0),
    "one in ten collapses by 10": (
        lambda rng, shape: rng.normal(size=shape) - 10 * (rng.random(shape) < 0.1),
        -1.0,
    ),
}
"""Data that are not normal, with their true means."""


def regret(rng: np.random.Generator, n_studies: int) -> Rows:
    """The regret of the adaptive discount where all discounts are equally good."""
    rows = [_regret("200 studies", *studies(rng, 200, [0.0] * (DISCOUNTS + 1), 3))]
    for noise in (0.0, SPREAD):
        for n in SIZES:
            data = studies(rng, n_studies, [0.0] * (DISCOUNTS + 1), n, noise=noise)
            rows.append(_regret(f"evaluation noise {noise:g}", *data))
    return rows


def _regret(name: str, val: Floats, test: Floats) -> dict[str, Any]:
    same = val[:, :-1].mean(axis=-1).argmax(axis=1)
    tuned = np.take_along_axis(test, same[:, None, None], axis=1)[:, 0]
    corrected, plain = (regret_coverage(val, test, choices) for choices in (1, 0))
    return {
        "studies": name, "seeds": val.shape[-1],
        "all seeds choose: mean": float((tuned - test[:, -1]).mean()),
        "above 0": coverage_of(tuned - test[:, -1], "t", 0.0).above,
        "others choose: mean": corrected.mean, "error": corrected.error,
        "above 0 ": corrected.above, "covered": corrected.covered,
        "covered, plain t": plain.covered,
    }  # fmt: skip


def verdicts(rng: np.random.Generator, n_studies: int) -> Rows:
    """Shares of studies with any false verdict among equal entrants, by family."""
    rows = []
    for k in ENTRANTS:
        for n in SEEDS:
            val, test = studies(rng, n_studies, [0.0] * k, n)
            rows.append(
                {"entrants": k, "seeds": n, "all pairs": false_verdicts(test),
                 "leader of all seeds": _leaders(val, test, crossed=False),
                 "leader of others": _leaders(val, test, crossed=True),
                 "corrected": _leaders(val, test, crossed=True, choices=1),
                 "all pairs in whole images": _in_images(rng, n_studies, k, n),
                 "one five times as noisy": _unequal(rng, n_studies, k, n),
                 "each tuned among 5": _tuned(rng, n_studies, k, n)}
            )  # fmt: skip
    return rows


def _leaders(val: Floats, test: Floats, *, crossed: bool, choices: int = 0) -> float:
    """False verdicts when the family is one leader's comparisons with all others."""
    first = val.mean(axis=-1).argmax(axis=1)[:, None, None]
    leader = optimum_at(-val, test)[:, None] if crossed else np.take_along_axis(test, first, axis=1)
    rivals = np.array([[r for r in range(val.shape[1]) if r != f] for f in first.ravel()])
    differences = leader - np.take_along_axis(test, rivals[:, :, None], axis=1)
    return float(settled(differences, choices).any(axis=1).mean())


def _in_images(rng: np.random.Generator, n_studies: int, k: int, n: int) -> float:
    return false_verdicts(studies(rng, n_studies, [0.0] * k, n, step=IMAGE)[1])


def _unequal(rng: np.random.Generator, n_studies: int, k: int, n: int) -> float:
    _, test = studies(rng, n_studies, [0.0] * k, n)
    test[:, 0] += 5 * SPREAD * rng.normal(size=test[:, 0].shape)
    return false_verdicts(test)


def _tuned(rng: np.random.Generator, n_studies: int, k: int, n: int) -> float:
    val, test = studies(rng, n_studies, [0.0] * (5 * k), n)
    groups = [slice(5 * g, 5 * g + 5) for g in range(k)]
    stands = np.stack([optimum_at(-val[:, g], test[:, g]) for g in groups], axis=1)
    return false_verdicts(stands, choices=2)


def covered(rng: np.random.Generator, n_studies: int) -> Rows:
    """Coverage of every kind of interval: t and bootstrap-t of means, Wilson's of a share."""
    rows = [_kinds("normal", n, rng.normal(size=(n_studies, n)), 0.0) for n in (*SIZES, 2)]
    for name, (draw, truth) in SKEWED.items():
        rows += [_kinds(name, n, draw(rng, (n_studies, n)), truth) for n in SIZES]
    return rows


def _kinds(name: str, n: int, samples: Floats, truth: float) -> dict[str, Any]:
    kinds: tuple[Kind, ...] = ("t", "bootstrap t")
    parts = (samples, samples[: len(samples) // 4])  # resampling takes longer
    t, bootstrap = (coverage_of(part, kind, truth) for part, kind in zip(parts, kinds, strict=True))
    row = {"data": name, "n": n, "t": t.covered, "width": t.width}
    row |= {"bootstrap-t": bootstrap.covered, "width ": bootstrap.width}
    if name == "normal":
        row |= _crossfitted(np.random.default_rng(n), len(samples), n) if n > 2 else {}
        row["Wilson, share .5"] = _wilson_covered(n, 0.5)
        row["Wilson, mean over shares"] = float(
            np.mean([_wilson_covered(n, share) for share in np.linspace(0.005, 0.995, 199)])
        )
    return row


def _crossfitted(rng: np.random.Generator, n_studies: int, n: int) -> dict[str, float]:
    """Coverage of 0 by what depends on a choice, or on two."""
    regret = regret_coverage(*studies(rng, n_studies, [0.0] * (DISCOUNTS + 1), n))
    val, test = studies(rng, n_studies, [0.0] * 6, n)
    ahead = advantage_at(-val, test)
    low, high = t_bounds(ahead, choices=2)
    advantage = coverage(ahead.mean(axis=-1), low, np.maximum(high, 0.0))
    val, test = studies(rng, n_studies, [0.0] * 10, n)
    apart = optimum_at(-val[:, :5], test[:, :5]) - optimum_at(-val[:, 5:], test[:, 5:])
    two = coverage(apart.mean(axis=-1), *t_bounds(apart, choices=2))
    return {
        CROSSFITTED[0]: regret.covered,
        CROSSFITTED[1]: advantage.covered,
        CROSSFITTED[2]: two.covered,
    }


def _wilson_covered(n: int, share: float) -> float:
    """Exact: the binomial's chance of the counts whose interval holds the share."""
    spans = [wilson(count / n, n) for count in range(n + 1)]
    chance = [math.comb(n, c) * share**c * (1 - share) ** (n - c) for c in range(n + 1)]
    return float(
        sum(p for p, span in zip(chance, spans, strict=True) if span.lo <= share <= span.hi)
    )


def power(rng: np.random.Generator, n_studies: int) -> Rows:
    """The true difference of one pair that is found in 80 % of studies, in points and spreads.

    The others are as good as the worse of the two. By the formula for Holm's first step, which is
    an upper bound, and by simulation.
    """
    apart = np.sqrt(2) * SPREAD
    rows = []
    for k in ENTRANTS:
        n_pairs = k * (k - 1) // 2
        for n in SEEDS:
            bound = smallest_difference(apart, n, n_pairs)
            size = _found_size(k, n, bound, n_studies)
            _, test = studies(rng, n_studies, [bound, *[0.0] * (k - 1)], n)
            rows.append(
                {"entrants": k, "seeds": n, "pairs": n_pairs, "formula, points": bound,
                 "formula, spreads of a difference": bound / apart, "found there": found(test),
                 "simulated, points": size, "simulated, spreads": size / apart}
            )  # fmt: skip
    return rows


def _found_size(k: int, n: int, high: float, n_studies: int) -> float:
    """The difference found in 80 % of studies, by halving on studies of one seed."""
    low = 0.0
    for _ in range(12):
        middle = (low + high) / 2
        _, test = studies(np.random.default_rng(7), n_studies, [middle, *[0.0] * (k - 1)], n)
        low, high = (low, middle) if found(test) >= 0.8 else (middle, high)
    return high


def best(rng: np.random.Generator, n_studies: int) -> Rows:
    """Expected best of k: its bias, and the coverage of both kinds of interval.

    The setting's: all settings equally good, truth 0. The network's: against the mean of many
    searches, settings and luck drawn anew.
    """
    rows = []
    for n_trials, n_seeds in ((12, 3), (12, 8), (30, 3)):
        setting = _curves(rng, n_studies, n_trials, n_seeds, best_of_table)
        for k in (1, n_trials // 6, n_trials):
            row = coverage(*(column[:, k - 1] for column in setting))
            rows.append(_best("setting", n_trials, n_seeds, k, row.mean, row.covered))
    for n_trials in (12, 24, 60):
        network = _curves(rng, n_studies, n_trials, 1, in_hand_table)
        for k in dict.fromkeys((1, n_trials // 12)):
            luck = rng.normal(0, SPREAD, (200_000, k)).max(axis=1).mean()
            row = coverage(*(column[:, k - 1] for column in network), truth=float(luck))
            rows.append(_best("network", n_trials, 1, k, row.mean, row.covered))
    return rows


def _best(of: str, n: int, n_seeds: int, k: int, bias: float, share: float) -> dict[str, Any]:
    return {"worth of": of, "trials": n, "seeds": n_seeds, "k": k, "bias": bias, "covered": share}


def _curves(
    rng: np.random.Generator, n_studies: int, n_trials: int, n_seeds: int, table: Any
) -> tuple[Floats, Floats, Floats]:
    """Means and both ends [studies, k] of the curves of a tenth of the studies."""
    n = max(n_studies // 10, 100)
    luck = SPREAD * rng.normal(size=(n, n_trials, n_seeds))
    if n_seeds > 1:
        luck += SPREAD * rng.normal(size=(n, 1, n_seeds))  # the dense runs'
    names, seeds = tuple(range(n_trials)), tuple(range(n_seeds))
    tables = [table(Candidates(names, seeds, -one, one)) for one in luck]
    means, low, high = (
        np.array([t[column].to_numpy() for t in tables]) for column in ("mean", "lo", "hi")
    )
    return means, low, high


QUESTIONS: Final[dict[str, Callable[[np.random.Generator, int], Rows]]] = {
    "regret": regret,
    "verdicts": verdicts,
    "coverage": covered,
    "power": power,
    "best": best,
}


def missed(question: str, rows: Rows) -> list[str]:
    """Return the limits that rows miss."""
    checks: Iterable[tuple[str, bool]] = ()
    if question == "regret":
        checks = [
            (f"{row['studies']}, {row['seeds']} seeds", abs(row["others choose: mean"]) <= 0.02
             and row["above 0 "] <= 0.05)
            for row in rows
        ]  # fmt: skip
    if question == "verdicts":
        checks = [
            (f"{row['entrants']} entrants, {row['seeds']} seeds", max(
                row[family] for family in
                ("all pairs", "one five times as noisy", "each tuned among 5")) <= 0.06)
            for row in rows
        ]  # fmt: skip
    if question == "coverage":
        kinds = ("t", "bootstrap-t", *CROSSFITTED)
        checks = [
            (
                f"{row['data']}, n = {row['n']}",
                all(0.93 <= row[kind] <= 0.98 + (kind == CROSSFITTED[1]) / 100 for kind in kinds),
            )
            for row in rows
            if row["data"] == "normal" and row["n"] in SIZES
        ]
    return [f"{question}: {name}" for name, holds in checks if not holds]


def printed(rows: Rows) -> str:
    """Return rows as a table in Markdown; rows may lack columns of the first."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns)]
    lines += [[_cell(row.get(column)) for column in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}".replace("nan", "-")
    return "-" if value is None else str(value)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulations asked for and print their tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--only", nargs="+", choices=list(QUESTIONS), default=list(QUESTIONS))
    parsed = parser.parse_args(arguments)
    wrong: list[str] = []
    for question in parsed.only:
        rows = QUESTIONS[question](np.random.default_rng(0), parsed.studies)
        print(f"\n## {question}\n\n{printed(rows)}", flush=True)
        wrong += missed(question, rows)
    if wrong:
        sys.exit("limits missed: " + "; ".join(wrong))


if __name__ == "__main__":
    main()
