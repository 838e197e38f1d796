"""`bimp export`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("export")
@click.argument("folder", metavar="DIR")
@click.option("--trial", metavar="ID", help="A fingerprint; as much of it as is unique.")
@click.option("--best", "metric", metavar="METRIC", help="The best trial by a validation metric.")
@click.option(
    "-o", "--output", required=True, metavar="FILE", type=click.Path(dir_okay=False, path_type=Path)
)
def command(folder: str, trial: str | None, metric: str | None, output: Path) -> None:
    """Write the pruned weights of one trial of DIR to FILE, in safetensors format.

    These are the weights at the end of its last stage with the masks applied; configuration, seed
    and metrics are in the file's header. Nothing is chosen by a metric measured on test data.
    """
    if (trial is None) == (metric is None):
        raise click.UsageError("give either --trial ID or --best METRIC")

    from study.views.export import export, sentence
    from study.views.output import write

    exported = export(folder, trial=trial, metric=metric)
    write(output, exported.data)
    click.echo(sentence(exported, str(output), metric))
