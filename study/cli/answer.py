"""`bimp answer`."""

from __future__ import annotations

import click

from study.cli.terminal import MARGIN, Verb, reading, say, warn

WIDEST = 100
"""Lines longer than this are hard to read."""


@click.command("answer", cls=Verb)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@MARGIN
@click.option("--json", "as_json", is_flag=True, help="Statements and sentences as one object.")
def command(folders: tuple[str, ...], margin: float | None, as_json: bool) -> None:
    """Say what the study folders DIR answer: what to use where, how sure, and at what cost.

    What was studied, what to use and avoid at each sparsity and budget, how many seeds would settle
    it, what each step of sparsity costs; of searches the best settings, the regret of the adaptive
    discount, the front. Reads only.
    """
    from shutil import get_terminal_size

    from analysis.answer.output import to_json, to_text
    from analysis.answer.whole import answer_in

    with reading(folders):
        found = answer_in(*folders, margin=margin, warn=warn)
    if as_json:
        click.echo(to_json(found), nl=False)
    else:
        say(to_text(found, min(get_terminal_size().columns, WIDEST)))
