"""What each entrant of a contest reaches, seed by seed, when its own settings are chosen fairly."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from analysis.columns.names import config_columns, differing, or_none, ordered, require_columns
from analysis.columns.roles import CHOICE, named
from analysis.stats.candidates import SEED, candidates_by, confirmations
from analysis.stats.crossfit import FEWEST_SEEDS, optimum_at
from analysis.stats.verdicts import Verdict, verdicts


@dataclass(frozen=True)
class Entrants:
    """A metric of every entrant by place and seed, turned so that more is better.

    `gains`: one row per value of the places' columns and seed, one column per entrant; missing
    where an entrant has no trial done. An entrant with several settings in some place is in
    `tuned`, and is scored at each seed by the setting that the other seeds choose on validation;
    with two seeds or fewer its values are missing there, and it is in `unknown` too. A setting that
    a search confirmed is scored at the seeds that did not choose it. `tries` is how many settings
    of each entrant were tried in some place, at most.
    """

    gains: pd.DataFrame
    tuned: tuple[Hashable, ...]
    unknown: tuple[Hashable, ...]
    tries: Mapping[Hashable, int] = field(default_factory=dict)

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
    tried = frame.dropna(subset=[column])
    standing, scoring = _confirmed(tried, among, [*by, column])
    cells: dict[Hashable, dict[tuple[Hashable, ...], float]] = {
        name: {} for name in ordered(frame[column].dropna(), column)
    }
    tuned, unknown = dict[Hashable, None](), dict[Hashable, None]()
    for key, found in candidates_by(standing, [*by, column], among, choose_by, metric).items():
        *place, name = key
        if len(found.names) > 1:
            tuned[name] = None
            if len(found.seeds) < FEWEST_SEEDS:
                unknown[name] = None
                continue
        if not found.seeds:
            continue
        values = found.sign * optimum_at(found.choice, found.score)
        cells[name] |= {
            (*place, seed): value
            for seed, value in zip(found.seeds, values, strict=True)
            if scoring is None or _key((*key, seed)) in scoring
        }
    tries = settings_tried(frame.dropna(subset=[column]), column, among, by)
    return Entrants(_table(cells, [*by, SEED]), tuple(tuned), tuple(unknown), tries)


def settings_tried(
    frame: pd.DataFrame, column: str, among: Sequence[str], by: Sequence[str]
) -> dict[Hashable, int]:
    """Return how many settings (of the columns `among`) of each value of `column` were tried.

    That of the place, a value of the keys `by`, where it is most.
    """
    once = frame[[column, *by, *among]].drop_duplicates()
    counts = once.groupby([column, *by], dropna=False, sort=False).size()
    most = counts.groupby(level=0, sort=False).max()
    return {name: int(most[name]) for name in ordered(most.index, column)}


def _confirmed(
    frame: pd.DataFrame, among: Sequence[str], by: Sequence[str]
) -> tuple[pd.DataFrame, set[tuple[Hashable, ...]] | None]:
    """The settings that stand for choice, and the places and seeds that score them; None for all.

    Of what a search tried those that it confirmed, scored at the seeds that did not choose them.
    """
    if "origin.number" not in frame or frame["origin.number"].isna().all():
        return frame, None
    searched = frame["origin.number"].notna()
    confirmed, chose = confirmations(frame[searched], among, by)
    chose = chose.reindex(frame.index, fill_value=False)
    standing = confirmed.reindex(frame.index, fill_value=True)
    scoring = frame.loc[standing & ~chose, [*by, SEED]]
    return frame[standing], set(map(_key, scoring.to_numpy(dtype=object).tolist()))


def _key(values: Iterable[Hashable]) -> tuple[Hashable, ...]:
    """Values as a key that equals itself, missing ones too."""
    return tuple(map(or_none, values))


def _table(
    cells: dict[Hashable, dict[tuple[Hashable, ...], float]], keys: Sequence[str]
) -> pd.DataFrame:
    """Cells by entrant and place as a table; a place is there if any entrant has it."""
    places = list(dict.fromkeys(place for column in cells.values() for place in column))
    index = pd.MultiIndex.from_tuples(places, names=list(keys)) if places else None
    rows = [[column.get(place, np.nan) for column in cells.values()] for place in places]
    return pd.DataFrame(rows, index=index, columns=pd.Index(list(cells)), dtype=float)
