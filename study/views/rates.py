"""The learning rates of any schedule, one number a step, as JSON, CSV or a page to look at.

`Asked` holds what the command line asks for; its faults name the options.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import Any

from trainables.formulas.dense_schedules import DENSE_SCHEDULES, dense_rates
from trainables.formulas.schedules import RETRAIN_SCHEDULES, retrain_rates
from trainables.formulas.sparsity import epochs_to_steps
from trainables.vocabulary.refusal import Refusal, shown


@dataclass(frozen=True)
class Asked:
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
        given = [name for name in names if getattr(self, name) is not None]
        return [_option(name) for name in given if name not in used]


def rates(asked: Asked) -> dict[str, list[float]]:
    """Return `dense` and `retrain`, a learning rate for each step; Refusal names the option."""
    _check(asked)
    warmup_steps = epochs_to_steps(asked.warmup_epochs, asked.steps_per_epoch)
    try:
        dense = dense_rates(
            asked.dense_schedule,
            lr=asked.lr,
            steps=asked.dense_steps,
            steps_per_epoch=asked.steps_per_epoch,
            warmup_steps=warmup_steps,
            **_given(asked, "milestones", "gamma", "every", "lr_end"),
        )
        retrain = retrain_rates(
            asked.schedule,
            steps=asked.steps,
            dense=dense,
            dense_warmup_steps=warmup_steps,
            **_given(asked, "discount", "init", "warmup"),
        )
    except ValueError as error:
        name, _, rule = str(error).partition(" ")
        raise Refusal(f"{_option(name)} {rule}") from None
    return {"dense": dense, "retrain": retrain}


def _given(asked: Asked, *names: str) -> dict[str, Any]:
    """The options that were given; the others keep the schedules' own defaults."""
    return {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _check(asked: Asked) -> None:
    """Refuse in terms of the options what the schedules would refuse in terms of steps."""
    for name in ("dense_epochs", "epochs", "warmup_epochs"):
        if not math.isfinite(getattr(asked, name)):
            raise Refusal(f"{_option(name)} must be a finite number, got {getattr(asked, name)}")
    for name, steps in (("dense_epochs", asked.dense_steps), ("epochs", asked.steps)):
        if steps < 1:
            value = getattr(asked, name)
            raise Refusal(f"{_option(name)} must give at least one optimiser step, got {value:g}")
    if asked.warmup_epochs * asked.steps_per_epoch >= asked.dense_steps:
        raise Refusal(
            f"--warmup-epochs must be shorter than the dense run ({asked.dense_epochs:g} epochs),"
            f" got {asked.warmup_epochs:g}"
        )
    if asked.schedule == "lrw" and asked.steps > asked.dense_steps:
        raise Refusal(
            f"--epochs must be <= --dense-epochs ({asked.dense_epochs:g}) under lrw, which replays"
            f" the dense run's last steps, got {asked.epochs:g}"
        )
    for name in ("discount", "init"):
        if name in RETRAIN_SCHEDULES[asked.schedule].uses and getattr(asked, name) is None:
            raise Refusal(f"{_option(name)} must be given under {asked.schedule}, got nothing")


def milestones(text: str) -> tuple[float, ...]:
    """Return the epochs of `5,8`; Refusal for anything else."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise Refusal(f"--milestones must be epochs as in 5,8, got {shown(text)}") from None


def to_json(found: dict[str, list[float]]) -> str:
    """Return the rates as one JSON mapping."""
    return json.dumps(found) + "\n"


def to_csv(found: dict[str, list[float]], steps_per_epoch: int) -> str:
    """Return the rates as rows of phase, step (from 0 in each phase), epoch and lr."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("phase", "step", "epoch", "lr"))
    for phase, values in found.items():
        writer.writerows((phase, i, i // steps_per_epoch, repr(lr)) for i, lr in enumerate(values))
    return text.getvalue()


def to_html(found: dict[str, list[float]], asked: Asked) -> str:
    """Return a page that shows the rates over epochs, and needs nothing from any host."""
    from analysis.drawing.theme import CONFIG
    from analysis.figures.schedules import rates_table, schedules_figure

    table = rates_table(
        found["dense"],
        {asked.schedule: found["retrain"]},
        steps_per_epoch=asked.steps_per_epoch,
        discounts=None if asked.discount is None else {asked.schedule: asked.discount},
    )
    figure = schedules_figure(table)
    page: str = figure.to_html(include_plotlyjs=True, full_html=True, config=dict(CONFIG))
    title = f"Learning rates: {asked.schedule} after {asked.dense_schedule}"
    return page.replace("<head>", f"<head><title>{title}</title>", 1)
