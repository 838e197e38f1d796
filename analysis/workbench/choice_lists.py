"""Lists of trials: the best at each sparsity, and those that differ from one in its seeds alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import shown, words
from analysis.columns.names import (
    KEYS,
    RETRAIN_SEED,
    config_columns,
    differing,
    is_missing,
    or_none,
)
from analysis.columns.roles import choice, reported
from analysis.selection.series import SPARSITY, comparable, values
from analysis.tables.layout import TextTable, text_table
from analysis.workbench.naming import telling_settings
from trainables.vocabulary.schema import METRICS
from trainables.vocabulary.wording import counted

BEST: Final = 3
"""So many trials are named at each sparsity."""

MANY_SPARSITIES: Final = 8
"""With more sparsities than this they were sampled: the best are named over all of them."""


@dataclass(frozen=True)
class TrialList:
    """A table with one row per trial, and the keys (study, fingerprint) of each row's trial."""

    table: TextTable
    keys: tuple[tuple[str, str], ...]


def best_trials(trials: pd.DataFrame, each: int = BEST) -> TrialList | None:
    """Return the trials best on validation at each sparsity; None where none can be ranked.

    Single trials, so the best of many seeds: means over seeds are compared elsewhere. Trials that
    are equally good have the same place, in the order of the frame.
    """
    known = comparable(trials)
    metric = choice(known) if len(known) else ""
    if metric not in known or METRICS[metric].direction is None:
        return None
    done = known[(known["state"] == "done") & known[metric].notna()]
    if done.empty:
        return None
    ordered = done.sort_values(metric, ascending=METRICS[metric].direction == "min", kind="stable")
    few = SPARSITY in done and len(values(done, SPARSITY)) <= MANY_SPARSITIES
    places = values(done, SPARSITY) if few else []
    groups = [ordered[ordered[SPARSITY] == place] for place in places] or [ordered]
    rows = pd.concat([group.head(each) for group in groups])
    settings = [c for c in telling_settings(done) if c != SPARSITY][:MOST_SETTINGS]
    reading = reported(done)
    numbers = [metric, *([reading] if reading != metric and reading in rows else [])]
    first = [SPARSITY] if SPARSITY in rows else []
    return _list(
        rows, [*first, *settings, "seed", *numbers], "Best trials on validation",
        (_SINGLE, *(_ties(group[metric], each, place)
                    for group, place in zip(groups, places or [None], strict=True))),
    )  # fmt: skip


MOST_SETTINGS: Final = 4

_SINGLE: Final = (
    "Single trials, so the luck of a seed is in them: means over seeds stand on the page Overview."
)


def _ties(ordered: pd.Series[float], each: int, place: Any) -> str:
    """How many further trials are as good as the last one that is shown; "" where none is."""
    more = int((ordered.iloc[each:] == ordered.iloc[min(each, len(ordered)) - 1]).sum())
    if not more:
        return ""
    where = "" if place is None else f"At {shown(SPARSITY, place)} "
    text = f"{where}{counted(more, 'further trial')} {'is' if more == 1 else 'are'}"
    return f"{text} as good as the last one shown."


def siblings(trials: pd.DataFrame, row: pd.Series[Any]) -> TrialList | None:
    """Return the trials of the same configuration at other seeds, the trial itself among them.

    None where there is no other one.
    """
    columns = config_columns(trials)
    same = trials["study"] == row["study"]
    for column in columns:
        value = row[column]
        same &= trials[column].isna() if is_missing(value) else _equal(trials[column], value)
    rows = trials[same].sort_values(["seed", RETRAIN_SEED], kind="stable")
    if len(rows) < 2:
        return None
    metric, reading = choice(rows), reported(rows)
    numbers = [c for c in dict.fromkeys([metric, reading, "sparsity"]) if c in rows]
    again = differing(rows, [RETRAIN_SEED])
    return _list(rows, ["seed", *again, "state", *numbers], "The same settings at every seed")


def _equal(column: pd.Series[Any], value: Any) -> pd.Series[bool]:
    if isinstance(value, tuple):  # pandas would compare it with the column element by element
        return column.map(lambda one: isinstance(one, tuple) and one == value)
    return column.eq(value)


def _list(
    rows: pd.DataFrame, columns: list[str], title: str, notes: Iterable[str] = ()
) -> TrialList:
    headers = ["trial", *map(words, columns)]
    lines = [
        [str(row["fingerprint"]), *(shown(c, or_none(row[c])) for c in columns)]
        for row in rows.to_dict("records")
    ]
    text = [0, *(n for n, c in enumerate(columns, 1) if c not in METRICS and c != SPARSITY)]
    keys = tuple((str(row[KEYS[0]]), str(row[KEYS[1]])) for row in rows.to_dict("records"))
    return TrialList(text_table(title, headers, lines, text, notes), keys)
