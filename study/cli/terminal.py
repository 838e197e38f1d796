"""What several verbs share: how they print, warn and refuse, and the options -o and `--margin`.

Texts of a study folder may be somebody else's, and end up on a terminal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import click

_CONTROLS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
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


def say(text: str, *, end: bool = True, err: bool = False) -> None:
    """Print a text for people, a line end behind it if `end`; on standard error if `err`."""
    click.echo(harmless(text), nl=end, err=err)


def warn(sentence: str) -> None:
    """Say a warning on standard error, at once: what is refused later stands below it."""
    click.echo(f"warning: {one_line(sentence)}", err=True)


def one_line(sentence: str) -> str:
    """Return a sentence on one line."""
    return harmless(" ".join(sentence.splitlines()))


def wrote(output: str) -> None:
    """Say on standard error that a file was written; what was printed is seen."""
    from study.views.output import require_file

    if not require_file(output).is_stdout:
        click.echo(f"wrote {one_line(output)}", err=True)


class OutputFile(click.types.StringParamType):
    """A file to write, `-` for standard output: refused before anything is read or made."""

    name = "FILE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path as it was given; Refusal where nothing can be written there."""
        from study.views.output import require_file

        require_file(str(value))
        return str(value)


ENDINGS: Final = {
    ".csv": "csv", ".json": "json", ".parquet": "parquet", ".md": "markdown", ".tex": "latex",
    ".html": "html", ".htm": "html",
}  # fmt: skip
"""Formats by the ending of a file."""

BY_ENDING: Final = "That of the file's ending unless given."
"""What --format says of itself."""


def format_of(output: str | None, formats: Sequence[str]) -> str:
    """Return the format that a file's ending asks for, the first of all where it asks for none."""
    from pathlib import PurePath

    asked = ENDINGS.get(PurePath(output).suffix.lower(), "") if output else ""
    return asked if asked in formats else formats[0]


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
