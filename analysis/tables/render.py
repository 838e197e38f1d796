"""A table as HTML, Markdown, LaTeX, CSV or plain text; all text is escaped, none trusted."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

from analysis.columns.spreadsheet import csv_text
from analysis.tables.content import Table
from analysis.tables.layout import Cell, TextTable, lay_out


def _grid(table: Table | TextTable) -> TextTable:
    return lay_out(table) if isinstance(table, Table) else table


def _left(grid: TextTable) -> list[bool]:
    """Which columns, labels first, hold text and stand to the left."""
    return [True] * len(grid.label_names) + [n in grid.words for n in range(len(grid.headers))]


def to_html(table: Table | TextTable) -> str:
    """Return a `<table>` with a caption, its notes in a list below; marked cells are strong."""
    grid = _grid(table)
    lines = [
        [*(f'<th scope="row">{_html(label)}</th>' for label in labels), *map(_html_cell, row)]
        for labels, row in zip(grid.labels, grid.rows, strict=True)
    ]
    body = "\n".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    notes = "".join(f"<li>{_html(note)}</li>" for note in grid.notes)
    listed = f'\n<ul class="notes">{notes}</ul>' if notes else ""
    return (
        f"<table>\n<caption>{_html(grid.title)}</caption>\n<thead>\n{_html_head(grid)}\n</thead>\n"
        f"<tbody>\n{body}\n</tbody>\n</table>{listed}\n"
    )


def _html(text: str) -> str:
    return html.escape(_plain(text))


def _html_cell(cell: Cell) -> str:
    text = _html(cell.text)
    if cell.marked:
        return f'<td class="marked"><strong>{text}</strong></td>'
    return f"<td>{text}</td>"


def _html_head(grid: TextTable) -> str:
    levels = _levels(grid)
    names = "".join(
        f'<th scope="col" rowspan="{len(levels)}">{_html(name)}</th>' for name in grid.label_names
    )
    lines = [
        "".join(
            f'<th scope="col{"group" if span > 1 else ""}" colspan="{span}">{_html(text)}</th>'
            for text, span in level
        )
        for level in levels
    ]
    return "\n".join(f"<tr>{names if n == 0 else ''}{line}</tr>" for n, line in enumerate(lines))


def _levels(grid: TextTable) -> list[list[tuple[str, int]]]:
    """Header rows as (text, columns spanned); a span never crosses a boundary of the row above."""
    depth = max((len(header) for header in grid.headers), default=0)
    levels: list[list[tuple[str, int]]] = []
    for level in range(depth):
        runs = groupby(header[: level + 1] for header in grid.headers)
        levels.append([(path[-1], sum(1 for _ in run)) for path, run in runs])
    return levels or [[]]


def to_markdown(table: Table | TextTable) -> str:
    """Return a GitHub-flavoured Markdown table under its title in bold, notes as a list."""
    grid = _grid(table)
    heads = [*grid.label_names, *(" / ".join(header) for header in grid.headers)]
    rule = ["---" if left else "---:" for left in _left(grid)]
    lines = [map(_markdown, heads), rule]
    lines += [
        [*map(_markdown, labels), *(_markdown_cell(cell) for cell in row)]
        for labels, row in zip(grid.labels, grid.rows, strict=True)
    ]
    title = f"**{_markdown(grid.title)}**\n\n" if grid.title else ""
    notes = "".join(f"\n- {_markdown(note)}" for note in grid.notes)
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{title}{body}\n{notes + chr(10) if notes else ''}"


def _markdown(text: str) -> str:
    escaped = re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", _plain(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown_cell(cell: Cell) -> str:
    text = _markdown(cell.text)
    return f"**{text}**" if cell.marked and text else text


_LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "±": r"$\pm$",
    '"': r"\textquotedbl{}", "[": "{[}", "]": "{]}", "*": "{*}",
}  # fmt: skip


def _latex(text: str) -> str:
    return "".join(_LATEX.get(character, character) for character in _plain(text))


def to_latex(table: Table | TextTable) -> str:
    """Return a `table` environment for `\\usepackage{booktabs}`, T1 fonts; notes below it."""
    grid = _grid(table)
    levels = _levels(grid)
    lines = [_latex_head(level, n == len(levels) - 1, grid) for n, level in enumerate(levels)]
    body = [
        " & ".join([*map(_latex, labels), *map(_latex_cell, row)]) + r" \\"
        for labels, row in zip(grid.labels, grid.rows, strict=True)
    ]
    columns = "".join("l" if left else "r" for left in _left(grid))
    notes = [rf"\par\footnotesize {_latex(note)}" for note in grid.notes]
    caption = [rf"\caption{{{_latex(grid.title)}}}"] if grid.title else []
    return "\n".join(
        [r"\begin{table}", r"\centering", *caption, rf"\begin{{tabular}}{{{columns}}}",
         r"\toprule", *lines, r"\midrule", *body, r"\bottomrule", r"\end{tabular}", *notes,
         r"\end{table}", ""]
    )  # fmt: skip


def _latex_head(level: Sequence[tuple[str, int]], last: bool, grid: TextTable) -> str:
    names = [_latex(name) if last else "" for name in grid.label_names]
    cells = [
        _latex(text) if span == 1 else rf"\multicolumn{{{span}}}{{c}}{{{_latex(text)}}}"
        for text, span in level
    ]
    return " & ".join([*names, *cells]) + r" \\"


def _latex_cell(cell: Cell) -> str:
    return rf"\textbf{{{_latex(cell.text)}}}" if cell.marked else _latex(cell.text)


def to_csv(table: Table) -> str:
    """Return the cells unformatted, one line per cell, numbers in full."""
    return csv_text(table.cells)


def to_text(table: Table | TextTable) -> str:
    """Return the table for a terminal: aligned, marked cells with an asterisk, notes below."""
    from tabulate import tabulate

    grid = _grid(table)
    signs = ("  ", " *") if any(c.marked for row in grid.rows for c in row) else ("", "")
    heads = [*map(_plain, grid.label_names), *("\n".join(map(_plain, h)) for h in grid.headers)]
    rows = [
        [*map(_plain, labels), *(_plain(c.text) + signs[c.marked] for c in row)]
        for labels, row in zip(grid.labels, grid.rows, strict=True)
    ]
    aligned = ["left" if left else "right" for left in _left(grid)]
    body = tabulate(rows, heads, "simple", disable_numparse=True, colalign=aligned if rows else ())
    title = f"{_plain(grid.title)}\n\n" if grid.title else ""
    notes = "".join(f"\n{_plain(note)}" for note in grid.notes)
    return f"{title}{body}\n{notes + chr(10) if notes else ''}"


def _plain(text: str) -> str:
    """Text on one line without control characters, which could steer a terminal."""
    return "".join(
        character if character.isprintable() else repr(character)[1:-1]
        for character in re.sub(r"\s+", " ", text)
    )


RENDERERS: Mapping[str, Callable[[Table], str]] = {
    "html": to_html,
    "markdown": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "text": to_text,
}
