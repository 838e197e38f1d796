"""The learning rates of any schedule, one number per step, as JSON, CSV or a page to look at.

`RateQuery` holds what the command line asks for; its faults name the options.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import Any, Final

from trainables.formulas.dense_schedules import DENSE_SCHEDULES, dense_rates
from trainables.formulas.schedules import RETRAIN_SCHEDULES, retrain_rates
from trainables.formulas.sparsity import epochs_to_steps
from trainables.vocabulary.refusal import Refusal, shown

MOST_STEPS: Final = 10_000_000
"""Of the dense run and of the cycle; one number is kept and printed for each."""


@dataclass(frozen=True)
class RateQuery:
    """A dense run and one cycle of retraining after it; lengths in epochs.

    An option that is None was not given. `discount` is allr's, `init` and `warmup` belong to the
    tunable schedules, `milestones`, `gamma`, `every` and `lr_end` to some dense ones.
    """

    schedule: str
    dense_schedule: str
    lr: float
    dense_epochs: float
    steps_per_epoch: int
    epochs: float
    warmup_epochs: float = 0.0
    milestones: tuple[float, ...] | None = None
    gamma: float | None = None
    every: float | None = None
    lr_end: float | None = None
    discount: float | None = None
    init: float | None = None
    warmup: float | None = None

    @property
    def dense_steps(self) -> int:
        """M, the optimiser steps of the dense run."""
        return epochs_to_steps(self.dense_epochs, self.steps_per_epoch)

    @property
    def steps(self) -> int:
        """N, the optimiser steps of the retraining cycle."""
        return epochs_to_steps(self.epochs, self.steps_per_epoch)

    def idle(self) -> list[str]:
        """Return the options that were given and change nothing under these schedules."""
        used = DENSE_SCHEDULES[self.dense_schedule].uses | RETRAIN_SCHEDULES[self.schedule].uses
        names = ("milestones", "gamma", "every", "lr_end", "discount", "init", "warmup")
        options = [name for name in names if getattr(self, name) is not None]
        return [_option(name) for name in options if name not in used]


def rates(query: RateQuery) -> dict[str, list[float]]:
    """Return `dense` and `retrain`, a learning rate for each step; Refusal names the option."""
    _check(query)
    warmup_steps = epochs_to_steps(query.warmup_epochs, query.steps_per_epoch)
    try:
        dense = dense_rates(
            query.dense_schedule,
            lr=query.lr,
            steps=query.dense_steps,
            steps_per_epoch=query.steps_per_epoch,
            warmup_steps=warmup_steps,
            **_values(query, "milestones", "gamma", "every", "lr_end"),
        )
        retrain = retrain_rates(
            query.schedule,
            steps=query.steps,
            dense=dense,
            dense_warmup_steps=warmup_steps,
            **_values(query, "discount", "init", "warmup"),
        )
    except ValueError as error:
        name, _, rule = str(error).partition(" ")
        raise Refusal(f"{_option(name)} {rule}") from None
    return {"dense": dense, "retrain": retrain}


def _values(query: RateQuery, *names: str) -> dict[str, Any]:
    """The options that were given; the others keep the schedules' own defaults."""
    return {name: getattr(query, name) for name in names if getattr(query, name) is not None}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check(query: RateQuery) -> None:
    """Refuse in terms of the options what the schedules would refuse in terms of steps."""
    for name in ("dense_epochs", "epochs", "warmup_epochs"):
        if not math.isfinite(getattr(query, name)):
            raise Refusal(f"{_option(name)} must be a finite number, got {getattr(query, name)}")
    for name, steps in (("dense_epochs", query.dense_steps), ("epochs", query.steps)):
        if steps < 1:
            value = getattr(query, name)
            raise Refusal(f"{_option(name)} must give at least one optimiser step, got {value:g}")
        if steps > MOST_STEPS:
            value = getattr(query, name)
            rule = f"must give at most {MOST_STEPS:,} optimiser steps, a number for each"
            raise Refusal(f"{_option(name)} {rule}, got {value:g} epochs")
    if query.warmup_epochs * query.steps_per_epoch >= query.dense_steps:
        raise Refusal(
            f"--warmup-epochs must be shorter than the dense run ({query.dense_epochs:g} epochs),"
            f" got {query.warmup_epochs:g}"
        )
    if query.schedule == "lrw" and query.steps > query.dense_steps:
        raise Refusal(
            f"--epochs must be <= --dense-epochs ({query.dense_epochs:g}) under lrw, which replays"
            f" the dense run's last steps, got {query.epochs:g}"
        )
    for name in ("discount", "init"):
        if name in RETRAIN_SCHEDULES[query.schedule].uses and getattr(query, name) is None:
            raise Refusal(f"{_option(name)} must be given under {query.schedule}, got nothing")


def milestones(text: str) -> tuple[float, ...]:
    """Return the epochs of `5,8`; Refusal for anything else."""
    try:
        epochs = tuple(float(part) for part in text.split(","))
    except ValueError:
        epochs = (math.nan,)
    if not all(map(math.isfinite, epochs)):
        raise Refusal(f"--milestones must be epochs as in 5,8, got {shown(text)}")
    return epochs


def to_json(by_phase: dict[str, list[float]]) -> str:
    """Return the rates as one JSON mapping."""
    return json.dumps(by_phase) + "\n"


def to_csv(by_phase: dict[str, list[float]], steps_per_epoch: int) -> str:
    """Return the rates as rows of phase, step (from 0 in each phase), epoch and lr."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("phase", "step", "epoch", "lr"))
    for phase, values in by_phase.items():
        writer.writerows((phase, i, i // steps_per_epoch, repr(lr)) for i, lr in enumerate(values))
    return text.getvalue()


def to_html(by_phase: dict[str, list[float]], query: RateQuery) -> str:
    """Return a page that shows the rates over epochs, and needs nothing from any host."""
    from analysis.courses.schedules import rates_table, schedules_figure
    from analysis.drawing.theme import CONFIG

    table = rates_table(
        by_phase["dense"],
        {query.schedule: by_phase["retrain"]},
        steps_per_epoch=query.steps_per_epoch,
        discounts=None if query.discount is None else {query.schedule: query.discount},
    )
    figure = schedules_figure(table)
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, config=dict(CONFIG))
    title = f"Learning rates: {query.schedule} after {query.dense_schedule}"
    return page.replace("<head>", f"<head><title>{title}</title>", 1)
