"""Comparison tables: their cells, their layout, and their renderings."""

from analysis.tables.content import (
    Table,
    chosen_trials,
    comparison_table,
    methods_table,
    pooling_notes,
)
from analysis.tables.layout import Cell, Grid, heading, lay_out, number, style, value_text
from analysis.tables.render import RENDERERS, to_csv, to_html, to_latex, to_markdown, to_text

__all__ = [
    "RENDERERS",
    "Cell",
    "Grid",
    "Table",
    "chosen_trials",
    "comparison_table",
    "heading",
    "lay_out",
    "methods_table",
    "number",
    "pooling_notes",
    "style",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_text",
    "value_text",
]
