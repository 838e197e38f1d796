"""Which numbers of a task stand for what every study has: what chooses, what is reported, the pace.

A figure or table that is told no metric takes a role, and the frame says which of its columns plays
it: a record carries what its task declares, and the metric that a task declares first decides.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from trainables.vocabulary.schema import METRICS

CHOICE: Final = "(choice)"
"""The number, on validation, by which a configuration is chosen among several."""

REPORTED: Final = "(reported)"
"""The number that is reported of what was chosen: on test, where the task has a test part."""

PACE: Final = "(pace)"
"""What a task trains on per second."""


def named(metric: str, frame: pd.DataFrame) -> str:
    """Return the column of a frame that plays a role; any other name is its own."""
    if metric == CHOICE:
        return choice(frame)
    if metric == REPORTED:
        return reported(frame)
    return _pace(frame) if metric == PACE else metric


def choice(frame: pd.DataFrame) -> str:
    """Return the column that choices go by: the task's first metric on validation, or its loss.

    Of a frame without such columns that of classification.
    """
    metrics = [c for c in frame.columns if _is_metric_on(c, "val_")]
    return metrics[0] if metrics else ("val_loss" if "val_loss" in frame else "val_accuracy")


def reported(frame: pd.DataFrame) -> str:
    """Return what is reported: `choice` on test, or on validation where there is no test."""
    chosen = choice(frame)
    on_test = f"test_{chosen.removeprefix('val_')}"
    return on_test if on_test in frame or chosen not in frame else chosen


def has_test(frame: pd.DataFrame) -> bool:
    """Whether some trial was measured on a test part."""
    return any(c.startswith("test_") and frame[c].notna().any() for c in frame.columns)


def _is_metric_on(column: str, part: str) -> bool:
    return column.startswith(part) and column in METRICS and column != f"{part}loss"


def _pace(frame: pd.DataFrame) -> str:
    names = [c for c in frame.columns if c.startswith("train_") and c.endswith("_per_s")]
    return names[0] if names else "train_images_per_s"
