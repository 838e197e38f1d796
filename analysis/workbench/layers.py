"""Sparsity layer by layer of single trials."""

from __future__ import annotations

from typing import Final

import pandas as pd
import plotly.graph_objects as go

from analysis.columns.labels import brief, number
from analysis.columns.names import ordered
from analysis.columns.rows import tuples
from analysis.drawing import axes, canvas, theme
from analysis.figures.record import Figure
from analysis.selection.tabulation import Tabulation
from analysis.workbench.naming import with_names

SHARE: Final = "layer_sparsity"
TALLEST: Final = 1400


def side_layers_table(frame: pd.DataFrame) -> Tabulation:
    """Return one row per trial and layer, layers in the network's order: trial, layer, sparsity."""
    rows = with_names(frame).dropna(subset=[SHARE])
    columns = ["study", "fingerprint", "trial", "layer", SHARE]
    return Tabulation(rows[columns].reset_index(drop=True), by="trial")


def side_layers_figure(table: Tabulation) -> go.Figure:
    """Return one row per layer and one marker per trial."""
    frame, title = table.frame, "Sparsity layer by layer"
    if frame.empty:
        return canvas.blank(title, table.notes or ["No trial here has its layers recorded."])
    layers = list(dict.fromkeys(frame["layer"]))
    figure = canvas.canvas(title, height=190 + min(24 * len(layers), TALLEST))
    for index, trial in enumerate(ordered(frame["trial"])):
        part = frame[frame["trial"] == trial]
        texts = [
            f"{brief(row.layer)}\n{trial}\nsparsity {number(100 * row.layer_sparsity)} %"
            for row in tuples(part)
        ]
        figure.add_trace(
            canvas.scatter(
                len(frame),
                trial,
                texts,
                x=part[SHARE] * 100,
                y=[canvas.markup(brief(layer)) for layer in part["layer"]],
                mode="markers",
                showlegend=True,
                marker=canvas.marker(theme.name_style(index)),
            )
        )
    figure.update_xaxes(axes.axis("sparsity of the layer (%)", range=[-2, 102]))
    named = [canvas.markup(brief(layer)) for layer in layers]
    order = {"categoryorder": "array", "categoryarray": named, "autorange": "reversed"}
    figure.update_yaxes(axes.axis("", type="category", **order))
    return figure


SIDE_LAYERS = Figure(
    "side_layers", "Layers side by side",
    "From which layers did each of these trials take its weights?",
    "trials", "layers", (SHARE,), (), side_layers_table, side_layers_figure,
)  # fmt: skip
