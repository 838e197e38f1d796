"""The tables of a report: leaders, comparisons, failures, and the numbers behind a figure."""

from __future__ import annotations

import math
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import (
    MISSING,
    axis_title,
    block_words,
    difference,
    difference_unit,
    in_percent,
    number,
    shown,
    titled,
    words,
)
from analysis.columns.names import is_missing
from analysis.columns.roles import choice, reported
from analysis.columns.rows import tuples
from analysis.findings import sentences
from analysis.findings.rivals import comparisons
from analysis.selection.leaders import leaders
from analysis.selection.series import SPARSITY, budget_column, comparable, series_column, values
from analysis.stats import Comparison
from analysis.stats.candidates import sign_of
from analysis.tables.comparisons import methods_comparison, schedules_comparison
from analysis.tables.layout import TextTable, text_table
from analysis.tables.render import to_html

MANY_ROWS: Final = 100
MANY_COLUMNS: Final = 16


def leaders_view(frame: pd.DataFrame) -> TextTable:
    """Return who leads on validation in each block, what is reported of it, and the runner-up."""
    trials = comparable(frame)
    leads = leaders(trials) if _has_results(trials) else []
    by = series_column(trials)
    val, told = choice(trials), reported(trials)
    ahead = ", ".join(part for part in (difference_unit(val), "validation") if part)
    metrics = list(dict.fromkeys((val, told)))
    rows = (
        (
            block_words(one.block),
            shown(by, one.name),
            *(spread(m, *(one.val if m == one.chosen_by else one.test)) for m in metrics),
            str(one.val[2]),
            str(one.n_lost),
            MISSING if one.runner_up is None else shown(by, one.runner_up),
            MISSING if one.behind is None else difference(one.chosen_by, one.behind),
        )
        for one in leads[:MANY_ROWS]
    )
    columns = [
        "block", f"best {words(by)} on validation", *(axis_title(m) for m in metrics),
        "seeds (n)", "failed or diverged", "runner-up", f"ahead by ({ahead})",
    ]  # fmt: skip
    note = (
        "Mean ± standard deviation over seeds. Chosen on validation, over the seeds that all of a"
        " block have done; where that is none, of those with most done."
    )
    reported_on = "Reported on test." if told != val else "There is no test part to report."
    written = (0, 1, len(columns) - 2)
    return text_table(
        "Leaders", columns, rows, written, (f"{note} {reported_on}", _cut(len(leads)))
    )


def _has_results(trials: pd.DataFrame) -> bool:
    return bool(
        len(trials)
        and (trials["state"] == "done").any()
        and choice(trials) in trials
        and trials[choice(trials)].notna().any()
        and {SPARSITY, budget_column(trials)} <= set(trials)
    )


def _cut(n: int) -> str:
    return f"The first {MANY_ROWS} of {n} rows are shown." if n > MANY_ROWS else ""


def spread(metric: str, mean: float, std: float, n: int) -> str:
    """Return a mean with its spread, `97.13 ± 0.21` in per cent; a dash where it is missing."""
    if n == 0 or not math.isfinite(mean):
        return MISSING
    factor, digits = (100, ".2f") if in_percent(metric) else (1, ".4g")
    deviation = f" ± {factor * std:{digits}}" if math.isfinite(std) else ""
    return f"{factor * mean:{digits}}{deviation}"


def _share(one: Comparison) -> str:
    """The share of pairs improved, in per cent, with its interval where there is one."""
    text = number(100 * one.improved, 3)
    if not math.isfinite(one.improved_lo):
        return text
    return f"{text} [{number(100 * one.improved_lo, 3)}, {number(100 * one.improved_hi, 3)}]"


def comparisons_view(frame: pd.DataFrame) -> TextTable:
    """Return the leader against every rival on test: difference, interval, p, verdict."""
    trials = comparable(frame)
    rivals = comparisons(trials) if _has_results(trials) else []
    by, metric = series_column(trials), reported(trials)
    rows = (
        (
            shown(by, one.verdict.rival),
            difference(one.metric, one.verdict.gain),
            f"{difference(one.metric, one.verdict.interval.lo)} to"
            f" {difference(one.metric, one.verdict.interval.hi)}",
            str(one.comparison.n),
            str(one.verdict.interval.n),
            _share(one.comparison),
            number(one.verdict.p_sign, 2),
            number(one.verdict.p_holm, 2),
            one.certainty,
        )
        for one in rivals
    )
    columns = [
        "rival", titled("difference", difference_unit(metric)), "95 % interval", "pairs (n)",
        "seeds", "better in (% of pairs)", "p, exact", "p, t test, Holm", "verdict",
    ]  # fmt: skip
    leader = shown(by, rivals[0].verdict.of) if rivals else ""
    at = block_words(rivals[0].task) if rivals else ""
    title = f"{leader} against its rivals, {words(metric)}{f', {at}' if at else ''}"
    note = (
        "Pairs share seed, task, sparsity and budget. Difference, share, interval (Student's t) and"
        " both p are over the means of each seed, since pairs of one seed share a dense run. The"
        " verdict rests on the paired t test, corrected after Holm for all pairs of contestants;"
        " beside it is the exact sign-flip test."
    )
    alone = "Some trials have no partner, so not all seeds are over the same blocks."
    turned = "Less is better: a positive difference is a gain." if sign_of(metric) < 0 else ""
    unpaired = any(one.comparison.pairs.n_unpaired for one in rivals)
    return text_table(title, columns, rows, (0, 8), (note, turned, alone if unpaired else ""))


def comparison_tables(frame: pd.DataFrame) -> list[str]:
    """Return the tables of schedules and of methods as escaped HTML, where a page has room."""
    if not _has_results(frame):
        return []
    tables = []
    if len(frame[[SPARSITY, budget_column(frame)]].drop_duplicates()) <= MANY_COLUMNS:
        tables.append(schedules_comparison(frame))
    if len(values(frame, SPARSITY)) <= MANY_COLUMNS // 4:
        tables.append(methods_comparison(frame))
    return [to_html(table) for table in tables if table is not None]


def fallen_view(frame: pd.DataFrame) -> TextTable:
    """Return the trials that did not end as done, with their message."""
    lost = sentences.fallen(frame) if len(frame) else pd.DataFrame()
    rows = ((r.trial, str(r.seed), r.state, str(r.message)) for r in tuples(lost.head(MANY_ROWS)))
    columns = ["trial", "seed", "state", "message"]
    title = "Trials that did not end as done"
    return text_table(title, columns, rows, (0, 2, 3), [_cut(len(lost))])


def numbers_view(table: pd.DataFrame) -> TextTable:
    """Return the numbers behind a figure's first view."""
    kept = table[[c for c in table.columns if table[c].notna().any()]]
    rows = (map(_cell, row.values()) for row in kept.head(MANY_ROWS).to_dict("records"))
    texts = [i for i, c in enumerate(kept) if not _numeric(kept[c])]
    columns = [words(str(column)) for column in kept]
    return text_table("Numbers behind this figure", columns, rows, texts, [_cut(len(table))])


def _numeric(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _cell(value: Any) -> str:
    if is_missing(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 5) if isinstance(value, int | float) else str(value)
