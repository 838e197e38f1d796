"""A table of means as a notebook shows it, and as text everywhere else."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.tables.content import Table
from analysis.tables.render import RENDERERS, to_html, to_text


@dataclass(frozen=True, repr=False)
class ShownTable:
    """A comparison table: HTML in a notebook, text when printed, its numbers in `cells`."""

    table: Table

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell: its keys, metric, mean, std, counts and rank, see `content.Table`."""
        return self.table.cells

    def to(self, form: str) -> str:
        """Return the table as text, markdown, latex, html or csv; ValueError for another form."""
        if form not in RENDERERS:
            raise ValueError(f"form must be one of {', '.join(RENDERERS)}, got {form!r}")
        return RENDERERS[form](self.table)

    def __repr__(self) -> str:
        return to_text(self.table)

    def _repr_html_(self) -> str:
        return to_html(self.table)
