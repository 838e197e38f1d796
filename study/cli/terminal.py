"""What several verbs share: how they print, warn and refuse a folder, and the option `--margin`.

Texts of a study folder may be somebody else's, and end up on a terminal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

_CONTROLS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
"""What moves a terminal's cursor, colours it, renames its window, or turns its text around."""


def harmless(text: str) -> str:
    """Return a text with control characters written out, line ends and tabs aside."""
    return _CONTROLS.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


@contextmanager
def reading(folders: Sequence[str]) -> Iterator[None]:
    """Refuse DIR in a sentence where it is no study folder, or one that cannot be read."""
    from trainables.files.outputs import OutputError
    from trainables.vocabulary.refusal import Refusal

    given = ", ".join(folders)
    try:
        yield
    except FileNotFoundError as error:
        raise Refusal(f"DIR must be a study folder, got {given}: {error}") from error
    except OutputError:
        raise
    except OSError as error:
        raise Refusal(f"DIR must be a folder that can be read, got {given}: {error}") from error


def say(text: str, *, end: bool = True) -> None:
    """Print a text for people, a line end behind it if `end`."""
    click.echo(harmless(text), nl=end)


def warn(sentence: str) -> None:
    """Say a warning on standard error, at once: what is refused later stands below it."""
    click.echo(f"warning: {one_line(sentence)}", err=True)


def one_line(sentence: str) -> str:
    """Return a sentence on one line."""
    return harmless(" ".join(sentence.splitlines()))


class Finite(click.FloatRange):
    """A finite number of a range: Python reads `nan` and `inf` as numbers too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; a usage error names its option where it is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


MARGIN: Final = click.option(
    "--margin",
    type=Finite(min=0, min_open=True),
    metavar="X",
    help="A difference of less than X does not matter, in the unit shown; .5 points of a per cent"
    " unless given, and no likeness is claimed in other units.",
)
"""What likeness is judged by."""
