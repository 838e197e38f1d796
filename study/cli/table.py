"""`bimp table`."""

from __future__ import annotations

import click

from study.cli.results import listed, query_fault
from study.cli.terminal import (
    BY_ENDING,
    MARGIN,
    OutputFile,
    Verb,
    format_of,
    reading,
    say,
    warn,
    wrote,
)

KINDS = ("schedules", "structures", "methods")
FORMATS = ("text", "markdown", "latex", "html", "csv")


@click.command("table", cls=Verb)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.option("--kind", type=click.Choice(KINDS), help="What is compared; what fits by default.")
@click.option("--where", metavar="EXPR", help="Trials to keep: 'prune.sparsity > 0.8'.")
@click.option("--metrics", multiple=True, callback=listed, metavar="A,B", help="What is shown.")
@MARGIN
@click.option("--format", "shape", type=click.Choice(FORMATS), help=BY_ENDING)
@click.option(
    "-o", "--output", metavar="FILE", type=OutputFile(), help="Write to a file instead of printing."
)
def command(
    folders: tuple[str, ...],
    kind: str | None,
    where: str | None,
    metrics: tuple[str, ...],
    margin: float | None,
    shape: str | None,
    output: str | None,
) -> None:
    """Compare schedules or structures by sparsity and budget, or methods by sparsity.

    Means and standard deviations over seeds, with failures counted. Where a search tried several
    settings of one, at each seed the one stands that is best on validation at the others. Below
    stands which are shown to differ by less than --margin. Reads only.
    """
    from analysis.tables.comparisons import run_table
    from study.views.named_lines import terminal_width
    from trainables.files.outputs import OutputError
    from trainables.vocabulary.refusal import Refusal

    shape = shape or format_of(output, FORMATS)
    try:
        with reading(folders):
            content = run_table(
                folders, kind, where, metrics, shape, output, warn, margin, terminal_width(output)
            )
    except OutputError as error:
        raise Refusal(f"-o {error}") from error
    except ValueError as error:
        options = {"--where": where, "--metrics": metrics}
        raise Refusal(query_fault(str(error), options)) from error
    if output is None:
        say(content, end=not content.endswith("\n"))
    else:
        wrote(output)
