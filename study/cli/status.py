"""`bimp status`."""

from __future__ import annotations

import click

from study.cli.terminal import Verb, say


@click.command("status", cls=Verb)
@click.argument("folder", metavar="DIR")
def command(folder: str) -> None:
    """Say where the study folder DIR stands.

    Counts the trials that are settled (done, diverged, stopped), failed and missing, says what is
    running now, and names each failed trial with its message. Reads only.
    """
    from study.views.named_lines import terminal_width
    from study.views.status import status, table

    say(table(status(folder), terminal_width()))
