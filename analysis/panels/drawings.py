"""A figure's numbers and its drawing, for a page that shows title and notes as text of its own."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pandas as pd

from analysis.drawing.untitled import Drawing, untitled
from analysis.figures import Figure
from analysis.selection.blocks import inside
from analysis.selection.series import comparable, series_column
from analysis.selection.tabulation import Tabulation

MANY_EPOCHS: Final = 50_000
"""With more epochs than this only those of the block that is drawn are averaged."""


def one_row_per_trial(figure: Figure, frame: pd.DataFrame) -> pd.DataFrame:
    """Return as much of a figure's frame as tells what may be chosen: of curves the last epoch."""
    if figure.source != "epochs":
        return frame
    return frame.drop_duplicates(["study", "fingerprint"], keep="last")


def tabulated(figure: Figure, frame: pd.DataFrame, controls: Mapping[str, Any]) -> Tabulation:
    """Return a figure's table; of very many epochs only those in its block are looked at."""
    if figure.source != "epochs" or len(frame) <= MANY_EPOCHS:
        return figure.tabulate(frame, **controls)
    trials = one_row_per_trial(figure, frame)
    at = figure.tabulate(trials, **controls).at
    rows = frame[frame["fingerprint"].isin(inside(trials, at)["fingerprint"])]
    settled = {"by": series_column(comparable(trials)), **controls, "at": at}
    return figure.tabulate(rows if len(rows) else frame, **settled)


def drawing(figure: Figure, table: Tabulation) -> Drawing:
    """Return a figure drawn with the notes of its table; a blank one notes why it is."""
    drawn = untitled(figure.figure(table))
    said = drawn.data or drawn.reason == " ".join(table.notes)
    notes = table.notes if said else (drawn.reason,)
    return replace(drawn, notes=tuple(dict.fromkeys(notes)))


def fault(error: Exception) -> str:
    """Return an error on one line, after writing its traceback to standard error."""
    traceback.print_exc(file=sys.stderr)
    return f"{type(error).__name__}: {error}"
