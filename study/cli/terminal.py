"""What verbs share: how they are read, print, warn and refuse, and the options -o and `--margin`.

Texts of a study folder may be somebody else's, and end up on a terminal.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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
    from trainables.vocabulary.homes import LocationError
    from trainables.vocabulary.refusal import Refusal

    given = ", ".join(folders)
    try:
        yield
    except (FileNotFoundError, LocationError) as error:
        raise Refusal(f"DIR must be a study folder, got {given}: {error}") from error
    except OutputError:
        raise
    except OSError as error:
        raise Refusal(f"DIR must be a folder that can be read, got {given}: {error}") from error


def say(text: str, *, end: bool = True, err: bool = False) -> None:
    """Print a text for people, a line end behind it if `end`; on standard error if `err`."""
    if err:
        _complain(harmless(text), end)
    else:
        click.echo(harmless(text), nl=end)


def _complain(text: str, end: bool = True) -> None:
    """Print on standard error; where that is full what was done is done, and its status says so."""
    with suppress(OSError):
        click.echo(text, nl=end, err=True)


def warn(sentence: str) -> None:
    """Say a warning on standard error, at once: what is refused later stands below it."""
    _complain(f"warning: {one_line(sentence)}")


def one_line(sentence: str) -> str:
    """Return a sentence on one line."""
    return harmless(" ".join(sentence.splitlines()))


def wrote(output: str) -> None:
    """Say on standard error that a file was written; what was printed is seen."""
    from study.views.output import require_file

    if not require_file(output).is_stdout:
        _complain(f"wrote {one_line(output)}")


LONGEST: Final = 200
"""Characters of a word that a refusal repeats; of a longer one it shows both ends."""

LONGEST_SENTENCE: Final = 4_000


def refusal_line(sentence: str) -> str:
    """Return a refusal on one line, long values in it shortened."""
    line = re.sub(rf"\S{{{LONGEST + 1},}}", lambda word: _ends(word[0], LONGEST), sentence)
    return one_line(_ends(line, LONGEST_SENTENCE))


def _ends(text: str, most: int) -> str:
    half = most // 2
    return text if len(text) <= most else f"{text[:half]}...{text[-half:]}"


class Verb(click.Command):
    """A command whose options each stand once, unless they gather, and hold more than blanks.

    Of an option that stands twice one value would change nothing; and an empty text is what is left
    of a variable that is not set, where a path would be the working folder and a filter no filter.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; Refusal names an option that stands twice, or what is blank."""
        if not ctx.resilient_parsing:
            given, _, order = self.make_parser(ctx).parse_args(args=list(args))
            for parameter in order:
                _refuse_repeats(parameter, order.count(parameter))
                values = given.get(parameter.name or "")
                _refuse_blanks(parameter, values if isinstance(values, list | tuple) else [values])
        return super().parse_args(ctx, args)


def _refuse_repeats(parameter: click.Parameter, times: int) -> None:
    if not isinstance(parameter, click.Option) or parameter.multiple or parameter.is_flag:
        return
    if times > 1:
        from trainables.vocabulary.refusal import Refusal

        raise Refusal(f"{_name(parameter)} must be given once, got {times} of it")


def _refuse_blanks(parameter: click.Parameter, values: Sequence[object]) -> None:
    for text in values:
        if isinstance(text, str) and not text.strip():
            from trainables.vocabulary.refusal import Refusal

            raise Refusal(f"{_name(parameter)} must not be empty, got {text!r}")


def _name(parameter: click.Parameter) -> str:
    """What the help calls a parameter."""
    if isinstance(parameter, click.Option):
        return "-o" if "-o" in parameter.opts else parameter.opts[-1]
    return parameter.human_readable_name.strip("[].")


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

BY_ENDING: Final = "That of the file's ending unless given, or the first."
"""What --format says of itself."""


def format_of(output: str | None, formats: Sequence[str]) -> str:
    """Return the format that a file's ending asks for, the first of all where it asks for none."""
    from pathlib import PurePath

    asked = ENDINGS.get(PurePath(output).suffix.lower(), "") if output else ""
    return asked if asked in formats else formats[0]


class Finite(click.FloatRange):
    """A finite number of a range: Python reads `nan` and `inf` as numbers too."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; a usage error names its option where it is none."""
        try:
            number = float(value)
        except ValueError:
            self.fail(f"{value!r} is not a number.", param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return super().convert(value, param, ctx)


MARGIN: Final = click.option(
    "--margin",
    type=Finite(min=0, min_open=True),
    metavar="X",
    help="A difference of less than X does not matter, in the unit shown; .5 points of a per cent"
    " unless given, and no likeness is claimed in other units.",
)
"""What likeness is judged by."""
