"""`bimp report`."""

from __future__ import annotations

from pathlib import PurePath

import click

from study.cli.terminal import MARGIN, OutputFile, Verb, one_line, reading, say

ENDINGS = (".html", ".htm", "")


@click.command("report", cls=Verb)
@click.argument("folders", nargs=-1, required=True, metavar="DIR...")
@click.option(
    "-o", "--output", required=True, metavar="FILE.html", type=OutputFile(),
    help="The file to write.",
)  # fmt: skip
@MARGIN
def command(folders: tuple[str, ...], output: str, margin: float | None) -> None:
    """Write what study folders say as one HTML file that opens offline.

    Findings in words with their certainty, tables, figures, and how it was run.
    """
    from analysis.report.page import write_report
    from study.views.output import require_file
    from trainables.files.outputs import OutputError
    from trainables.vocabulary.refusal import Refusal

    target = require_file(output)
    if target.kind in ("file", "store") and PurePath(output).suffix.lower() not in ENDINGS:
        raise Refusal(f"-o must end in .html, as a report is, got {one_line(output)}")
    say("reading and drawing ...", err=True)
    try:
        with reading(folders):
            write_report(list(folders), output, margin)
    except OutputError as error:
        raise Refusal(f"-o {error}") from error
    if target.kind != "descriptor":
        place = output if target.kind == "store" else str(target.path)
        click.echo(f"report: {one_line(place)}")
