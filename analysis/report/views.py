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
    scale,
    shown,
    titled,
    words,
)
from analysis.columns.names import is_missing, joined, ordered
from analysis.columns.roles import choice, reported
from analysis.columns.rows import tuples
from analysis.findings import sentences
from analysis.findings.resolution import resolutions
from analysis.findings.rivals import Versus, comparisons
from analysis.selection.leaders import leaders
from analysis.selection.likeness import difference_words, margin_of
from analysis.selection.networks import seeds_note
from analysis.selection.series import SPARSITY, budget_column, comparable, series_column, values
from analysis.selection.tries import unequal_tries
from analysis.stats import Comparison, CrossFit, Verdict
from analysis.stats.candidates import sign_of
from analysis.tables.comparisons import (
    methods_comparison,
    schedules_comparison,
    structures_comparison,
)
from analysis.tables.fitted import by_head
from analysis.tables.layout import TextTable, text_table
from analysis.tables.render import to_html

MANY_ROWS: Final = 100
MANY_COLUMNS: Final = 16

SIDE_BY_SIDE: Final = 8
"""More columns than this do not fit beside each other on paper: a table is then split."""


def leaders_view(frame: pd.DataFrame) -> TextTable:
    """Return who leads on validation in each block, and what such a choice is worth."""
    trials = comparable(frame)
    leads = leaders(trials) if _has_results(trials) else []
    by = series_column(trials)
    val, told = choice(trials), reported(trials)
    ahead = ", ".join(part for part in (difference_unit(val), "validation") if part)
    metrics = list(dict.fromkeys((val, told)))
    rows = (
        (
            block_words(one.block),
            joined([shown(by, name) for name in ordered([one.name, *one.ties], by)]),
            *(_fit(m, one.chosen_val if m == one.chosen_by else one.chosen_test) for m in metrics),
            str(len(one.chosen_val.seeds)),
            str(one.n_lost),
            MISSING if one.runner_up is None or one.ties else shown(by, one.runner_up),
            MISSING if one.ties else difference(one.chosen_by, one.ahead.mean),
        )
        for one in leads[:MANY_ROWS]
    )
    columns = [
        "setting", f"best {words(by)} on validation", *(axis_title(m) for m in metrics),
        "seeds (n)", "failed or diverged", "runner-up", f"ahead by ({ahead})",
    ]  # fmt: skip
    note = (
        "The best on validation over the seeds that all have done there; where that is none,"
        " of those with most done. Several names tie. What is best is so partly by luck: the"
        " numbers are those of a choice made on all seeds but one and scored at that one, mean ±"
        " standard deviation over seeds, and so is the lead of the first over the second."
    )
    few = [one.chosen_val.unknown for one in leads if one.chosen_val.unknown]
    unknown = f"Where a number is missing, {few[0]}." if few else ""
    reported_on = "Reported on test." if told != val else "There is no test part to report."
    written = (0, 1, len(columns) - 2)
    notes = (note, unknown, reported_on, seeds_note(trials), _cut(len(leads)))
    return text_table("Leaders", columns, rows, written, notes)


def _fit(metric: str, fit: CrossFit) -> str:
    """A cross-fitted mean with its spread over seeds; a dash where it cannot be known."""
    std = float(fit.values.std(ddof=1)) if len(fit.values) > 1 else math.nan
    return spread(metric, fit.mean, std, 0 if fit.unknown else len(fit.values))


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


def comparisons_view(frame: pd.DataFrame, margin: float | None = None) -> TextTable:
    """Return the leader against every rival on test: difference, interval, p, likeness, verdict.

    `margin`, in the metric's shown unit, is what likeness is judged by; see `margin_of`.
    """
    trials = comparable(frame)
    rivals = comparisons(trials) if _has_results(trials) else []
    by, metric = series_column(trials), reported(trials)
    limit = margin_of(metric, margin)
    rows = (
        (
            shown(by, one.verdict.rival),
            difference(one.metric, one.verdict.gain),
            f"{difference(one.metric, one.verdict.interval.lo)} to"
            f" {difference(one.metric, one.verdict.interval.hi)}",
            f"{one.comparison.n}, {one.verdict.interval.n}",
            _share(one.comparison),
            number(one.verdict.p_sign, 2),
            number(one.verdict.p_holm, 2),
            *([_likeness(one.verdict, limit)] if limit else []),
            _verdict(one, limit),
        )
        for one in rivals
    )
    columns = [
        "rival", titled("difference", difference_unit(metric)), "95 % interval", "pairs, seeds",
        "better in (% of pairs)", "p, exact", "p, t test, Holm",
        *([f"within {difference_words(metric, limit)}"] if limit else []), "verdict",
    ]  # fmt: skip
    leader = shown(by, rivals[0].verdict.of) if rivals else ""
    at = block_words(rivals[0].task) if rivals else ""
    title = f"{leader} against its rivals, {words(metric)}{f', {at}' if at else ''}"
    note = (
        "Pairs share seed, task, sparsity and budget. Difference, share, interval (Student's t) and"
        " both p are over the means of each seed, since pairs of one seed share a dense run. The"
        " verdict rests on the paired t test, corrected after Holm for all pairs;"
        " beside it is the exact sign-flip test."
    )
    alone = "Some trials have no partner, so not all seeds are over the same settings."
    turned = "Less is better: a positive difference is a gain." if sign_of(metric) < 0 else ""
    unpaired = any(one.comparison.pairs.n_unpaired for one in rivals)
    clause = unequal_tries(rivals[0].tries, by) if rivals else ""
    notes = (
        note,
        seeds_note(trials),
        turned,
        alone if unpaired else "",
        f"Tries are unequal: {clause}." if clause else "",
        WITHIN if limit else "No likeness is claimed: no margin was given (--margin).",
    )
    return text_table(title, columns, rows, (0, *range(7, len(columns))), notes)


WITHIN: Final = (
    "Within the margin: how likely the true difference lies within, and the p of two one-sided t"
    " tests against it, each pair by itself; at most 0.05 shows the two alike."
)


def _likeness(one: Verdict, margin: float) -> str:
    """How likely a difference lies within a margin, with the p of the test against it."""
    like = one.likeness(margin)
    if like.likeness == "unknown":
        return MISSING
    if not like.p >= 0:  # the seeds do not differ
        return "identical" if like.likeness == "identical" else MISSING
    inside = round(100 * like.inside, 1)  # two digits would make 1e+02 of 99.7
    return f"{number(inside, 3)} % (p {number(like.p, 2)})"


def _verdict(one: Versus, margin: float | None) -> str:
    """How sure a difference is, and whether the two are shown to be alike."""
    shown_alike = margin is not None and one.verdict.likeness(margin).likeness == "equivalent"
    return f"{one.certainty}, shown alike" if shown_alike else one.certainty


def resolution_view(frame: pd.DataFrame, margin: float | None = None) -> TextTable:
    """Return what the seeds resolve at each sparsity and budget, and what finer ones would take."""
    found = resolutions(frame, margin) if len(frame) and _has_results(comparable(frame)) else []
    name = found[0].metric if found else ""
    unit = difference_unit(name) if found else ""
    steps = list(found[0].needed) if found else []
    columns = [
        "setting", "seeds (n)", titled("spread of a difference", unit),
        titled("least difference found", unit),
        *(f"seeds for {difference_words(name, step)}" for step in steps),
    ]  # fmt: skip
    rows = (
        (
            block_words(one.place) or "all",
            str(one.n_seeds),
            number(one.spread * scale(name), 2),
            number(one.least * scale(name), 2),
            *("very many" if n is None else number(n) for n in one.needed.values()),
        )
        for one in found
    )
    note = (
        "The spread is the standard deviation from seed to seed of the difference between two"
        " that are compared, here of the middle pair. A difference counts as found where a study of"
        " so many seeds settles it in four of five cases, as one of all pairs of the setting."
    )
    return text_table("What the seeds resolve", columns, rows, (0,), (note,))


def comparison_tables(frame: pd.DataFrame, margin: float | None = None) -> list[str]:
    """Return the tables of schedules, structures and methods as escaped HTML, where there is room.

    `margin` is what likeness is judged by, in the shown unit; see `tables.comparisons`.
    """
    if not _has_results(frame):
        return []
    tables = []
    if len(frame[[SPARSITY, budget_column(frame)]].drop_duplicates()) <= MANY_COLUMNS:
        tables.append(schedules_comparison(frame, margin=margin, likeness=False))
        tables.append(structures_comparison(frame, margin=margin))
    if len(values(frame, SPARSITY)) <= MANY_COLUMNS // 4:
        tables.append(methods_comparison(frame, margin=margin, likeness=False))
    grids = [grid for table in tables if table is not None for grid in by_head(table, SIDE_BY_SIDE)]
    return [to_html(grid) for grid in grids]


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
