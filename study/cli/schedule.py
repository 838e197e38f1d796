"""`bimp schedule`."""

from __future__ import annotations

from typing import Any

import click

from study.cli.terminal import BY_ENDING, Finite, OutputFile, Verb, format_of, say
from trainables.formulas.dense_schedules import DENSE_SCHEDULES
from trainables.formulas.schedules import RETRAIN_SCHEDULES

FORMATS = ("json", "csv", "html")
_ABOVE_ZERO = Finite(min=0, min_open=True)
_UP_TO_ONE = Finite(min=0, max=1, min_open=True)
_SHARE = Finite(min=0, max=1, max_open=True)


@click.command("schedule", cls=Verb)
@click.argument("schedule", metavar="NAME", type=click.Choice(list(RETRAIN_SCHEDULES)))
@click.option(
    "--dense-schedule",
    required=True,
    type=click.Choice(list(DENSE_SCHEDULES)),
    help="Learning rates of the dense run.",
)
@click.option("--milestones", metavar="EPOCHS", help="Epochs of the drops (multistep): 5,8.")
@click.option("--gamma", type=_UP_TO_ONE, help="Factor of a drop; 0.1 unless given.")
@click.option("--every", type=_ABOVE_ZERO, help="Epochs between drops (step); 1 unless given.")
@click.option("--lr-end", type=Finite(min=0), help="End of linear; 0 unless given.")
@click.option("--lr", required=True, type=_ABOVE_ZERO, help="Peak rate of the dense run.")
@click.option("--dense-epochs", required=True, type=_ABOVE_ZERO, help="Epochs of the dense run.")
@click.option(
    "--warmup-epochs",
    default=0.0,
    show_default=True,
    type=Finite(min=0),
    help="Epochs at the beginning of the dense run in which its rate rises.",
)
@click.option(
    "--steps-per-epoch",
    required=True,
    type=click.IntRange(min=1),
    metavar="N",
    help="Optimiser steps in one epoch.",
)
@click.option("--epochs", required=True, type=_ABOVE_ZERO, help="Retraining epochs of one cycle.")
@click.option("--discount", type=_UP_TO_ONE, help="Share of the dense peak that allr starts at.")
@click.option("--init", type=_ABOVE_ZERO, help="Peak of constant, stepped, cosine and linear.")
@click.option("--warmup", type=_SHARE, help="Their share of warm-up steps; 0.1 unless given.")
@click.option("--format", "shape", type=click.Choice(FORMATS), help=BY_ENDING)
@click.option(
    "-o", "--output", metavar="FILE", type=OutputFile(), help="Write to a file instead of printing."
)
def command(shape: str | None, output: str | None, milestones: str | None, **options: Any) -> None:
    """Print the learning rates of retraining schedule NAME after a dense run.

    As JSON {"dense": [...], "retrain": [...]}, one number per step; as CSV; or as an HTML page that
    shows them. Options that change nothing under the schedules given are named on standard error.
    """
    from study.views import rates

    shape = shape or format_of(output, FORMATS)
    drops = None if milestones is None else rates.milestones(milestones)
    query = rates.RateQuery(milestones=drops, **options)
    by_phase = rates.rates(query)
    for option in query.idle():
        names = f"{query.dense_schedule} and {query.schedule}"
        say(f"note: {option} changes nothing under {names}", err=True)
    if shape == "html":
        text = rates.to_html(by_phase, query)
    elif shape == "csv":
        text = rates.to_csv(by_phase, query.steps_per_epoch)
    else:
        text = rates.to_json(by_phase)
    if output is None:
        click.echo(text, nl=False)
    else:
        from study.views.output import write

        write(output, text.encode())
