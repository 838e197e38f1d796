"""`bimp bench`."""

from __future__ import annotations

import click

from study.cli.results import listed
from study.cli.terminal import Verb, say


@click.command("bench", cls=Verb)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option("--trial", metavar="ID", help="A fingerprint; as much of it as is unique.")
@click.option("--best", "metric", metavar="METRIC", help="The best trial by a validation metric.")
@click.option(
    "--form", "forms", multiple=True, callback=listed, metavar="A,B",
    help="dense, masked, removed (these by default), quantised.",
)  # fmt: skip
@click.option(
    "--device", default="cpu", show_default=True, metavar="NAME", help="cpu, cuda or cuda:N."
)
@click.option(
    "--batch",
    "batches",
    default="1,128",
    show_default=True,
    metavar="N,M",
    help="Examples per call.",
)
@click.option(
    "--backend", "backends", multiple=True, callback=listed, metavar="A,B",
    help="torch (the default), compile, onnxruntime, openvino.",
)  # fmt: skip
@click.option(
    "--threads", default=1, show_default=True, type=int, metavar="N", help="Of the processor."
)
@click.option(
    "--rounds",
    default=31,
    show_default=True,
    type=int,
    metavar="N",
    help="Samples of each network.",
)
def command(
    folders: tuple[str, ...],
    trial: str | None,
    metric: str | None,
    forms: tuple[str, ...],
    device: str,
    batches: str,
    backends: tuple[str, ...],
    threads: int,
    rounds: int,
) -> None:
    """Measure how fast pruned networks run: dense, masked, and with zero filters taken out.

    Of every configuration in DIR the first seed, unless --trial or --best names one. The forms take
    turns; shown are medians with an interval that holds the true one with 95 %. Kept in DIR under
    latency/, and drawn by `bimp report`. Runs the study's own code.
    """
    if trial is not None and metric is not None:
        raise click.UsageError("give --trial ID or --best METRIC, not both")

    from study.checks.installed import require

    require("bench", "torch", "safetensors")
    from study.views.latency import Order, conditions, measured, table

    sizes = tuple(_whole(text) for text in batches.split(","))
    order = Order(forms or Order.forms, device, backends or Order.backends, sizes, threads, rounds)
    results = []
    for folder in folders:
        for measurement in measured(folder, order, trial=trial, metric=metric):
            for note in measurement.notes:
                say(f"note: {note}", err=True)
            results.append(measurement)
    rows = [row for measurement in results for row in measurement.rows]
    if rows:
        say("\n".join([table(results), "", *conditions(rows)]))


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise click.UsageError(f"--batch must be whole numbers, got {text!r}") from error
