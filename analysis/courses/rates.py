"""Learning rates step by step, from a trial's configuration by the formulas that training uses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.columns.names import is_missing
from trainables.formulas.dense_schedules import DENSE_SCHEDULES, dense_rates, last_dense_rate
from trainables.formulas.schedules import RETRAIN_SCHEDULES, retrain_rates
from trainables.formulas.sparsity import epochs_to_steps


def rates_of_dense(row: pd.Series[Any], steps: int | None, per_epoch: int) -> list[float]:
    """Return the dense run's rate at each of its `steps`, or of a whole run's without a dense one.

    `row` is a trial's configuration. With `steps` None the network came trained for nobody knows
    how long: its largest rate and, where the schedule tells it all the same, its last. Raises
    KeyError or ValueError where the configuration does not say.
    """
    name = str(row["dense.schedule"])
    uses = DENSE_SCHEDULES[name].uses
    given = {key: row[f"dense.{key}"] for key in uses if not is_missing(row.get(f"dense.{key}"))}
    lr = float(row["dense.lr"])
    if steps is None:
        drops = {key: value for key, value in given.items() if key in ("milestones", "gamma")}
        last = last_dense_rate(name, lr=lr, **drops)
        return [lr] if last is None else [lr, last]
    return dense_rates(
        name,
        lr=lr,
        steps=steps,
        steps_per_epoch=per_epoch,
        warmup_steps=warmup_steps(row, per_epoch),
        **given,
    )


def warmup_steps(row: pd.Series[Any], per_epoch: int) -> int:
    """Return the steps of the dense run's warm-up."""
    epochs = row.get("dense.warmup_epochs")
    return 0 if is_missing(epochs) else epochs_to_steps(float(epochs or 0.0), per_epoch)


def rates_of_cycle(
    row: pd.Series[Any], steps: int, dense: Sequence[float], dense_warmup: int, d: float
) -> list[float]:
    """Return the rate at each step of one cycle; `d` is the discount in use, where there is one.

    Raises KeyError or ValueError where the configuration does not say: of a schedule of the user's
    own the function is not at hand here.
    """
    name = str(row["retrain.schedule"])
    uses = RETRAIN_SCHEDULES[name].uses
    given: dict[str, float] = {
        key: float(row[f"retrain.{key}"])
        for key in ("init", "warmup")
        if key in uses and not is_missing(row.get(f"retrain.{key}"))
    }
    if "discount" in uses:
        given["discount"] = d
    return retrain_rates(name, steps=steps, dense=dense, dense_warmup_steps=dense_warmup, **given)
