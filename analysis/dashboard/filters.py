"""The one filter bar: which trials every figure and table of the dashboard is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.columns.labels import brief, shown, words
from analysis.columns.names import joined, ordered
from analysis.dashboard.address import NOT_SET, Address, token
from analysis.selection.series import budget_column, each_once
from trainables.vocabulary.schema import METRICS, at_level

Options = list[dict[str, str]]


@dataclass(frozen=True)
class Filter:
    """One filter: its key in the address, its label, and the column of its values.

    "" stands for the column of the study's budget.
    """

    key: str
    label: str
    column: str

    def column_of(self, trials: pd.DataFrame) -> str:
        """Return the column whose words and unit the values have."""
        return self.column or budget_column(trials)

    def values(self, trials: pd.DataFrame) -> pd.Series[Any]:
        """Return each trial's value; of the budget, that of all its training where any has one."""
        column = self.column_of(trials)
        if not self.column:
            # Without fingerprints, `each_once` keeps a trial that two studies hold in both.
            trials = each_once(trials.drop(columns="fingerprint", errors="ignore"))
        return trials[column] if column in trials else pd.Series(np.nan, index=trials.index)


FILTERS: Final[dict[str, Filter]] = {
    one.key: one
    for one in (
        Filter("study", "Study", "study"),
        Filter("method", "Method", "method"),
        Filter("schedule", "Schedule", "retrain.schedule"),
        Filter("sparsity", "Sparsity", "prune.sparsity"),
        Filter("budget", "Budget", ""),
        Filter("state", "State", "state"),
    )
}
"""Every filter by its key in the address, in the order of the bar."""


@dataclass(frozen=True)
class FilterIndex:
    """What the filters know of one state of the trials.

    `tokens` holds, per filter, each trial's value as it stands in an address; `options` what each
    filter offers, in reading order; `columns` the column whose words and unit its values have.
    """

    tokens: dict[str, NDArray[np.object_]]
    options: dict[str, Options]
    columns: dict[str, str]

    def keep(self, address: Address) -> NDArray[np.bool_]:
        """Return which trials the address's filters let through."""
        n = len(next(iter(self.tokens.values())))
        keep = np.ones(n, dtype=bool)
        for key, tokens in self.tokens.items():
            if wanted := address.all(key):
                keep &= np.isin(tokens, np.array(wanted, dtype=object))
        return keep

    def offered(self, key: str, address: Address) -> Options:
        """Return a filter's options, with those that an address asks for and no trial has."""
        known = {option["value"] for option in self.options[key]}
        absent = [value for value in address.all(key) if value not in known]
        more = [{"label": f"{self._text(key, v)} (no trial)", "value": v} for v in absent]
        return [*self.options[key], *more]

    def words(self, address: Address) -> str:
        """Return an address's filters: `schedule allr or ft, sparsity 90 %`; "" for none."""
        parts = [
            f"{one.label.lower()} {' or '.join(self._text(key, v) for v in address.all(key))}"
            for key, one in FILTERS.items()
            if address.all(key)
        ]
        return joined(parts) if parts else ""

    def _text(self, key: str, value: str) -> str:
        """A value of an address as readers know it, whether or not some trial has it."""
        known = {option["value"]: option["label"] for option in self.options[key]}
        if value in known:
            return known[value]
        try:
            return shown(self.columns[key], float(value))
        except ValueError:
            return brief(value)


def filter_index(trials: pd.DataFrame) -> FilterIndex:
    """Return what the filters know of a frame of trials."""
    tokens, options, columns = {}, {}, {}
    for key, one in FILTERS.items():
        values = one.values(trials)
        columns[key] = column = one.column_of(trials)
        texts = {value: token(value) for value in values.dropna().unique()}
        tokens[key] = values.map(texts).fillna(NOT_SET).to_numpy(dtype=object)
        options[key] = [_option(column, value) for value in ordered(values.tolist(), column)]
    return FilterIndex(tokens, options, columns)


def _option(column: str, value: Any) -> dict[str, str]:
    label = NOT_SET if value is None else shown(column, value)
    return {"label": label, "value": token(value)}


def metric_options(trials: pd.DataFrame) -> Options:
    """Return the metrics that some trial has and of which one direction is better."""
    present = [
        name
        for name in at_level("trial")
        if METRICS[name].direction and name in trials and trials[name].notna().any()
    ]
    return [{"label": words(name), "value": name} for name in present]
