"""Where the variance of a setting comes from: its dense runs, its retraining runs, its images.

Method of moments on a nested design: dense seeds, retraining seeds within each, and the draw of the
evaluation images, whose variance follows from their number. On the balanced data that seeds make
these are the estimates of REML wherever none is negative, so no library for mixed models is needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.columns.names import distinct_trials, require_columns
from analysis.stats.candidates import SEED
from analysis.stats.closeness import reach
from analysis.stats.pairs import require_single
from analysis.stats.spread import COUNTED


@dataclass(frozen=True)
class Components:
    """Variances of one trial's metric by source, in the metric's unit squared.

    `dense` is that between dense runs, `retraining` between retraining runs of one dense run. Where
    each dense run was retrained once the two cannot be told apart: `dense` holds both and
    `retraining` is missing. `evaluation` is the binomial variance of the images, at most what
    varies between trials. It is an upper bound: all trials see the same images, and those that are
    hard for every network move no trial against another. It is missing where the number of images
    is not known, and is then within the others. An estimate below zero is 0, the data hold no sign
    of it, and its source is named in `below_zero`. `n_seeds` counts the dense seeds, which all
    settings share.
    """

    dense: float
    retraining: float
    evaluation: float
    n_seeds: int
    n_trials: int
    n_settings: int
    below_zero: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """The variance of one trial: all sources together."""
        return float(np.nansum([self.dense, self.retraining, self.evaluation]))

    @property
    def shares(self) -> dict[str, float]:
        """Each known source's share of the total; empty where nothing varies."""
        parts = {
            "dense": self.dense,
            "retraining": self.retraining,
            "evaluation": self.evaluation,
        }
        known = {name: part for name, part in parts.items() if not math.isnan(part)}
        return {name: part / self.total for name, part in known.items()} if self.total else {}

    def error_of_mean(self, n_dense: int, n_retraining: int = 1) -> float:
        """Return the standard error of a mean over dense runs, each retrained so often.

        On the images that the study has; seeds do not make up for their being few.
        """
        within = np.nansum([self.retraining, self.evaluation]) / n_retraining
        return math.sqrt((self.dense + within) / n_dense)


def evaluation_variance(accuracy: float, n_images: int | None) -> float:
    """Return the variance of an accuracy by the draw of its images; missing where n is unknown."""
    return accuracy * (1 - accuracy) / n_images if n_images else math.nan


def components(
    frame: pd.DataFrame,
    metric: str,
    settings: Sequence[str],
    retraining: str | None = None,
    n_images: int | None = None,
) -> Components | None:
    """Return how the variance within settings splits, pooled over the values of `settings`.

    `retraining` is the column of retraining seeds, where a study has them; `n_images` that of the
    images that the metric, an accuracy, was measured on. None where no setting has two dense seeds.
    Raises ValueError where several trials share their setting and seeds.
    """
    seeds = [SEED, retraining] if retraining else [SEED]
    require_columns(frame, [*settings, *seeds, "state", metric])
    once = distinct_trials(frame)
    done = once[(once["state"] == COUNTED) & once[metric].notna()].reset_index(drop=True)
    require_single(done, [*settings, *seeds], "one setting")
    if done.empty:
        return None
    setting = _codes(done, settings)
    dense = _codes(done.assign(_setting=setting), ["_setting", SEED])
    values = done[metric].astype(float)
    images = evaluation_variance(float(values.mean()), n_images)
    return _split(values, setting, dense, images, done[SEED].nunique())


def _codes(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series[int]:
    if not columns:
        return pd.Series(0, index=frame.index)
    return frame.groupby(list(columns), dropna=False, sort=False).ngroup()


def _split(
    values: pd.Series[float],
    setting: pd.Series[int],
    dense: pd.Series[int],
    images: float,
    n_seeds: int,
) -> Components | None:
    """The split of values by the dense runs that they belong to, and the settings of these."""
    n, n_dense, n_settings = len(values), dense.nunique(), setting.nunique()
    if n_dense == n_settings:
        return None
    of_dense, of_setting = (values.groupby(codes).transform("mean") for codes in (dense, setting))
    between = float(((of_dense - of_setting) ** 2).sum()) / (n_dense - n_settings)
    repeated = n > n_dense
    within = float(((values - of_dense) ** 2).sum()) / (n - n_dense) if repeated else math.nan
    evaluation = images if math.isnan(images) else min(images, within if repeated else between)
    known = float(np.nan_to_num(evaluation))
    raw = {
        "dense": (between - within) / _runs_each(setting, dense) if repeated else between - known,
        "retraining": within - known,
    }
    return Components(
        max(raw["dense"], 0.0),
        max(raw["retraining"], 0.0) if repeated else math.nan,
        evaluation,
        n_seeds,
        n,
        n_settings,
        tuple(name for name, part in raw.items() if part < -reach(part, between)),
    )


def _runs_each(setting: pd.Series[int], dense: pd.Series[int]) -> float:
    """Retraining runs of a dense run: their number where it is equal, else the moments' mean."""
    sizes, rows = (codes.map(codes.value_counts()) for codes in (dense, setting))
    n_free = dense.nunique() - setting.nunique()
    return (len(dense) - float((sizes / rows).sum())) / n_free
