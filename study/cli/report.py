"""`bimp report`."""

from __future__ import annotations

from pathlib import Path

import click

from study.cli.terminal import MARGIN, reading


@click.command("report")
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option(
    "-o", "--output", required=True, metavar="FILE.html", type=click.Path(allow_dash=True),
    help="The file to write.",
)  # fmt: skip
@MARGIN
def command(folders: tuple[str, ...], output: str, margin: float | None) -> None:
    """Write what study folders say as one HTML file that opens offline.

    Findings in words with their certainty, tables, figures, and how it was run.
    """
    from analysis.report.page import write_report
    from trainables.files.outputs import OutputError
    from trainables.vocabulary.refusal import Refusal

    click.echo("reading and drawing ...", err=True)
    try:
        with reading(folders):
            write_report(list(folders), Path(output), margin)
    except OutputError as error:
        raise Refusal(f"-o {error}") from error
    if output != "-":
        click.echo(f"report: {Path(output).expanduser().absolute()}")
