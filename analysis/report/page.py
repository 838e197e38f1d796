"""One HTML file that says what a study found and shows how it is known.

Self-contained: plotly.js, styles and data are inline, nothing is fetched and nothing is sent. What
is text in a study stays text: the templates escape, and so do all labels.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import MISSING, label, number, place, points, shown, words
from analysis.columns.names import is_missing, joined
from analysis.drawing import theme
from analysis.findings import sentences, spending
from analysis.frames.study_frames import Study, read
from analysis.report.panels import Panel, panels
from analysis.selection.blocks import (
    SPARSITY,
    budget_column,
    comparable,
    series_column,
    tuples,
    values,
)
from analysis.selection.leaders import leaders
from analysis.stats import Comparison
from analysis.tables import to_html
from analysis.tables.comparisons import methods_comparison, schedules_comparison
from trainables.vocabulary.wording import duration

TEMPLATES: Final = Path(__file__).parent / "templates"
MANY_ROWS: Final = 100
MANY_COLUMNS: Final = 16


@dataclass(frozen=True)
class Column:
    """A column of a page's table: its heading, and whether it holds numbers."""

    title: str
    numeric: bool


@dataclass(frozen=True)
class View:
    """A table as a page shows it: text in every cell, and a note below."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


def write_report(locations: Sequence[str], output: Path) -> None:
    """Write the report of one or several study folders to `output`, replacing it whole.

    Raises FileNotFoundError naming the location when there is no study at it.
    """
    page = render_report(read(*locations))
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(f".{output.name}.unfinished")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(output)


def render_report(study: Study) -> str:
    """Return the report of a study as one HTML document."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    frame = study.trials
    found, absent = panels(study)
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=study_title(study),
        summary=sentences.findings(frame),
        views=[view for view in (leaders_view(frame), comparisons_view(frame)) if view.rows],
        tables=[Markup(text) for text in comparison_tables(frame)],
        panels=[(panel, numbers_view(panel)) for panel in found],
        payloads=[(panel.figure.name, Markup(in_script(panel.payload))) for panel in found],
        absent=absent,
        run=run_facts(study),
        sharing=spending.sharing(frame),
        fallen=fallen_view(frame),
        warnings=study.warnings,
        pages=theme.PAGES,
        font=Markup(theme.FONT),
        css=Markup((TEMPLATES / "report.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "report.js").read_text(encoding="utf-8")),
        plotly=Markup(get_plotlyjs()),
        settings=Markup(in_script(json.dumps(page_settings()))),
    )


def in_script(text: str) -> str:
    """Return JSON that can stand inside a script element: no `<` that could end it."""
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def page_settings() -> dict[str, Any]:
    """Return what the page's script needs of the theme: templates by scheme, and the config."""
    templates = {mode: theme.template(mode).to_plotly_json() for mode in theme.MODES}
    return {"templates": templates, "config": dict(theme.CONFIG)}


def study_title(study: Study) -> str:
    """Return the names of the studies read, joined."""
    names = list(dict.fromkeys(name for name, _ in study.records))
    return joined(names) if names else "Study without trials"


def leaders_view(frame: pd.DataFrame) -> View:
    """Return who leads on validation in each block, its test accuracy, and the runner-up."""
    trials = comparable(frame)
    found = leaders(trials) if _has_results(trials) else []
    by = series_column(trials)
    rows = tuple(
        (
            sentences.plain(place(one.block)),
            sentences.plain(shown(by, one.name)),
            percent(*one.val),
            percent(*one.test),
            str(one.val[2]),
            str(one.n_lost),
            MISSING if one.runner_up is None else sentences.plain(shown(by, one.runner_up)),
            MISSING if one.behind is None else points(one.behind),
        )
        for one in found[:MANY_ROWS]
    )
    columns = (
        Column("block", False),
        Column(f"best {words(by)} on validation", False),
        Column("validation accuracy (%)", True),
        Column("test accuracy (%)", True),
        Column("seeds (n)", True),
        Column("failed or diverged", True),
        Column("runner-up", False),
        Column("ahead by (points, validation)", True),
    )
    note = (
        "Mean ± standard deviation over seeds. Chosen on validation, over the seeds that all of a"
        " block have done; where that is none, of those with most done. Reported on test."
    )
    return View("Leaders", columns, rows, note + _cut(len(found)))


def _has_results(trials: pd.DataFrame) -> bool:
    return bool(
        len(trials)
        and (trials["state"] == "done").any()
        and trials["val_accuracy"].notna().any()
        and {SPARSITY, budget_column(trials)} <= set(trials)
    )


def _cut(n: int) -> str:
    return f" The first {MANY_ROWS} of {n} rows are shown." if n > MANY_ROWS else ""


def percent(mean: float, std: float, n: int) -> str:
    """Return an accuracy with its spread in per cent, `97.13 ± 0.21`; a dash where missing."""
    if n == 0 or not math.isfinite(mean):
        return MISSING
    spread = f" ± {100 * std:.2f}" if math.isfinite(std) else ""
    return f"{100 * mean:.2f}{spread}"


def _share(one: Comparison) -> str:
    """The share of pairs improved, in per cent, with its interval where there is one."""
    text = number(100 * one.improved, 3)
    if not math.isfinite(one.improved_lo):
        return text
    return f"{text} [{number(100 * one.improved_lo, 3)}, {number(100 * one.improved_hi, 3)}]"


def comparisons_view(frame: pd.DataFrame) -> View:
    """Return the leader against every rival on test: difference, interval, p, verdict."""
    trials = comparable(frame)
    found = sentences.comparisons(trials) if _has_results(trials) else []
    by = series_column(trials)
    rows = tuple(
        (
            sentences.plain(shown(by, one.rival)),
            points(one.comparison.mean),
            f"{points(one.comparison.lo)} to {points(one.comparison.hi)}",
            str(one.comparison.n),
            str(one.comparison.n_units),
            _share(one.comparison),
            number(one.comparison.p_sign, 2),
            number(one.p, 2),
            one.verdict,
        )
        for one in found
    )
    columns = (
        Column("rival", False),
        Column("difference (points)", True),
        Column("95 % interval", True),
        Column("pairs (n)", True),
        Column("seeds", True),
        Column("better in (% of pairs)", True),
        Column("p", True),
        Column("p, Holm", True),
        Column("verdict", False),
    )
    leader = sentences.plain(shown(by, found[0].leader)) if found else ""
    note = (
        "Pairs share seed, task, sparsity and budget. Difference, share, interval and exact"
        " sign-flip p are over the means of each seed, since pairs of one seed share a dense run."
    )
    if any(one.comparison.pairs.n_unpaired for one in found):
        note += " Some trials have no partner, so not all seeds are over the same blocks."
    at = sentences.plain(place(found[0].task)) if found else ""
    title = f"{leader} against its rivals, test accuracy{f', {at}' if at else ''}"
    return View(title, columns, rows, note)


def comparison_tables(frame: pd.DataFrame) -> list[str]:
    """Return the tables of schedules and of methods as escaped HTML, where a page has room."""
    if not _has_results(frame):
        return []
    found = []
    if len(frame[[SPARSITY, budget_column(frame)]].drop_duplicates()) <= MANY_COLUMNS:
        found.append(schedules_comparison(frame))
    if len(values(frame, SPARSITY)) <= MANY_COLUMNS // 4:
        found.append(methods_comparison(frame))
    return [to_html(table) for table in found if table is not None]


def fallen_view(frame: pd.DataFrame) -> View:
    """Return the trials that did not end as done, with their message."""
    lost = sentences.fallen(frame) if len(frame) else pd.DataFrame()
    rows = tuple(
        (row.trial, str(row.seed), row.state, str(row.message))
        for row in tuples(lost.head(MANY_ROWS))
    )
    columns = tuple(Column(name, name == "seed") for name in ("trial", "seed", "state", "message"))
    return View("Trials that did not end as done", columns, rows, _cut(len(lost)).strip())


_FACTS: Final = {
    "bimp_study": "bimp-study", "git_commit": "commit", "python": "Python", "torch": "torch",
    "torchvision": "torchvision", "host": "machine", "device": "device",
    "device_name": "processor", "threads": "threads",
}  # fmt: skip


def run_facts(study: Study) -> list[tuple[str, str]]:
    """Return how a study was run as (what, values with the number of trials where they differ)."""
    provenance = [record.provenance for _, record in study.records]
    facts = [(label_, _distinct(provenance, key)) for key, label_ in _FACTS.items()]
    started = sorted(str(p["started_at"]) for p in provenance if p.get("started_at"))
    finished = sorted(str(p["finished_at"]) for p in provenance if p.get("finished_at"))
    if started and finished:
        facts.append(("run", f"{_minute(started[0])} to {_minute(finished[-1])}"))
    seeds = values(study.trials, "seed")
    facts.append(("seeds", ", ".join(label(seed) for seed in seeds)))
    spent = spending.spending(study.trials) if len(study.trials) else None
    if spent is not None and math.isfinite(spent.epochs_done):
        facts.append(("epochs trained", number(round(spent.epochs_done, 0))))
    if spent is not None and math.isfinite(spent.seconds_done):
        facts.append(("training time", duration(spent.seconds_done)))
    return [(what, said) for what, said in facts if said]


def _minute(moment: str) -> str:
    """`2026-01-05T10:00:09+00:00` as `2026-01-05 10:00 UTC`; anything else as it stands."""
    whole = moment[10:11] == "T" and moment.endswith(("+00:00", "Z"))
    return f"{moment[:10]} {moment[11:16]} UTC" if whole else moment


def _distinct(provenance: Sequence[Mapping[str, Any]], key: str) -> str:
    counts = pd.Series([str(p[key]) for p in provenance if p.get(key) is not None]).value_counts()
    if len(counts) == 1:
        return str(counts.index[0])
    listed = [f"{value} ({n} trials)" for value, n in counts.head(8).items()]
    return ", ".join([*listed, *([f"{len(counts) - 8} more"] if len(counts) > 8 else [])])


def numbers_view(panel: Panel) -> View:
    """Return the numbers behind a figure's first view."""
    table = panel.table
    kept = [c for c in table.columns if table[c].notna().any()]
    columns = tuple(Column(_heading(c), _numeric(table[c])) for c in kept)
    rows = tuple(
        tuple(_cell(row[column]) for column in kept)
        for row in table.head(MANY_ROWS).to_dict("records")
    )
    return View("Numbers behind this figure", columns, rows, _cut(len(table)).strip())


def _heading(column: str) -> str:
    return sentences.plain(words(str(column)))


def _numeric(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _cell(value: Any) -> str:
    if is_missing(value):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return number(value, 5) if isinstance(value, int | float) else str(value)
