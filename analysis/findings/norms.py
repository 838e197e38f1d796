"""Where ALLR's bound d1 hangs on which parameters its norm drop is measured over."""

from __future__ import annotations

from typing import Final

import pandas as pd

from analysis.columns.labels import block_words, number
from analysis.columns.rows import records
from analysis.selection.blocks import block_columns
from analysis.selection.series import series_column
from trainables.vocabulary.wording import counted

APART: Final = 0.1
"""A difference of d1 above this is told: it may make another schedule of ALLR."""

_NORM: Final = "retrain.norm"


def norms(trials: pd.DataFrame) -> list[str]:
    """Return where d1 over all that is trained and over prunable weights lie far apart.

    Large layers that are not pruned, embeddings above all, draw the first to zero. The values are
    means over the done trials of a block, of their last cycle; nothing where d1 is measured over
    prunable weights anyway, or where both were not recorded.
    """
    if not {_NORM, "d1", "d1_prunable"} <= set(trials):
        return []
    done = trials[(trials["state"] == "done") & (trials[_NORM] == "all")]
    known = done.dropna(subset=["d1", "d1_prunable"])
    if known.empty:
        return []
    keys = [c for c in block_columns(known, series_column(known)) if c in known]
    both = known.assign(_all="")[[*keys, "_all", "d1", "d1_prunable"]]
    means = both.groupby([*keys, "_all"], dropna=False, sort=False).mean().reset_index()
    gap = (means["d1"] - means["d1_prunable"]).abs()
    if not (gap > APART).any():
        return []
    worst = records(means.loc[[gap.idxmax()]])[0]
    where = block_words({key: worst[key] for key in keys})
    at = f" at {where}" if where else ""
    n, of = int((gap > APART).sum()), counted(len(means), "combination")
    return [
        f"d1 over all that is trained and over the prunable weights alone differ by more than"
        f" {APART:g} in {n} of {of} of task, sparsity and budget, by most{at}:"
        f" {number(worst['d1'], 2)} against {number(worst['d1_prunable'], 2)}. With the norm taken"
        " over the prunable weights alone ALLR's adaptive discount is another there, unless d2"
        " decides."
    ]
