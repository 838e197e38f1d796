"""Who stands in a block for a series with several configurations, so that no luck counts twice.

The configuration that is best on validation at some seeds is best partly by their luck, which
validation and test share. So at each seed stands the configuration that is best at the other seeds
(`stats.crossfit`), and one that a search confirmed stands at the seeds that did not choose it. With
two seeds or fewer there are no others to choose by: the best configuration then stands at the very
seeds that chose it, and is marked, since its numbers are too good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.names import require_columns
from analysis.columns.roles import choice
from analysis.frames.constraints import beyond_bounds
from analysis.selection.settings import configurations
from analysis.stats import FEWEST_SEEDS, picks, snapped
from analysis.stats.candidates import SEED, confirmations, sign_of

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

TRIED: Final = "n_configurations"
SELF_CHOSEN: Final = "self_chosen"
CHOSEN_ELSEWHERE: Final = "chosen_elsewhere"


def stand_ins(
    frame: pd.DataFrame, by: str, block: Sequence[str], choose_by: str = ""
) -> pd.DataFrame:
    """Return the trials that stand for each series in each block.

    Three columns are added: `n_configurations` that were tried; `chosen_elsewhere`, True where the
    other seeds chose it among several; `self_chosen`, True where a configuration stands at a seed
    that took part in its choice. A series with one configuration stands by all of its trials. Of
    several those may be chosen that were done at most seeds, within the bounds of their search
    where any are (`beyond_bounds`); a seed that not all of these have done has no trial. The
    numbers of configurations that tie at a seed are averaged. Trials of the best configuration that
    are not done are kept, to be counted. The choice is by `choice` unless `choose_by` is given.
    """
    tried = _tried(frame, by, block, choose_by)
    ranked = _ranked(tried)
    best = ranked.drop_duplicates("cell").set_index("cell")["one"]
    is_best = tried.one == best.reindex(tried.cell).to_numpy()
    n_standing = ranked[ranked["standing"]]["cell"].value_counts()
    contested = np.isin(tried.cell, n_standing.index[n_standing > 1])
    kept = is_best & ~tried.chose & ~(contested & tried.done)
    rows = [np.array([row]) for row in np.flatnonzero(kept)]
    kinds = [""] * len(rows)
    standing = np.isin(tried.one, ranked.loc[ranked["standing"], "one"])
    candidates = np.flatnonzero(contested & standing & tried.done)
    for part in _by_cell(tried.cell, candidates):
        elected = _elected(tried, part)
        if elected is None:
            alone = [np.array([row]) for row in part[is_best[part]]]
            rows += alone
            kinds += [SELF_CHOSEN] * len(alone)
        else:
            rows += elected
            kinds += [CHOSEN_ELSEWHERE] * len(elected)
    chosen = _together(tried.frame, rows)
    for kind in (CHOSEN_ELSEWHERE, SELF_CHOSEN):
        chosen[kind] = np.array([one == kind for one in kinds], dtype=bool)
    sizes = ranked["cell"].value_counts()
    first = [int(row[0]) for row in rows]
    chosen[TRIED] = sizes.reindex(tried.cell[first]).to_numpy() if first else 0
    order = np.argsort(first, kind="stable")
    return chosen.iloc[order].reset_index(drop=True)


def best_configurations(
    frame: pd.DataFrame, by: str, block: Sequence[str], *, ties: bool = False
) -> pd.DataFrame:
    """Return all trials of the configuration that one would use of each series in each block.

    It is the best on validation at all seeds, so its numbers are too good where several were tried:
    for what is shown of a training run, or to name it, not for how good it is. With
    `n_configurations` and `n_tied`, how many others have the same mean; of these the first tried is
    taken, or with `ties` all.
    """
    tried = _tried(frame, by, block, "")
    ranked = _ranked(tried)
    top = ranked[ranked["top"]]
    wanted = top if ties else top.drop_duplicates("cell")
    kept = np.isin(tried.one, wanted["one"])
    chosen: pd.DataFrame = tried.frame[kept].reset_index(drop=True)
    chosen[TRIED] = ranked["cell"].value_counts().reindex(tried.cell[kept]).to_numpy()
    chosen["n_tied"] = top["cell"].value_counts().reindex(tried.cell[kept]).to_numpy() - 1
    return chosen


def candidates_of(
    frame: pd.DataFrame, by: str, block: Sequence[str], *, unseen: bool = True
) -> pd.DataFrame:
    """Return the trials of all configurations that stand for choice, at seeds that may score them.

    Those that `stand_ins` chooses among: within the bounds of their search, done at most seeds of
    their series and block, and without the seeds by which a search chose them, which `unseen=False`
    keeps.
    """
    tried = _tried(frame, by, block, "")
    ranked = _ranked(tried)
    standing = np.isin(tried.one, ranked.loc[ranked["standing"], "one"])
    return tried.frame[standing & ~(tried.chose & unseen)]


@dataclass(frozen=True)
class _Tried:
    """Trials with their cell (series and block) and configuration as numbers, and their scores.

    `chose` are the trials by which a search chose what it confirmed; a score is higher where better
    and missing where the trial is not done.
    """

    frame: pd.DataFrame
    cell: Integers
    one: Integers
    score: NDArray[np.float64]
    done: Booleans
    chose: Booleans


def _tried(frame: pd.DataFrame, by: str, block: Sequence[str], choose_by: str) -> _Tried:
    keys = [by, *block]
    chosen_by = choose_by or choice(frame)
    require_columns(frame, [*keys, chosen_by, "state"])
    tried = frame.dropna(subset=[by])
    # With the keys: a series such as the study does not follow from the configuration.
    numbers = tried.groupby(keys, dropna=False, sort=False).ngroup()
    cell = np.asarray(numbers, dtype=np.int64)
    configuration = configurations(tried).to_numpy()
    one = np.asarray(
        pd.factorize(cell * (configuration.max(initial=0) + 1) + configuration)[0], dtype=np.int64
    )
    scores = sign_of(chosen_by) * tried[chosen_by].astype(float).to_numpy()
    done = (tried["state"] == "done").to_numpy() & ~np.isnan(scores)
    score = np.where(done, scores, np.nan)
    return _Tried(tried, cell, one, score, done, _choosing(tried, cell, one))


def _choosing(tried: pd.DataFrame, cell: Integers, one: Integers) -> Booleans:
    """Which trials of confirmed configurations are at seeds by which a search chose these."""
    if "origin.number" not in tried or tried["origin.number"].isna().all():
        return np.zeros(len(tried), dtype=bool)
    numbered = pd.DataFrame({"cell": cell, "one": one, SEED: tried[SEED].to_numpy()})
    searched = tried["origin.number"].notna().to_numpy()
    confirmed, chose = confirmations(numbered[searched], ["one"], ["cell"])
    return np.asarray((confirmed & chose).reindex(numbered.index, fill_value=False))


def _ranked(tried: _Tried) -> pd.DataFrame:
    """The configurations of each cell, best first: in bounds, by done seeds, by mean choice.

    `standing` are those that may be chosen: as late, and done at as many seeds, as the first; `top`
    are those of them with the best mean.
    """
    seen = pd.DataFrame({"cell": tried.cell, "one": tried.one, "done": tried.done})
    seen["score"] = tried.score
    bounded = tried.frame.assign(_cell=tried.cell, _one=tried.one)
    seen["late"] = beyond_bounds(bounded, ["_one"], ["_cell"]).to_numpy()
    grouped = seen.groupby("one", sort=False)
    ranked = seen.drop_duplicates("one")[["cell", "one", "late"]].reset_index(drop=True)
    ranked["n"] = grouped["done"].sum().to_numpy()
    ranked["mean"] = snapped(grouped["score"].mean().to_numpy())
    ranked = ranked.sort_values(
        ["late", "n", "mean"], ascending=[True, False, False], kind="stable"
    )
    first = ranked.drop_duplicates("cell").set_index("cell").loc[ranked["cell"]]
    alike = ranked[["late", "n"]].to_numpy() == first[["late", "n"]].to_numpy()
    ranked["standing"] = alike.all(axis=1)
    best = ranked["mean"].to_numpy() == first["mean"].to_numpy()
    foremost = ~ranked["cell"].duplicated().to_numpy()
    ranked["top"] = (ranked["standing"].to_numpy() & best) | foremost
    return ranked


def _by_cell(cell: Integers, rows: Integers) -> list[Integers]:
    """The row numbers of each cell."""
    order = rows[np.argsort(cell[rows], kind="stable")]
    ends = np.flatnonzero(np.diff(cell[order])) + 1
    return np.split(order, ends) if len(order) else []


def _elected(tried: _Tried, rows: Integers) -> list[Integers] | None:
    """At each seed that all configurations of a cell have done those that the other seeds choose.

    At seeds that chose what a search confirmed nothing stands. None where there are too few seeds.
    """
    ones, line = np.unique(tried.one[rows], return_inverse=True)
    seeds, column = np.unique(tried.frame[SEED].to_numpy()[rows], return_inverse=True)
    place = np.full((len(ones), len(seeds)), -1)
    place[line, column] = rows
    place = place[:, (place >= 0).all(axis=0)]
    scoring = ~tried.chose[place].any(axis=0)
    n = place.shape[1]
    if n < FEWEST_SEEDS and (n < 2 or scoring.all()):
        return None
    chosen = picks(-tried.score[place])
    return [np.sort(place[chosen[:, seed], seed]) for seed in np.flatnonzero(scoring)]


def _together(frame: pd.DataFrame, rows: Sequence[Integers]) -> pd.DataFrame:
    """One row per entry of `rows`: the first of them, with the numbers of all averaged."""
    first = [int(row[0]) for row in rows]
    chosen: pd.DataFrame = frame.iloc[first].reset_index(drop=True)
    numbers = [c for c in frame.select_dtypes("number") if "." not in str(c) and c != SEED]
    for row, several in enumerate(rows):
        if len(several) > 1:
            chosen = _averaged(chosen, row, frame.iloc[several], numbers)
    return chosen


def _averaged(
    chosen: pd.DataFrame, row: int, tied: pd.DataFrame, numbers: Sequence[Any]
) -> pd.DataFrame:
    for column in numbers:
        chosen[column] = chosen[column].astype(float)
        chosen.loc[row, column] = float(tied[column].mean())
    return chosen
