"""Learning curves, from the dense run through every cycle, over the learning rate behind them."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import (
    block_words,
    capital,
    in_percent,
    label,
    number,
    scale,
    shown,
    words,
)
from analysis.columns.names import distinct_trials, joined
from analysis.columns.roles import CHOICE, choice, named
from analysis.columns.rows import tuples
from analysis.courses import drops
from analysis.courses.course import DISCOUNT_USED, rates_table, with_places
from analysis.drawing import axes, canvas, theme
from analysis.drawing.thin import kept_points
from analysis.selection.blocks import Block
from analysis.selection.contest import contest, favourite_note
from analysis.selection.series import comparable, of_series
from analysis.selection.tabulation import Tabulation, nothing
from trainables.vocabulary.wording import part_counted

MANY_BOUNDARIES: Final = 20
FEW: Final = 12
"""Up to this many epochs are marked one by one."""


def learning_curves_table(
    frame: pd.DataFrame, *, metric: str = CHOICE, by: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return the mean curve of each series over its done seeds, in one block.

    `frame` holds one row per epoch, with configuration, seed and state joined, and in the first
    epoch of a cycle what was recorded right after its prune. Columns: series, trained (epochs
    trained when the metric was measured), cycle (0 in the dense run), event (`epoch`, or `pruned`
    right after a prune), mean, std, n. Curves are thinned beyond some hundred epochs. The facts
    are the learning rates of every step, `course.rates_table` with its series, at the mean discount
    over seeds.
    """
    metric = named(metric, frame)
    meet = contest(comparable(_last_epochs(frame)), by, at)
    if meet.trials.empty or meet.favourites.empty:
        return nothing(f"No trial has a curve at {block_words(meet.at)}.")
    chosen = meet.favourites
    done = chosen[chosen["state"] == "done"]
    rows = distinct_trials(frame[frame["fingerprint"].isin(done["fingerprint"])])
    rows = rows.drop_duplicates(["fingerprint", "total_epoch"])
    parts, rates = [], []
    for name, own in rows.groupby(meet.by, sort=True):
        epochs = with_places(_mean_epochs(own, metric))
        parts.append(of_series(_thinned(drops.with_drops(epochs, _MEASURED)), name))
        rates.append(of_series(rates_table(epochs, own.iloc[0]), name))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)
    course = pd.concat(rates, ignore_index=True) if rates else pd.DataFrame()
    n_fallen = len(chosen) - len(done)
    ended = f"Left out: {part_counted(n_fallen, len(chosen), 'trial')} that did not end as done."
    fallen = ended if n_fallen else ""
    notes = (_reading(table), fallen, favourite_note(chosen, meet.by), _rates_note(course))
    return meet.tabulation(table[COLUMNS], *notes, metric=metric, facts=course)


_MEASURED: Final = {"mean": "pruned_mean", "std": "pruned_std", "n": "pruned_count"}

COLUMNS: Final = ["series", "trained", "cycle", "event", "mean", "std", "n"]


def _reading(table: pd.DataFrame) -> str:
    """What bands, falls and dashed lines mean, as far as there are any."""
    if table.empty:
        return ""
    sentences = (
        ("Bands are one standard deviation over seeds.", table["std"].gt(0).any()),
        ("A cycle's line begins where the stage before it ended, and falls to what was left right"
         " after the prune.", (table["event"] == drops.DROP).any()),
        ("Dashed lines mark where a further cycle begins.", table["cycle"].max() > 1),
    )  # fmt: skip
    return " ".join(text for text, there in sentences if there)


def _rates_note(course: pd.DataFrame) -> str:
    if course.empty or course["computed"].all():
        return ""
    names = joined([label(name) for name in course[~course["computed"]]["series"].unique()])
    return f"Of {names} the learning rate is known at the first step of each epoch alone: dots."


def _mean_epochs(own: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The epochs of one series, averaged over its seeds, with what stands beside their first."""
    pruned = f"pruned_{metric}"
    means: dict[str, Any] = {
        "cycle": ("cycle", "max"),
        "mean": (metric, "mean"),
        "std": (metric, "std"),
        "n": (metric, "count"),
        "lr": ("lr", "mean"),
    }
    if "step" in own:
        means["step"] = ("step", "max")
    if DISCOUNT_USED in own:
        means[DISCOUNT_USED] = (DISCOUNT_USED, "mean")
    if pruned in own:
        means |= {f"pruned_{what}": (pruned, what) for what in ("mean", "std", "count")}
    table: pd.DataFrame = own.groupby("total_epoch", sort=True).agg(**means).reset_index()
    return table


def _last_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per trial: its last epoch, whose validation accuracy is the trial's own."""
    last = frame.sort_values("total_epoch", kind="stable").drop_duplicates(
        ["study", "fingerprint"], keep="last"
    )
    chosen = choice(last)
    return last if chosen in last else last.assign(**{chosen: float("nan")})


def _thinned(part: pd.DataFrame) -> pd.DataFrame:
    starts = part["cycle"].diff().fillna(0) != 0
    keep = set(kept_points(part["mean"])) | set(_at(starts)) | set(_at(part["event"] == drops.DROP))
    return part.iloc[sorted(keep)]


def _at(mask: pd.Series[bool]) -> list[int]:
    return [row for row, hit in enumerate(mask) if hit]


def learning_curves_figure(table: Tabulation) -> go.Figure:
    """Return curves with bands, learning rates below; the dense run on the left, cycles marked.

    Both sides have one range upwards. Methods from scratch, which have no dense run, lie on the
    left alone.
    """
    frame, metric, rates = table.frame, table.metric or "val_accuracy", table.facts
    title = f"{capital(words(metric))} while training"
    if frame.empty or not frame["n"].any():
        return canvas.blank(title, table.notes or ["No trial here has a curve of this metric."])
    figure = canvas.canvas(title, height=600, subtitle=block_words(table.at))
    styles = theme.styles(frame["series"], table.by)
    shared = _one_dense_run(frame)
    for name, style in styles.items():
        part, own = frame[frame["series"] == name], rates[rates["series"] == name]
        dense, cycles = part[part["cycle"] == 0], part[part["cycle"] > 0]
        if len(cycles):
            # From where the dense run ended: the first prune's drop is then seen as the others are.
            whole = pd.concat([dense.tail(1), cycles])
            _add_panel(figure, whole, own[own["cycle"] > 0], metric, style, "2")
        if not len(cycles) or not shared:
            own = own[own["cycle"] == 0]
            _add_panel(figure, dense, own, metric, style, "", named=not len(cycles))
    if shared:
        first = next(iter(styles))
        dense, own = (
            one[(one["series"] == first) & (one["cycle"] == 0)].assign(series="dense run")
            for one in (frame, rates)
        )
        _add_panel(figure, dense, own, metric, theme.DENSE, "")
    for trained in _boundaries(frame):
        figure.add_vline(
            x=trained, xref="x2", line={"color": theme.DENSE.color, "dash": "dash", "width": 1}
        )
    if (frame["event"] == drops.DROP).any():
        canvas.add_key(figure, drops.KEY, drops.RING)
    canvas.title_legend(figure, frame["series"], table.by)
    figure.update_layout(**_axes(frame, metric))
    return figure


def _one_dense_run(table: pd.DataFrame) -> bool:
    """Whether every series starts from the same dense runs, so that one curve shows them all."""
    dense = table[table["cycle"] == 0]
    runs = {tuple(part["mean"].round(12)) for _, part in dense.groupby("series")}
    return bool(len(runs) == 1 and set(dense["series"]) == set(table[table["cycle"] > 0]["series"]))


def _add_panel(
    figure: go.Figure,
    part: pd.DataFrame,
    rates: pd.DataFrame,
    metric: str,
    style: theme.Style,
    axis: str,
    *,
    named: bool = True,
) -> None:
    if len(part):
        figure.add_trace(_band(part, metric, style, axis))
        figure.add_trace(_curve(part, metric, style, axis, named=named))
        if (part["event"] == drops.DROP).any():
            group = label(part["series"].iloc[0])
            figure.add_trace(drops.rings(part, "mean", metric, style, axis, group))
    if len(rates):
        figure.add_trace(_rates(rates, style, axis))


def _axes(table: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Four panels: the metric above (y, y2), the rate below (y3, y4); dense left, cycles right."""
    cycles = table[table["cycle"] > 0]
    retrained = cycles["trained"]
    if len(retrained):
        panels = axes.dense_and_retraining(drops.first_trained(cycles), retrained.max())
    else:
        panels = {"xaxis": axes.column_axis("total_epoch")}
    upper, lower = [0.36, 1], [0, 0.27]
    panels["xaxis"]["anchor"] = "y3"
    panels["yaxis"] = axes.column_axis(metric, domain=upper)
    panels["yaxis3"] = axes.column_axis("lr", domain=lower, rangemode="tozero")
    if len(retrained):
        panels["xaxis2"]["anchor"] = "y4"
        panels |= {
            "yaxis2": {"domain": upper, "anchor": "x2", "matches": "y"},
            "yaxis4": {"domain": lower, "anchor": "x2", "matches": "y3", "rangemode": "tozero"},
        }
        if not (table["cycle"] == 0).any():
            _take_whole_width(panels)
    return panels


def _take_whole_width(panels: dict[str, Any]) -> None:
    """Give the cycles the whole width, in place, where there is no curve of a dense run."""
    panels["xaxis2"]["domain"] = [0, 1]
    for left, right in (("yaxis", "yaxis2"), ("yaxis3", "yaxis4")):
        panels[right]["title"] = panels[left]["title"]
        del panels[right]["matches"]
        panels[left] = {"visible": False}
    panels["xaxis"] = {"visible": False}


def _curve(
    part: pd.DataFrame, metric: str, style: theme.Style, axis: str, *, named: bool
) -> go.Scatter | go.Scattergl:
    name = label(part["series"].iloc[0])
    return canvas.scatter(
        len(part),
        name,
        [
            f"{name}, {_phase(row)}\nafter {number(row.trained)} epochs\n"
            f"{words(metric)} {shown(metric, row.mean)}, n = {int(row.n)}"
            + (f"\nstandard deviation {number(row.std * scale(metric), 2)}" if row.n > 1 else "")
            for row in tuples(part)
        ],
        name,
        x=part["trained"],
        y=part["mean"] * scale(metric),
        xaxis=f"x{axis}",
        yaxis=f"y{axis}",
        mode="lines+markers" if len(part) <= FEW else "lines",
        line=canvas.line(style),
        marker=canvas.marker(style, 7),
        showlegend=named,
    )


def _phase(row: Any) -> str:
    if row.event == drops.DROP:
        return f"right after the prune of cycle {int(row.cycle)}"
    return f"cycle {int(row.cycle)}" if row.cycle > 0 else "before any retraining"


def _band(
    part: pd.DataFrame, metric: str, style: theme.Style, axis: str
) -> go.Scatter | go.Scattergl:
    spread = part["std"].fillna(0.0)
    upper, lower = part["mean"] + spread, part["mean"] - spread
    edge = pd.concat([upper, lower[::-1]]) * scale(metric)
    red, green, blue = (int(style.color[i : i + 2], 16) for i in (1, 3, 5))
    floor, ceiling = (0.0, 100.0) if in_percent(metric) else (None, None)
    return canvas.scatter(
        len(part),
        group=label(part["series"].iloc[0]),
        x=pd.concat([part["trained"], part["trained"][::-1]]),
        y=edge.clip(floor, ceiling),
        xaxis=f"x{axis}",
        yaxis=f"y{axis}",
        fill="toself",
        fillcolor=f"rgba({red},{green},{blue},0.15)",
        line={"width": 0},
        mode="lines",
        showlegend=False,
    )


def _rates(rates: pd.DataFrame, style: theme.Style, axis: str) -> go.Scatter | go.Scattergl:
    """The rate of every step, held for its length; of the first steps of epochs where that is all.

    The rate falls to the next cycle's first in a step: nothing is joined across a prune.
    """
    name = label(rates["series"].iloc[0])
    computed = bool(rates["computed"].all())
    return canvas.scatter(
        len(rates),
        name,
        [
            f"{name}\nafter {number(row.trained)} epochs\nlearning rate {number(row.lr)}"
            for row in tuples(rates)
        ],
        name,
        x=rates["trained"],
        y=rates["lr"],
        xaxis=f"x{axis}",
        yaxis=f"y{'3' if axis == '' else '4'}",
        mode="lines" if computed else "markers",
        marker=canvas.marker(style, 5),
        line={**canvas.line(style, 1.6), "shape": "hv"},
        showlegend=False,
    )


def _boundaries(table: pd.DataFrame) -> list[float]:
    """Epochs trained when a cycle begins, the first aside, over all series."""
    later = table[table["cycle"] > 1]
    before = later[later["event"] == drops.EPOCH].groupby(["series", "cycle"])["trained"].min() - 1
    pruned = later[later["event"] == drops.DROP].groupby(["series", "cycle"])["trained"].min()
    first = pruned.combine_first(before)
    return sorted(first.unique().tolist())[:MANY_BOUNDARIES]
