"""The option `--margin`, which several verbs have."""

from __future__ import annotations

from typing import Final

import click

MARGIN: Final = click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    metavar="X",
    help="A difference of less than X does not matter, in the unit shown; .5 points of a per cent"
    " unless given, and no likeness is claimed in other units.",
)
"""What likeness is judged by."""
