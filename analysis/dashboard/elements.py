"""The elements that pages are made of. Text is handed over as text, so that it shows as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import dash_ag_grid
from dash import dcc, html

from analysis.answer.sentences import STUDIED, Topic
from analysis.dashboard.address import COLUMNS, METRIC, TICK, Address, token
from analysis.dashboard.facts import Fact
from analysis.dashboard.filters import FILTERS
from analysis.dashboard.pages import PAGES, Page
from analysis.dashboard.plots import Panel
from analysis.drawing import theme
from analysis.panels.picks import Pick
from analysis.tables.layout import Cell, TextTable
from trainables.files.notes import LONGEST

EMPTY_METRIC: Final = "default"


def glued(text: str) -> str:
    """Return text whose numbers keep their sign of per cent and their thousands on one line."""
    return _LOOSE.sub("\N{NO-BREAK SPACE}", text)


_LOOSE: Final = re.compile(r"(?<=\d) (?=%|\d{3}(?!\d))")


def aria(**attributes: str) -> dict[str, Any]:
    """Return attributes for assistive technology: `aria(label="x")` is `aria-label`."""
    return {f"aria-{name}": text for name, text in attributes.items()}


def control_id(panel: Any, key: Any) -> dict[str, Any]:
    """Return the id of what sets a key of the address; `panel` is "" in the filter bar.

    Both may be one of Dash's wildcards.
    """
    return {"kind": "control", "panel": panel, "key": key}


def part_id(kind: str, panel: Any) -> dict[str, Any]:
    """Return the id of one part of a panel or section, or of any (a wildcard)."""
    return {"kind": kind, "panel": panel}


def _data(**attributes: str) -> dict[str, Any]:
    return {f"data-{name}": text for name, text in attributes.items()}


def filter_bar() -> html.Section:
    """Return the bar of filters, still without options."""
    boxes = [_filter(key, one.label, "all") for key, one in FILTERS.items()]
    boxes.append(_filter(METRIC, "Metric", EMPTY_METRIC, multi=False))
    return html.Section(
        [html.H2("Filters", className="unseen"), html.Div(boxes, className="filters")],
        **aria(label="Filters"),
    )


def _filter(key: str, label: str, placeholder: str, multi: bool = True) -> html.Div:
    box = dcc.Dropdown(
        id=control_id("", key), multi=multi, placeholder=placeholder, options=[], maxHeight=320
    )
    return _labelled(label, f"filter-{key}", box)


def _labelled(label: str, name: str, box: dcc.Dropdown, width: str | None = None) -> html.Div:
    """A box under its label; the page's script ties the one to the other."""
    return html.Div(
        [html.Span(label, className="label", id=f"label-{name}"), box],
        className="labelled",
        style={} if width is None else {"width": width},
        **_data(label=label),
    )


def options(choice: Pick) -> list[dict[str, str]]:
    """Return what a choice offers, values as they stand in an address."""
    return [{"value": token(value), "label": text} for value, text in choice.options]


def picks(panel: str, choices: Sequence[Pick]) -> list[html.Div]:
    """Return the choices beside a figure; `panel` is its key."""
    return [
        _labelled(
            choice.label,
            f"{panel}.{choice.name}",
            dcc.Dropdown(
                id=control_id(panel, f"{panel}.{choice.name}"),
                options=options(choice),
                value=token(choice.value),
                clearable=False,
                searchable=len(choice.options) > 12,
                maxHeight=320,
            ),
            f"max(13rem, {5 + max(len(text) for _, text in choice.options)}ch)",
        )
        for choice in choices
    ]


def menu(path: str, address: Address) -> list[html.A]:
    """Return the links to every page, each with the filters as they are."""
    search = address.within([*FILTERS, METRIC, TICK]).search()
    return [
        html.A(
            page.title,
            href=f"{page.path}{search}",
            className="internal",
            **(aria(current="page") if page.path == path else {}),
        )
        for page in PAGES.values()
        if page.listed
    ]


def page(shown: Page) -> list[Any]:
    """Return a page without its data: headings, sections and figures still empty."""
    heading = [html.H1(shown.title), html.P(shown.purpose, className="purpose")]
    above = [section(name) for name in SECTIONS.get(shown.path, ())]
    table = [grid(), section("bests")] if shown.path == "/trials" else []
    return [*heading, *above, *table, *(panel(one) for one in shown.panels)]


SECTIONS: Final = {
    "/": ("answer", "counts", "comparison", "card", "notes"),
    "/compare": ("by_study",),
    "/trial": ("trial", "notes"),
    "/trials": ("ticked",),
    "/side": ("side",),
}
"""What a page says above its figures, by its path."""


def section(name: str) -> html.Div:
    """Return a place for facts, filled when the data is there."""
    return html.Div(id=part_id("section", name), className="section")


def grid() -> html.Div:
    """Return the table of trials, still without rows."""
    theme_of = (
        "themeQuartz.withParams({backgroundColor: 'var(--paper)', foregroundColor: 'var(--ink)',"
        " headerBackgroundColor: 'var(--raised)', borderColor: 'var(--grid)',"
        " accentColor: 'var(--link)', browserColorScheme: 'inherit', fontFamily: 'inherit',"
        " spacing: 6})"
    )
    return html.Div(
        [
            html.Div(id=part_id("columns", "trials"), className="columns"),
            csv_link("trials", kind="table_csv"),
            dcc.Store(id=part_id("grid_state", "trials")),
            dash_ag_grid.AgGrid(
                id=part_id("grid", "trials"),
                rowData=None,
                columnDefs=[],
                # With names of their own rows stay where the reader has scrolled to.
                getRowId="params.data.study + '/' + params.data.fingerprint",
                defaultColDef={"sortable": True, "resizable": True, "wrapHeaderText": True,
                               "autoHeaderHeight": True, "suppressMovable": True},
                dashGridOptions={"theme": {"function": theme_of}, "animateRows": False,
                                 "suppressScrollOnNewData": True,
                                 "enableCellTextSelection": True, "tooltipShowDelay": 300,
                                 "localeText": {"noRowsToShow": "No trial passes the filters."}},
                # In the browser: the sort is written into the address.
                eventListeners={"sortChanged": ["sorted(params)"],
                                "firstDataRendered": ["drawn(params)"]},
                style={"height": "min(70vh, 44rem)", "width": "100%"},
            ),
        ],
        className="grid",
    )  # fmt: skip


def column_choice(offered: Sequence[tuple[str, str]], shown: Sequence[str]) -> html.Div:
    """Return the choice of the table's columns; `offered` are (name, words)."""
    box = dcc.Dropdown(
        id=control_id("trials", COLUMNS),
        options=[{"value": name, "label": text} for name, text in offered],
        value=list(shown),
        multi=True,
        placeholder="those that differ",
        maxHeight=320,
    )
    return _labelled("Columns", COLUMNS, box)


def copyable(lines: Sequence[str], name: str) -> html.Div:
    """Return lines for a shell, with a button that copies them; `name` tells several apart."""
    text = "\n".join(lines)
    copy = dcc.Clipboard(content=text, title="copy", className="copy", id=part_id("copy", name))
    return html.Div([html.Pre(text, tabIndex=0), copy], className="copyable")


def note_form(name: str, title: str, text: str, writable: bool) -> html.Section:
    """Return a note, to be written where the reader may; `name` says what it is on."""
    if not writable:
        shown = [html.P(line) for line in text.splitlines()]
        return html.Section([html.H2(title), *shown], className="note-text", hidden=not text)
    box = dcc.Textarea(
        id=part_id("note_text", name), value=text, persistence=True, persistence_type="session",
        placeholder="What you want to remember of it.", maxLength=LONGEST,
    )  # fmt: skip
    save = html.Button("Save note", id=part_id("note_save", name), className="button")
    message = html.Span(id=part_id("note_message", name), role="status")
    label = html.Label([html.H2(title), box])
    return html.Section([label, html.Div([save, message])], className="note-text")


def panel(one: Panel) -> html.Figure:
    """Return a figure's place: title, question, choices, drawing, notes, and its data as CSV."""
    return html.Figure(
        [
            html.Figcaption(
                [html.H2(one.figure.title), html.P(one.figure.question, className="question")]
            ),
            html.Div(id=part_id("picks", one.key), className="picks"),
            html.P(id=part_id("subtitle", one.key), className="subtitle"),
            dcc.Store(id=part_id("drawing", one.key)),
            html.Div(
                dcc.Graph(
                    id=part_id("graph", one.key), config=_CONFIG, figure=_WAITING,
                    responsive=True, style={"height": "300px"},
                ),
                className="plot",
                role="group",
                **aria(label=one.figure.title),
            ),
            html.Ul(id=part_id("notes", one.key), className="notes"),
            csv_link(one.key),
        ],
        id=one.key,
        className="panel",
    )  # fmt: skip


_CONFIG: Final[Any] = dict(theme.CONFIG)
_WAITING: Final[Any] = {
    "data": [],
    "layout": {
        "xaxis": {"visible": False}, "yaxis": {"visible": False},
        "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)",
    },
}  # fmt: skip


def csv_link(name: str, kind: str = "csv") -> html.A:
    """Return the link that downloads a figure's or table's data."""
    return html.A(
        "Download data (CSV)",
        id=part_id(kind, name),
        href=f"/data/{name}.csv",
        className="button",
        download=f"{name}.csv",
    )


def answer(topics: Sequence[Topic]) -> html.Div:
    """Return what a study answers: what was studied, then each question with its sentences."""
    first = [html.P(glued(t)) for one in topics if one.title == STUDIED for t in one.sentences]
    rest = [
        html.Div([html.H3(one.title), html.Ul([html.Li(glued(text)) for text in one.sentences])])
        for one in topics
        if one.title != STUDIED
    ]
    return html.Div([html.H2("Answer"), *first, *rest], className="answer")


def tiles(facts: Sequence[Fact]) -> html.Dl:
    """Return facts as large numbers side by side."""
    return html.Dl(_pairs(facts), className="tiles")


def _pairs(facts: Sequence[Fact]) -> list[html.Div]:
    return [html.Div([html.Dt(one.label), html.Dd(glued(one.value))]) for one in facts]


def listing(title: str, facts: Sequence[Fact]) -> html.Section:
    """Return facts as a list under a heading; no element where there is none."""
    return html.Section(
        [html.H2(title), html.Dl(_pairs(facts), className="facts")], hidden=not facts
    )


def table(grid: TextTable, links: Sequence[str] = ()) -> html.Div:
    """Return a table laid out, marked cells told apart, its notes below.

    `links` has one address per row, which the row's first cell leads to.
    """
    levels = len(grid.headers[0]) if grid.headers else 1
    kinds = ["" if column in grid.words else "number" for column in range(len(grid.headers))]
    head = [
        html.Tr(
            [html.Th(n if level == levels - 1 else "", scope="col") for n in grid.label_names]
            + [
                html.Th(glued(header[level]), scope="col", className=kind)
                for header, kind in zip(grid.headers, kinds, strict=True)
            ]
        )
        for level in range(levels)
    ]
    body = [
        html.Tr([html.Th(text, scope="row") for text in labels] + _cells(grid, cells, kinds))
        for labels, cells in zip(grid.labels, grid.rows, strict=True)
    ]
    for line, address in zip(body, links, strict=False):
        first = line.children[0]
        first.children = html.A(first.children, href=address, className="internal")
    caption = [html.Caption(html.Span(grid.title))] if grid.title else []
    look = "" if grid.label_names else "named"
    content = html.Table([*caption, html.Thead(head), html.Tbody(body)], className=look)
    notes = [html.Ul([html.Li(glued(note)) for note in grid.notes], className="notes")]
    scroll = html.Div(content, className="scroll", tabIndex=0)
    return html.Div([scroll, *(notes if grid.notes else [])])


def _cells(grid: TextTable, cells: Sequence[Cell], kinds: Sequence[str]) -> list[Any]:
    """The cells of one row; the first is the row's name where words stand there and no label."""
    made: list[Any] = [
        html.Td(glued(cell.text), className=f"{kind} marked" if cell.marked else kind)
        for cell, kind in zip(cells, kinds, strict=True)
    ]
    if made and not grid.label_names and 0 in grid.words:
        made[0] = html.Th(made[0].children, scope="row")
    return made
