"""Accuracy against measured latency, beside accuracy against the theoretical speedup."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import capital, label, number, scale, shown, words
from analysis.columns.roles import CHOICE, named
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.frames.latency_frames import SETTING
from analysis.selection.blocks import inside
from analysis.selection.series import comparable, series_column
from analysis.selection.tabulation import Tabulation, nothing
from trainables.vocabulary.schema import QUANTISED

FORMS: Final = {
    "dense": "square-open", "masked": "circle-open", "removed": "circle", "quantised": "diamond",
}  # fmt: skip
"""The forms of a network that are measured, and the marker of each."""

_SPEEDUP: Final = "theoretical_speedup"


def settings_of(frame: pd.DataFrame) -> list[str]:
    """Return the settings that latencies were measured in: most rows first, then small batches."""
    if SETTING not in frame:
        return []
    known = frame.dropna(subset=[SETTING])
    groups = known.groupby(SETTING, sort=True).agg(n=("batch", "size"), batch=("batch", "first"))
    order = groups.sort_values(["n", "batch"], ascending=[False, True], kind="stable")
    return [str(name) for name in order.index]


def latency_table(
    frame: pd.DataFrame,
    *,
    metric: str = CHOICE,
    setting: str | None = None,
    by: str | None = None,
) -> Tabulation:
    """Return one row per measured form of a trial's network, in one setting.

    Columns: series, form, value (the metric; of the dense form that of the dense run, of the
    quantised one that of the weights in int8, missing where it was not recorded), latency_ms with
    lo_ms and hi_ms, gain (the dense network's latency over this one's, missing without it),
    theoretical_speedup, multiply_adds, sparsity. The setting, with what and where it was measured,
    is the table's fact; by default that with most rows.
    """
    metric = named(metric, frame)
    settings = settings_of(frame)
    if not settings:
        return nothing("No latency was measured: bimp bench DIR measures them.")
    chosen = setting or settings[0]
    rows = frame[(frame[SETTING] == chosen) & (frame["state"] == "done")]
    rows = rows.drop_duplicates(["fingerprint", "form"]).reset_index(drop=True)
    series = by or series_column(comparable(frame))
    dense = rows[rows["form"] == "dense"].set_index("fingerprint")["latency_ms"]
    table = pd.DataFrame(
        {
            "series": rows[series],
            "form": rows["form"],
            "value": _values(rows, metric),
            **{name: rows[name].astype(float) for name in ("latency_ms", "lo_ms", "hi_ms")},
            "gain": rows["fingerprint"].map(dense).astype(float) / rows["latency_ms"].astype(float),
            _SPEEDUP: rows[_SPEEDUP].where(rows["form"] != "dense", 1.0),
            "multiply_adds": rows["form_multiply_adds"],
            "sparsity": rows["sparsity"],
        }
    )
    return Tabulation(table, _notes(table, chosen), metric=metric, by=series, facts=chosen)


def _values(rows: pd.DataFrame, metric: str) -> pd.Series[float]:
    """The metric of each row's network: of a dense one what its dense run reached.

    Of one in int8 what its trial measured so; missing in ONNX Runtime, which rounds more than that.
    """
    missing = pd.Series(float("nan"), rows.index)
    of_dense = rows.get(f"dense_{metric}", missing)
    of_int8 = rows.get(f"{QUANTISED}{metric}", missing).where(rows["backend"] != "onnxruntime")
    values = rows[metric].astype(float).where(rows["form"] != "dense", of_dense)
    return values.where(rows["form"] != "quantised", of_int8)


def _notes(table: pd.DataFrame, setting: str) -> tuple[str, ...]:
    masked = "masked" in set(table["form"])
    return (
        f"Measured with {setting}; whiskers hold the median with 95 % confidence.",
        "Kernels for dense tensors multiply by zeros as by any other number: a masked network is as"
        " slow as the dense one, whatever its theoretical speedup. Only what is taken out saves"
        " time."
        if masked
        else "",
    )


def latency_figure(table: Tabulation) -> go.Figure:
    """Return the metric over milliseconds on the left, over the theoretical speedup on the right.

    One colour per series, one marker per form.
    """
    frame, metric = table.frame, table.metric
    title = f"{capital(words(metric))} against measured latency" if metric else "Latency"
    if frame.empty:
        return canvas.blank(title, table.notes or ["No trial with a measured latency is done."])
    figure = canvas.canvas(title, subtitle="beside the speedup that zeros promise")
    for name, style in theme.styles(frame["series"], table.by).items():
        for form, symbol in FORMS.items():
            part = inside(frame, {"series": name, "form": form})
            if part.empty:
                continue
            hover = [_text(row, table) for row in tuples(part)]
            look = {"color": style.color, "symbol": symbol, "size": 9, "line": {"width": 1.5}}
            shared: dict[str, Any] = {
                "y": part["value"] * scale(metric), "mode": "markers", "marker": look,
                "showlegend": False,
            }  # fmt: skip
            left = canvas.scatter(
                2 * len(frame), label(name), hover, label(name),
                x=part["latency_ms"], error_x=_whiskers(part, style.color), **shared,
            )  # fmt: skip
            right = canvas.scatter(
                2 * len(frame), label(name), hover, label(name),
                x=part[_SPEEDUP], xaxis="x2", **shared,
            )  # fmt: skip
            figure.add_traces([left, right])
        canvas.add_key(figure, label(name), "circle", color=style.color)
    for form in FORMS:
        if form in set(frame["form"]):
            canvas.add_key(figure, form, FORMS[form])
    figure.update_layout(
        xaxis={"domain": [0, 0.47], **axes.axis("measured latency (ms)", rangemode="tozero")},
        xaxis2={"domain": [0.53, 1], "anchor": "y", **axes.column_axis(_SPEEDUP)},
        yaxis=axes.column_axis(metric),
    )
    return figure


def _whiskers(part: pd.DataFrame, color: str) -> dict[str, Any]:
    return canvas.error_bars(
        part.rename(columns={"latency_ms": "mean", "lo_ms": "lo", "hi_ms": "hi"}), 1.0, color
    )


def _text(row: Any, table: Tabulation) -> str:
    within = f" [{number(row.lo_ms)}, {number(row.hi_ms)}]" if row.lo_ms == row.lo_ms else ""
    lines = [
        f"{words(table.by)} {label(row.series)}, {row.form}",
        f"{words(table.metric)} {shown(table.metric, row.value)}",
        f"{number(row.latency_ms)}{within} ms",
        f"theoretical speedup {number(row.theoretical_speedup)}",
        f"{number(row.multiply_adds)} multiply-adds in dense kernels",
    ]
    return "\n".join(lines)
