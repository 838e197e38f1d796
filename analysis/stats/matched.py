"""Methods compared where they are equally sparse, or equally fast: along each one's own front.

A method that stops at .927 and one that stops at .900 cannot be compared as they are. Each method's
settings make a front of what they reach; the accuracy at the sparsity asked for lies on the line
between two of its points, and beyond its last point it is missing. Which settings make the front is
a choice, so it is made on the other seeds and read off at the seed left out, see `crossfit`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from analysis.columns.names import ordered, require_columns
from analysis.columns.roles import CHOICE, REPORTED, named
from analysis.stats.candidates import SEED, Grid, grids, sign_of
from analysis.stats.crossfit import FEWEST_SEEDS
from analysis.stats.fronts import along, non_dominated
from analysis.stats.intervals import Floats, interval
from analysis.stats.spread import require_choosable
from analysis.stats.verdicts import Verdict, verdicts

SLACK: Final = 0.01
"""How far beyond its last point a method still counts as matched: one per cent of the weights left,
or of the speedup. A goal is met to a weight, not to the last digit."""


def _compression(sparsity: Floats) -> Floats:
    """Log of how often fewer weights are left: accuracy falls about evenly along it."""
    return np.asarray(-np.log1p(-sparsity))


AXES: Final[dict[str, Callable[[Floats], Floats]]] = {
    "sparsity": _compression,
    "theoretical_speedup": lambda speedup: np.asarray(np.log(speedup)),
}
"""What methods can be matched on, and the scale on which lines between points are straight."""


@dataclass(frozen=True)
class Matched:
    """A metric of every entrant at equal sparsity or speedup.

    `values`: one row per (at, seed), one column per entrant, in the metric's own unit; missing
    where an entrant's front does not reach. `tuned` are the entrants with several settings, whose
    values share choices between seeds. `unknown` are those with several settings and two seeds or
    fewer: of them nothing is known, and their columns are missing.
    """

    metric: str
    along: str
    at: tuple[float, ...]
    values: pd.DataFrame
    tuned: tuple[Hashable, ...]
    unknown: tuple[Hashable, ...]

    def _at(self, at: float) -> pd.DataFrame:
        return self.values[self.values.index.get_level_values("at") == at].droplevel("at")

    def verdicts(self, at: float) -> list[Verdict]:
        """Return the verdict on every pair of entrants at one sparsity or speedup."""
        return verdicts(sign_of(self.metric) * self._at(at), tuned=self.tuned)

    def table(self) -> pd.DataFrame:
        """Return one row per entrant and place: entrant, at, mean, lo, hi, kind, n."""
        rows = []
        for entrant in self.values.columns:
            for at in self.at:
                values = self._at(at)[entrant].dropna()
                span = interval(values, kind="corrected t" if entrant in self.tuned else "t")
                rows.append([entrant, at, values.mean(), span.lo, span.hi, span.kind, span.n])
        return pd.DataFrame(rows, columns=["entrant", "at", "mean", "lo", "hi", "kind", "n"])


def matched(
    frame: pd.DataFrame,
    column: str,
    among: Sequence[str],
    at: Sequence[float],
    choose_by: str = CHOICE,
    score_by: str = REPORTED,
    by: str = "sparsity",
) -> Matched:
    """Return a metric of the values of `column` where all are equally sparse, or equally fast.

    `frame` holds trials of one task and budget, `among` are the settings that tell an entrant's
    trials apart, its goal among them; `by` is one of `AXES`, `at` the places on it. Raises
    TestSelectionError when `choose_by` is measured on test, ValueError for an unknown `by`, or
    where several trials share their setting and seed.
    """
    choose_by = named(choose_by, frame)
    score_by = named(score_by, frame)
    require_choosable(choose_by)
    if by not in AXES:
        raise ValueError(f"by must be one of {', '.join(AXES)}, got {by!r}")
    require_columns(frame, [column, by, choose_by, score_by, *among])
    metrics = list(dict.fromkeys([by, choose_by, score_by]))
    entrants = ordered(frame[column].dropna(), column)
    by_entrant = grids(frame.dropna(subset=[column]), [column], among, metrics)
    tables = {name: by_entrant[(name,)] for name in entrants}
    columns = [
        _read_off(grid, choose_by, score_by, by, at).rename(name) for name, grid in tables.items()
    ]
    tuned = tuple(name for name, grid in tables.items() if len(grid.names) > 1)
    unknown = tuple(name for name in tuned if len(tables[name].seeds) < FEWEST_SEEDS)
    index = pd.MultiIndex.from_tuples([], names=["at", SEED])
    values = pd.concat(columns, axis=1) if columns else pd.DataFrame(index=index)
    return Matched(score_by, by, tuple(at), values, tuned, unknown)


def _read_off(
    grid: Grid, choose_by: str, score_by: str, by: str, at: Sequence[float]
) -> pd.Series[float]:
    """One entrant's metric at each place and seed, on the front that the other seeds make."""
    loss, score = -sign_of(choose_by) * grid.values[choose_by], grid.values[score_by]
    x, targets = AXES[by](grid.values[by]), AXES[by](np.asarray(at, dtype=float))
    k, n = x.shape
    rows = np.full((len(targets), n), np.nan)
    if n >= FEWEST_SEEDS or k == 1:
        for seed in range(n):
            chosen = _front(x, loss, seed) if k > 1 else np.array([True])
            rows[:, seed] = along(x[chosen, seed], score[chosen, seed], targets, SLACK)
    index = pd.MultiIndex.from_product([list(at), list(grid.seeds)], names=["at", SEED])
    return pd.Series(rows.ravel(), index=index)


def _front(x: Floats, loss: Floats, seed: int) -> np.ndarray:
    """Which settings are on the front of x (more is better) and loss at the other seeds."""
    others = np.delete(np.arange(x.shape[1]), seed)
    return non_dominated(
        np.column_stack([-x[:, others].mean(axis=1), loss[:, others].mean(axis=1)])
    )
