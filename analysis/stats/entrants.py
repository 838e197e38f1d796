"""What each entrant of a contest reaches, seed by seed, when its own settings are chosen fairly."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.columns.names import config_columns, differing, ordered, require_columns
from analysis.columns.roles import CHOICE, named
from analysis.stats.candidates import SEED, candidates_by, fresh
from analysis.stats.crossfit import FEWEST_SEEDS, optimum_at
from analysis.stats.verdicts import Verdict, verdicts


@dataclass(frozen=True)
class Entrants:
    """A metric of every entrant by place and seed, turned so that more is better.

    `gains`: one row per value of the places' columns and seed, one column per entrant; missing
    where an entrant has no trial done. An entrant with several settings in some place is in
    `tuned`, and is scored at each seed by the setting that the other seeds choose on validation;
    with two seeds or fewer its values are missing there, and it is in `unknown` too. A setting that
    a search confirmed is scored at the seeds that did not choose it.
    """

    gains: pd.DataFrame
    tuned: tuple[Hashable, ...]
    unknown: tuple[Hashable, ...]

    def verdicts(self) -> list[Verdict]:
        """Return the verdict on every pair of entrants, over the means of each seed."""
        return verdicts(self.gains, tuned=self.tuned)


def entrants(
    frame: pd.DataFrame,
    metric: str,
    column: str,
    by: Sequence[str],
    choose_by: str = CHOICE,
) -> Entrants:
    """Return a metric of the values of `column` in the places that the columns `by` tell apart.

    Raises TestSelectionError when `choose_by` is measured on test, ValueError where several trials
    share their settings and seed.
    """
    choose_by = named(choose_by, frame)
    require_columns(frame, [column, *by, SEED, "state", metric, choose_by])
    taken = {column, *by}
    among = [c for c in differing(frame, config_columns(frame)) if c not in taken]
    tried = _unseen(frame.dropna(subset=[column]), among, [*by, column])
    cells: dict[Hashable, dict[tuple[Hashable, ...], float]] = {
        name: {} for name in ordered(frame[column].dropna(), column)
    }
    tuned, unknown = dict[Hashable, None](), dict[Hashable, None]()
    for key, found in candidates_by(tried, [*by, column], among, choose_by, metric).items():
        *place, name = key
        if len(found.names) > 1:
            tuned[name] = None
            if len(found.seeds) < FEWEST_SEEDS:
                unknown[name] = None
                continue
        if not found.seeds:
            continue
        values = found.sign * optimum_at(found.choice, found.score)
        cells[name] |= {(*place, seed): v for seed, v in zip(found.seeds, values, strict=True)}
    return Entrants(_table(cells, [*by, SEED]), tuple(tuned), tuple(unknown))


def _unseen(frame: pd.DataFrame, among: Sequence[str], by: Sequence[str]) -> pd.DataFrame:
    """The trials, of what a search confirmed only those at seeds that it did not choose by."""
    if "origin.number" not in frame:
        return frame
    searched = frame["origin.number"].notna()
    if not searched.any():
        return frame
    return pd.concat([frame[~searched], fresh(frame[searched], among, by)])


def _table(
    cells: dict[Hashable, dict[tuple[Hashable, ...], float]], keys: Sequence[str]
) -> pd.DataFrame:
    """Cells by entrant and place as a table; a place is there if any entrant has it."""
    places = list(dict.fromkeys(place for column in cells.values() for place in column))
    index = pd.MultiIndex.from_tuples(places, names=list(keys)) if places else None
    rows = [[column.get(place, np.nan) for column in cells.values()] for place in places]
    return pd.DataFrame(rows, index=index, columns=pd.Index(list(cells)), dtype=float)
