"""Learning curves, from the dense run through every cycle, over the learning rate behind them."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import block_words, in_percent, label, number, scale, shown, words
from analysis.columns.names import distinct_trials
from analysis.columns.roles import CHOICE, choice, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.drawing.thin import kept_points
from analysis.selection.blocks import Block
from analysis.selection.contest import contest, favourite_note
from analysis.selection.series import comparable
from analysis.selection.tabulation import Tabulation, nothing

MANY_BOUNDARIES: Final = 20
FEW: Final = 12
"""Up to this many epochs are marked one by one."""


def learning_curves_table(
    frame: pd.DataFrame, *, metric: str = CHOICE, by: str | None = None, at: Block | None = None
) -> Tabulation:
    """Return the mean curve of each series over its done seeds, in one block.

    `frame` holds one row per epoch, with configuration, seed and state joined. Columns: series,
    trained (epochs trained when the metric was measured), cycle (0 in the dense run), mean, std, n,
    lr (mean over seeds, at the epoch's first step). Curves are thinned beyond some hundred epochs.
    """
    metric = named(metric, frame)
    meet = contest(comparable(_last_epochs(frame)), by, at)
    if meet.trials.empty or meet.favourites.empty:
        return nothing(f"No trial has a curve at {block_words(meet.at)}.")
    chosen = meet.favourites
    done = chosen[chosen["state"] == "done"]
    rows = distinct_trials(frame[frame["fingerprint"].isin(done["fingerprint"])])
    rows = rows.drop_duplicates(["fingerprint", "total_epoch"])
    grouped = rows.groupby([meet.by, "total_epoch"], sort=True, dropna=False)
    table = grouped.agg(
        cycle=("cycle", "max"),
        mean=(metric, "mean"),
        std=(metric, "std"),
        n=(metric, "count"),
        lr=("lr", "mean"),
    ).reset_index()
    table = table.rename(columns={meet.by: "series"})
    table["trained"] = table.pop("total_epoch") + 1
    table = pd.concat(
        [_thinned(part) for _, part in table.groupby("series", sort=False)], ignore_index=True
    )
    n_fallen = len(chosen) - len(done)
    fallen = f"{n_fallen} of {len(chosen)} trials did not end and are left out." if n_fallen else ""
    band = (
        "Bands are one standard deviation over seeds. Dashed lines mark where a further cycle"
        " begins. Learning rates are those of each epoch's first step."
    )
    return meet.tabulation(table, band, fallen, favourite_note(chosen, meet.by), metric=metric)


def _last_epochs(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per trial: its last epoch, whose validation accuracy is the trial's own."""
    last = frame.sort_values("total_epoch", kind="stable").drop_duplicates(
        ["study", "fingerprint"], keep="last"
    )
    chosen = choice(last)
    return last if chosen in last else last.assign(**{chosen: float("nan")})


def _thinned(part: pd.DataFrame) -> pd.DataFrame:
    starts = part["cycle"].diff().fillna(0) != 0
    keep = set(kept_points(part["mean"])) | set(kept_points(part["lr"])) | set(_at(starts))
    return part.iloc[sorted(keep)]


def _at(mask: pd.Series[bool]) -> list[int]:
    return [row for row, hit in enumerate(mask) if hit]


def learning_curves_figure(table: Tabulation) -> go.Figure:
    """Return curves with bands, learning rates below; the dense run on the left, cycles marked.

    Methods from scratch, which have no dense run, lie on the left alone.
    """
    frame, metric = table.frame, table.metric or "val_accuracy"
    title = f"{words(metric).capitalize()} while training"
    if frame.empty or not frame["n"].any():
        return canvas.blank(title, table.notes or ["No trial here has a curve of this metric."])
    figure = canvas.canvas(title, height=600, subtitle=block_words(table.at))
    styles = theme.styles(frame["series"], table.by)
    shared = _one_dense_run(frame)
    for name, style in styles.items():
        part = frame[frame["series"] == name]
        dense, cycles = part[part["cycle"] == 0], part[part["cycle"] > 0]
        _add_panel(figure, cycles, metric, style, "2")
        if not len(cycles) or not shared:
            _add_panel(figure, dense, metric, style, "", named=not len(cycles))
    if shared:
        first = frame[(frame["series"] == next(iter(styles))) & (frame["cycle"] == 0)]
        _add_panel(figure, first.assign(series="dense run"), metric, theme.DENSE, "")
    for trained in _boundaries(frame):
        figure.add_vline(
            x=trained, xref="x2", line={"color": theme.DENSE.color, "dash": "dash", "width": 1}
        )
    figure.update_layout(**_axes(frame, metric))
    return figure


def _one_dense_run(table: pd.DataFrame) -> bool:
    """Whether every series starts from the same dense runs, so that one curve shows them all."""
    dense = table[table["cycle"] == 0]
    runs = {tuple(part["mean"].round(12)) for _, part in dense.groupby("series")}
    return bool(len(runs) == 1 and set(dense["series"]) == set(table[table["cycle"] > 0]["series"]))


def _add_panel(
    figure: go.Figure, part: pd.DataFrame, metric: str, style: theme.Style, axis: str, *,
    named: bool = True,
) -> None:  # fmt: skip
    if len(part):
        figure.add_trace(_band(part, metric, style, axis))
        figure.add_trace(_curve(part, metric, style, axis, named=named))
        figure.add_trace(_rates(part, style, axis))


def _axes(table: pd.DataFrame, metric: str) -> dict[str, Any]:
    """Four panels: the metric above (y, y2), the rate below (y3, y4); dense left, cycles right."""
    retrained = table[table["cycle"] > 0]["trained"]
    if len(retrained):
        panels = axes.dense_and_retraining(retrained.min() - 1, retrained.max())
    else:
        panels = {"xaxis": axes.column_axis("total_epoch")}
    upper, lower = [0.36, 1], [0, 0.27]
    panels["xaxis"]["anchor"] = "y3"
    panels["yaxis"] = axes.column_axis(metric, domain=upper)
    panels["yaxis3"] = axes.column_axis("lr", domain=lower, rangemode="tozero")
    if len(retrained):
        panels["xaxis2"]["anchor"] = "y4"
        panels |= {
            "yaxis2": {"domain": upper, "anchor": "x2"},
            "yaxis4": {"domain": lower, "anchor": "x2", "rangemode": "tozero"},
        }
    return panels


def _curve(
    part: pd.DataFrame, metric: str, style: theme.Style, axis: str, *, named: bool
) -> go.Scatter | go.Scattergl:
    name = label(part["series"].iloc[0])
    return canvas.scatter(
        len(part),
        name,
        [
            f"{name}, {_phase(row.cycle)}\nafter {number(row.trained)} epochs\n"
            f"{words(metric)} {shown(metric, row.mean)}, n = {row.n}"
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


def _phase(cycle: float) -> str:
    return f"cycle {int(cycle)}" if cycle > 0 else "before any retraining"


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


def _rates(part: pd.DataFrame, style: theme.Style, axis: str) -> go.Scatter | go.Scattergl:
    """The rate at each epoch's first step, where it is known."""
    name = label(part["series"].iloc[0])
    return canvas.scatter(
        len(part),
        name,
        [f"{name}\nlearning rate {number(rate)}" for rate in part["lr"]],
        name,
        x=part["trained"] - 1,
        y=part["lr"],
        xaxis=f"x{axis}",
        yaxis=f"y{'3' if axis == '' else '4'}",
        mode="lines+markers" if len(part) <= FEW else "lines",
        marker=canvas.marker(style, 5),
        line={**canvas.line(style, 1.6), "shape": "hv" if axis == "" else "linear"},
        showlegend=False,
    )


def _boundaries(table: pd.DataFrame) -> list[float]:
    """Epochs trained when a cycle begins, the first aside, over all series."""
    first = table[table["cycle"] > 1].groupby(["series", "cycle"])["trained"].min() - 1
    return sorted(first.unique().tolist())[:MANY_BOUNDARIES]
