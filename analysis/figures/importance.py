"""Which settings matter: parameter importance in each block of a study."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, label, number, words
from analysis.columns.names import joined
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import records
from analysis.drawing import axes, canvas, theme
from analysis.selection.blocks import Block
from analysis.selection.contest import contest, fallen_note
from analysis.selection.series import comparable, goal_columns
from analysis.selection.settings import configurations, varying, wide, without_synonyms
from analysis.selection.tabulation import Tabulation
from analysis.stats import require_choosable

Evaluator = Literal["ped-anova", "fanova"]
EVALUATORS: Final[dict[str, str]] = {"ped-anova": "PED-ANOVA", "fanova": "fANOVA"}
"""Every evaluator with its name in words."""

FEWEST: Final = 15
"""With fewer configurations than this in a block its importances are not computed.

PED-ANOVA asks what tells the best tenth from the rest, which must be more than one.
"""


def importance_table(
    frame: pd.DataFrame,
    *,
    metric: str = CHOICE,
    at: Block | None = None,
    evaluator: Evaluator = "ped-anova",
) -> Tabulation:
    """Return each varying setting's importance for a metric, per sparsity and budget of one task.

    Computed by Optuna on a study rebuilt in memory, one trial per configuration with its mean over
    seeds: PED-ANOVA (Watanabe et al. 2023) or fANOVA (Hutter et al. 2014). Columns: block (in
    words), parameter, importance (in [0, 1], adding up to 1 in a block), n (configurations). A
    block with fewer than `FEWEST` has one row without parameter. The table's fact is the evaluator.
    Raises TestSelectionError on a test metric.
    """
    metric = named(metric, frame)
    require_choosable(metric)
    trials = comparable(frame)
    meet = contest(trials, "", at, free=goal_columns(trials))
    rows: list[dict[str, Any]] = []
    for block, part in _blocks_of(meet.trials, meet.keys):
        points = _points(part, metric)
        shares = _importances(points, metric, evaluator)
        rows += [{"block": block_words(block), "n": len(points), **share} for share in shares]
    table = pd.DataFrame(rows, columns=["block", "parameter", "importance", "n"])
    n_few = int(table["parameter"].isna().sum())
    few = (
        f"{n_few} of {table['block'].nunique()} blocks have fewer than {FEWEST} configurations that"
        " differ, too few to say what matters."
    )
    notes = (few if n_few else "", fallen_note(meet.trials), _left_out(meet.trials))
    return meet.tabulation(table, *notes, metric=metric, facts=evaluator)


def _left_out(frame: pd.DataFrame) -> str:
    """A sentence on settings that only some trials have: they are not judged."""
    done = frame[frame["state"] == "done"]
    partly = [c for c in varying(done) if done[c].isna().any()]
    if not partly:
        return ""
    return f"Not judged, since only some trials have them: {joined([words(c) for c in partly])}."


def _blocks_of(
    frame: pd.DataFrame, keys: Sequence[str]
) -> list[tuple[dict[str, Any], pd.DataFrame]]:
    """Blocks by as many keys, in turn, as leave each `FEWEST` configurations on average."""
    n = configurations(frame).nunique()
    kept: list[str] = []
    for key in keys:
        if n / len(frame[[*kept, key]].drop_duplicates()) >= FEWEST:
            kept.append(key)
    if not kept:
        return [({}, frame)]
    grouped = frame.groupby(kept, sort=True, dropna=False)
    return [(dict(zip(kept, key, strict=True)), part) for key, part in grouped]


def _points(part: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per configuration: its settings that vary and are set throughout, and the metric."""
    done = part[(part["state"] == "done") & part[metric].notna()]
    settings = without_synonyms(done, [c for c in varying(done) if done[c].notna().all()])
    grouped = done.groupby(configurations(done), sort=False)
    columns = {name: grouped[name].first() for name in settings}
    return pd.DataFrame({**columns, metric: grouped[metric].mean()})


def _importances(points: pd.DataFrame, metric: str, evaluator: Evaluator) -> list[dict[str, Any]]:
    settings = [str(c) for c in points if c != metric]
    if len(points) < FEWEST or not settings or points[metric].nunique() < 2:
        return [{"parameter": None, "importance": np.nan}]
    import optuna
    from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator

    judge = (
        FanovaImportanceEvaluator(seed=0)
        if evaluator == "fanova"
        else PedAnovaImportanceEvaluator()
    )
    with _quiet():
        shares = optuna.importance.get_param_importances(
            _rebuilt(points, metric), evaluator=judge, params=settings
        )
    return [{"parameter": name, "importance": value} for name, value in shares.items()]


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its log lines and its warnings that a feature is experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def _rebuilt(points: pd.DataFrame, metric: str) -> Any:
    """A study in memory that holds the points, one complete trial each."""
    import optuna

    from trainables.vocabulary.schema import METRICS

    larger = METRICS[metric].direction == "max"
    study = optuna.create_study(
        direction="maximize" if larger else "minimize", storage=optuna.storages.InMemoryStorage()
    )
    settings = [str(c) for c in points if c != metric]
    kinds = {name: _distribution(points[name]) for name in settings}
    for row in records(points):
        params = {
            name: str(row[name]) if hasattr(kind, "choices") else row[name]
            for name, kind in kinds.items()
        }
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=kinds, value=row[metric])
        )
    return study


def _distribution(column: pd.Series[Any]) -> Any:
    """The range that a column's values span; words, and words among numbers, as categories."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = column.tolist()
    if any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        return CategoricalDistribution(sorted(set(map(str, values))))
    if all(isinstance(v, int) for v in values):
        return IntDistribution(min(values), max(values))
    # As a search draws them: what spans two powers of ten is judged by its logarithm.
    return FloatDistribution(min(values), max(values), log=wide(column.astype(float)))


def importance_figure(table: Tabulation) -> go.Figure:
    """Return bars of importance, one group per parameter, one colour per block."""
    frame, title = table.frame, "Which settings matter"
    known = frame.dropna(subset=["parameter"]) if len(frame) else frame
    if known.empty:
        return canvas.blank(title, table.notes)
    order = known.groupby("parameter")["importance"].mean().sort_values().index.tolist()
    blocks = list(dict.fromkeys(known["block"]))
    figure = canvas.canvas(
        title,
        height=180 + 26 * max(1, len(order) * min(len(blocks), 4)),
        subtitle=f"for {words(table.metric)}, by {EVALUATORS[table.facts]}",
    )
    for index, block in enumerate(blocks):
        part = known[known["block"] == block].set_index("parameter").reindex(order)
        n = int(part["n"].max())
        figure.add_bar(
            y=[canvas.markup(label(name)) for name in order],
            x=part["importance"],
            orientation="h",
            name=canvas.markup(f"{block or 'all trials'} (n = {n})"),
            marker={"color": theme.slot(index).color},
            hovertext=[
                canvas.markup(f"{label(name)}\n{block}\nimportance {number(value, 3)}, n = {n}")
                for name, value in part["importance"].items()
            ],
            hoverinfo="text",
        )
    figure.update_xaxes(axes.axis("importance (share of 1)", rangemode="tozero"))
    figure.update_yaxes(axes.axis("", type="category"))
    return figure
