"""`bimp results`."""

from __future__ import annotations

import sys

import click

LEVELS = ("trials", "cycles", "epochs")
FORMATS = ("table", "csv", "json", "parquet", "markdown", "latex")


def listed(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of `a,b` and of repeated options alike."""
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


@click.command("results")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option("--level", default="trials", type=click.Choice(LEVELS), help="What a row is.")
@click.option("--where", metavar="EXPR", help="Rows to keep: 'prune.sparsity > 0.8 and seed == 0'.")
@click.option("--columns", multiple=True, callback=listed, metavar="A,B", help="prune.* is known.")
@click.option("--sort", multiple=True, callback=listed, metavar="A,-B", help="- means downwards.")
@click.option("--group-by", multiple=True, callback=listed, metavar="A,B", help="Mean and spread.")
@click.option("--format", "shape", default="table", type=click.Choice(FORMATS))
@click.option("-o", "--output", metavar="FILE", help="Write to a file instead of printing.")
def command(
    folders: tuple[str, ...],
    level: str,
    where: str | None,
    columns: tuple[str, ...],
    sort: tuple[str, ...],
    group_by: tuple[str, ...],
    shape: str,
    output: str | None,
) -> None:
    """Show what the study folders DIR hold: one row per trial, cycle or epoch.

    Under --group-by, --columns names the metrics to average. Tables leave out what is the same in
    all rows, and say so; csv, json and parquet hold everything. Reads only.
    """
    from trainables.files.outputs import OutputError
    from trainables.vocabulary.refusal import Refusal

    if shape == "parquet" and output is None and sys.stdout.isatty():
        raise Refusal("-o must be given for parquet on a terminal, got nothing")

    from analysis.tables.results import run_results

    warnings: list[str] = []
    try:
        content = run_results(
            folders, level, where, columns, sort, group_by, shape, output, warnings.append
        )
    except FileNotFoundError as error:
        raise Refusal(f"DIR must be a study folder, got {', '.join(folders)}: {error}") from error
    except OutputError as error:
        raise Refusal(f"-o {error}") from error
    except OSError as error:
        raise Refusal(f"DIR must be a folder that can be read, got a fault: {error}") from error
    except ValueError as error:
        options = {"--where": where, "--columns": columns, "--sort": sort, "--group-by": group_by}
        used = [name for name, value in options.items() if value]
        raise Refusal(_fault(str(error), used)) from error
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if output is None:
        click.echo(content, nl=content[-1:] not in ("\n", b"\n"))
    else:
        click.echo(f"wrote {output}", err=True)


def _fault(message: str, used: list[str]) -> str:
    """A fault of the query as a refusal: the options that were given are where it may be."""
    if message.startswith("--") or not used:
        return message
    return f"{' or '.join(used)} must fit the table's columns, got a fault: {message}"
