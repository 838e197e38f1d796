"""`bimp figure`."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

import click

from study.cli.terminal import Finite, OutputFile, Verb, one_line, reading, say, warn, wrote

CONTROLS = ("metric", "view", "by", "of", "cost", "along", "x", "y", "level", "evaluator")
HELP = {
    "metric": "The metric that is drawn.",
    "by": "The column whose values are compared.",
    "of": "Whose gain is drawn (gains).",
    "cost": "What training is counted in (cost).",
    "along": "What rivals are matched in.",
    "x": "What lies across (pareto, slice, contour).",
    "y": "What lies upwards (pareto, contour).",
    "level": "What each front may take at most (pareto).",
    "view": "value, or loss from the dense model.",
    "evaluator": "The question that is asked of a search (importance).",
}


def _controls(command: Any) -> Any:
    for name in reversed(CONTROLS):
        command = click.option(f"--{name}", metavar="NAME", help=HELP[name])(command)
    return command


@click.command("figure", cls=Verb)
@click.argument("folders", metavar="DIR...", nargs=-1, required=True)
@click.argument("name", metavar="NAME")
@click.option(
    "-o", "--output", metavar="FILE", type=OutputFile(),
    help="Ends in .pdf, .svg, .png, .html or .json, unless --format says what it is.",
)  # fmt: skip
@click.option("--format", "shape", metavar="NAME", help="pdf, svg, png, html or json.")
@click.option("--at", multiple=True, metavar="COLUMN=VALUE", help="Where: prune.sparsity=0.9")
@_controls
@click.option("--width", type=Finite(2, 100), default=16.0, show_default=True, help="In cm.")
@click.option("--height", type=Finite(2, 100), help="In cm; the figure's own unless given.")
@click.option(
    "--font", type=click.Choice(["sans", "serif"]), default="sans", show_default=True,
    help="Of all texts.",
)  # fmt: skip
@click.option("--size", type=Finite(4, 40), default=9.0, show_default=True, help="In pt.")
@click.option("--mono", is_flag=True, help="Greys that stay apart in black and white.")
@click.option("--title", is_flag=True, help="Keep the title, for slides; papers have captions.")
def command(
    folders: tuple[str, ...],
    name: str,
    output: str | None,
    shape: str | None,
    at: tuple[str, ...],
    width: float,
    height: float | None,
    font: str,
    size: float,
    mono: bool,
    title: bool,
    **controls: str | None,
) -> None:
    """Draw one figure of the studies DIR into FILE, for a paper or a slide.

    NAME is a figure of the report: `bimp figure DIR help` lists them. Beside the file stands what
    the figure notes, on standard error. Reads only.
    """
    from analysis.figures import FIGURES
    from trainables.vocabulary.refusal import Refusal

    if name == "help":
        click.echo("\n".join(f"{one.name:<22} {one.question}" for one in FIGURES.values()))
        return
    if output is None:
        raise Refusal("-o must be given with the name of a figure, got none")

    from analysis.paper.drawn import drawn
    from analysis.paper.files import FORMATS, rendered
    from analysis.paper.style import FONTS, Page
    from study.views.output import write

    form = PurePath(output).suffix.lstrip(".").lower() if shape is None else shape
    if form not in FORMATS and shape is not None:
        raise Refusal(f"--format must be one of {', '.join(FORMATS)}, got {shape!r}")
    if form not in FORMATS:
        endings = ", ".join(f".{one}" for one in FORMATS)
        raise Refusal(f"-o must end in one of {endings} without --format, got {one_line(output)}")
    page = Page(width, height, next(f for f in FONTS if f == font), size, mono, title)
    texts = {key: value for key, value in controls.items() if value is not None}
    try:
        with reading(folders):
            figure, notes = drawn(folders, name, texts, at, page, warn)
        content = rendered(figure, form)
    except ValueError as error:
        raise Refusal(str(error)) from error
    write(output, content)
    for note in notes:
        say(f"note: {note}", err=True)
    wrote(output)
