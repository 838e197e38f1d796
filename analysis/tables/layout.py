"""A table's cells as text in rows and columns: numbers rounded, units named, gaps said in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import block_words, shown, words
from analysis.columns.labels import unit as unit_of
from analysis.columns.names import codes, is_missing, or_none
from analysis.tables.content import Table
from analysis.tables.dense_row import DENSE
from trainables.vocabulary.schema import METRICS, spelled


@dataclass(frozen=True)
class Cell:
    """One cell's text, and whether it is highlighted."""

    text: str
    marked: bool = False


@dataclass(frozen=True)
class TextTable:
    """A table laid out.

    `headers` has one tuple per column, of as many levels as there are header rows; `labels` and
    `rows` have one entry per body row; `words` are the columns that hold text, set to the left.
    """

    title: str
    label_names: tuple[str, ...]
    headers: tuple[tuple[str, ...], ...]
    labels: tuple[tuple[str, ...], ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    words: frozenset[int] = frozenset()

    def of_columns(self, places: Sequence[int]) -> TextTable:
        """Return the same rows with some of the columns, in the order of `places`."""
        return replace(
            self,
            headers=tuple(self.headers[place] for place in places),
            rows=tuple(tuple(row[place] for place in places) for row in self.rows),
            words=frozenset(n for n, place in enumerate(places) if place in self.words),
        )


def text_table(
    title: str,
    columns: Sequence[str],
    rows: Iterable[Iterable[str]],
    words: Iterable[int] = (0,),
    notes: Iterable[str] = (),
) -> TextTable:
    """Return rows of text laid out; `words` are the columns that hold no numbers."""
    body = tuple(tuple(map(Cell, row)) for row in rows)
    headers = tuple((column,) for column in columns)
    kept = tuple(note for note in notes if note)
    return TextTable(title, (), headers, ((),) * len(body), body, kept, frozenset(words))


@dataclass(frozen=True)
class _Style:
    words: str
    unit: str
    factor: float
    decimals: int


_STYLES: Final[Mapping[str, _Style]] = {
    "search_trials": _Style("trials searched", "", 1, 0),
    "search_train_s": _Style("search training", "s", 1, 0),
    "theoretical_speedup": _Style("theoretical speedup", "x", 1, 2),
    "sparsity": _Style("sparsity reached", "", 1, 4),
}
_DECIMALS: Final = {"1": 4, "nat": 4, "x": 2, "s": 1, "epoch": 2, "B": 0, "1/s": 0, "step": 0,
                    "points": 2}  # fmt: skip


def style(metric: str) -> _Style:
    """How a metric is shown: accuracies in per cent, other numbers in the schema's unit."""
    if metric in _STYLES:
        return _STYLES[metric]
    words = spelled(metric, metric.replace("_", " "))
    if metric in METRICS and METRICS[metric].percent:
        return _Style(words, "%", 100, 2)
    if metric.startswith("train_") and metric.endswith("_per_s"):
        counts = metric.removeprefix("train_").removesuffix("_per_s")
        return _Style("training throughput", f"{counts}/s", 1, 0)
    unit = METRICS[metric].unit if metric in METRICS else "1"
    return _Style(words, "" if unit == "1" else unit, 1, _DECIMALS.get(unit, 4))


def heading(metric: str) -> str:
    """Return a metric's words with its unit, `test accuracy [%]`."""
    look = style(metric)
    return f"{look.words} [{look.unit}]" if look.unit else look.words


def number(value: float, metric: str) -> str:
    """Return a metric's value as text, without its unit."""
    look = style(metric)
    return f"{value * look.factor:.{look.decimals}f}"


def value_text(value: Any) -> str:
    """Return a setting's value as short text: `0.9`, `3`, `allr`, `(64, 32)`, `none`."""
    if isinstance(value, tuple):
        return f"({', '.join(map(value_text, value))})"
    if is_missing(value):
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _row_text(key: str, value: Any) -> str:
    """A row's name: `ALLR`, `90 %`, `(64, 32)`, `none`."""
    return value_text(value) if isinstance(value, tuple) or value is None else shown(key, value)


def lay_out(table: Table) -> TextTable:
    """Return a table's cells as text, one header level per column key and one for the metric."""
    cells = table.cells
    metrics = list(dict.fromkeys(cells["metric"]))
    single_n = cells.loc[~cells["metric"].str.startswith("search_") & (cells["n"] > 0), "n"]
    show_n = single_n.nunique() > 1
    body: dict[tuple[Any, ...], dict[tuple[Any, ...], Cell]] = {}
    columns = _column_order(cells, table.column_keys, metrics)
    for _, cell in cells.iterrows():
        row = tuple(or_none(cell[key]) for key in table.row_keys)
        column = (*(or_none(cell[key]) for key in table.column_keys), cell["metric"])
        body.setdefault(row, {})[column] = Cell(cell_text(cell, show_n), bool(cell["marked"]))
    headers = tuple(
        (*_heads(table.column_keys, column), *([heading(column[-1])] if len(metrics) > 1 else []))
        for column in columns
    )
    unit = f" [{style(metrics[0]).unit}]" if len(metrics) == 1 and style(metrics[0]).unit else ""
    return TextTable(
        table.title + unit, tuple(_names(table.row_keys)), headers,
        tuple(tuple(map(_row_text, table.row_keys, row)) for row in body),
        tuple(
            tuple(cells_of.get(c, Cell("" if row[-1] == DENSE else EMPTY)) for c in columns)
            for row, cells_of in body.items()
        ),
        table.notes,
    )  # fmt: skip


def _heads(keys: Sequence[str], column: Sequence[Any]) -> list[str]:
    """The headers of one column: `80 % sparse`, `3 epochs`, as figures and pages say them."""
    counted = [unit_of(key) == "epochs" for key in keys]
    heads = []
    for key, name, value, in_epochs in zip(keys, _names(keys), column, counted, strict=False):
        text = shown(key, value) if isinstance(value, Real) else value_text(value)
        alone = in_epochs and sum(counted) == 1
        sparse = key == "prune.sparsity" and isinstance(value, Real)
        named = block_words({key: value}) if sparse else f"{name} {text}"
        heads.append(text if alone else named)
    return heads


EMPTY: Final = "no trials"
TOO_GOOD: Final = "too good"
"""Beside a mean of the very seeds that chose what it is of."""


def _column_order(
    cells: pd.DataFrame, keys: Sequence[str], metrics: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Columns in reading order of their keys, the metrics of one key next to each other."""
    names = [*keys, "metric"]
    distinct = cells[names].drop_duplicates()
    order = [codes(distinct[key]) for key in keys]
    order.append(distinct["metric"].map({name: rank for rank, name in enumerate(metrics)}))
    positions = pd.concat(order, axis=1).sort_values(by=names, kind="stable").index
    return [tuple(map(or_none, row)) for row in distinct.loc[positions].itertuples(False, None)]


def _names(keys: Sequence[str]) -> list[str]:
    """Keys in words, as they stand where two would look alike."""
    names = [words(key) for key in keys]
    return [one if names.count(one) == 1 else key for one, key in zip(names, keys, strict=True)]


def cell_text(cell: Any, show_n: bool) -> str:
    """Return a cell's text, `93.12 ± 0.21 (n = 2, 1 failed)`; without a mean, why there is none."""
    counts = [("failed", cell["n_failed"]), ("diverged", cell["n_diverged"]),
              ("stopped", cell["n_stopped"])]  # fmt: skip
    lost = [f"{count} {word}" for word, count in counts if count]
    searching = str(cell["metric"]).startswith("search_")
    if pd.isna(cell["mean"]):
        missing = [f"not recorded in {cell['n_missing']}"] if cell["n_missing"] else []
        return ", ".join([*missing, *lost]) or EMPTY
    text = number(cell["mean"], cell["metric"])
    if not pd.isna(cell["std"]):
        text += f" ± {number(cell['std'], cell['metric'])}"
    beside = [f"n = {cell['n']}"] if show_n and not searching else []
    collapsed = [f"{cell['n_collapsed']} collapsed"] if cell["n_collapsed"] else []
    own = [TOO_GOOD] if cell["self_chosen"] else []
    remarks = ", ".join([*beside, *lost, *collapsed, *own])
    return f"{text} ({remarks})" if remarks else text
