"""`bimp results`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from study.cli.terminal import BY_ENDING, OutputFile, Verb, format_of, reading, say, warn, wrote

LEVELS = ("trials", "cycles", "epochs")
FORMATS = ("table", "csv", "json", "parquet", "markdown", "latex")


def listed(_: click.Context, __: click.Parameter, texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of `a,b` and of repeated options alike."""
    for text in texts:
        if not text.replace(",", "").strip():
            raise click.BadParameter(f"must hold a name, got {text!r}.")
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())


@click.command("results", cls=Verb)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option(
    "--level", default="trials", show_default=True, type=click.Choice(LEVELS), help="What a row is."
)
@click.option("--where", metavar="EXPR", help="Rows to keep: 'prune.sparsity > 0.8 and seed == 0'.")
@click.option(
    "--columns",
    multiple=True,
    callback=listed,
    metavar="A,B",
    help="What is shown, or averaged; prune.* is known.",
)
@click.option(
    "--sort",
    multiple=True,
    callback=listed,
    metavar="A,-B",
    help="Order of the rows; - means downwards.",
)
@click.option(
    "--group-by",
    multiple=True,
    callback=listed,
    metavar="A,B",
    help="One row for each, of mean and spread.",
)
@click.option("--format", "shape", type=click.Choice(FORMATS), help=BY_ENDING)
@click.option(
    "-o", "--output", metavar="FILE", type=OutputFile(), help="Write to a file instead of printing."
)
def command(
    folders: tuple[str, ...],
    level: str,
    where: str | None,
    columns: tuple[str, ...],
    sort: tuple[str, ...],
    group_by: tuple[str, ...],
    shape: str | None,
    output: str | None,
) -> None:
    """Show what the study folders DIR hold: one row per trial, cycle or epoch.

    Under --group-by, --columns names the metrics to average. Tables leave out what is the same in
    all rows, and on a terminal what does not fit, and say so; csv, json and parquet hold
    everything. Reads only.
    """
    from trainables.files.outputs import OutputError
    from trainables.vocabulary.refusal import Refusal

    shape = shape or format_of(output, FORMATS)
    if shape == "parquet" and output in (None, "-") and sys.stdout.isatty():
        raise Refusal("-o must be given for parquet on a terminal, got nothing")

    from analysis.tables.results import run_results
    from study.views.named_lines import terminal_width

    try:
        with reading(folders):
            content = run_results(
                folders, level, where, columns, sort, group_by, shape, output, warn,
                terminal_width(output),
            )  # fmt: skip
    except OutputError as error:
        raise Refusal(f"-o {error}") from error
    except ValueError as error:
        options = {"--where": where, "--columns": columns, "--sort": sort, "--group-by": group_by}
        raise Refusal(query_fault(str(error), options)) from error
    if output is None:
        _print(content)
    else:
        wrote(output)


def _print(content: str | bytes) -> None:
    if isinstance(content, bytes):
        click.echo(content, nl=not content.endswith(b"\n"))
    else:
        say(content, end=not content.endswith("\n"))


def query_fault(message: str, options: Mapping[str, object]) -> str:
    """Return a fault of a query as a refusal: the options that were given are where it may be."""
    used = [name for name, value in options.items() if value]
    if message.startswith(("--", "DIR ")) or not used:
        return message
    return f"{' or '.join(used)} must fit the table's columns, got a fault: {message}"
