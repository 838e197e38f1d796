"""The Dash application: its layout, and the callbacks from the address to what is shown.

Controls write the address (in the browser, `assets/dashboard.js`), and everything that is shown is
made from the address: so there is no state but the link.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any, Final

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, html, no_update
from flask import abort

from analysis.dashboard import document, elements, facts, grid
from analysis.dashboard.address import COLUMNS, METRIC, SORT, Address, token
from analysis.dashboard.filters import FILTERS, metric_options
from analysis.dashboard.pages import PANELS, page_of
from analysis.dashboard.plots import plot_of
from analysis.dashboard.routes import add_routes
from analysis.dashboard.sections import FOLLOWED, SECTIONS
from analysis.dashboard.watch import Snapshot, Watch
from trainables.vocabulary.wording import counted

ASSETS: Final = Path(__file__).parent / "assets"
POLL_MS: Final = 3_000

_ADDRESS: Final = Input("address", "search")
_VERSION: Final = Input("version", "data")
_SCRIPT: Final = "dashboard"


def make_app(watch: Watch, poll_ms: int = POLL_MS) -> Dash:
    """Return the application over watched folders; its `server` is a WSGI application."""
    app = Dash(
        "bimp-study",
        assets_folder=str(ASSETS),
        serve_locally=True,
        use_pages=False,
        suppress_callback_exceptions=True,
        update_title="",
        title="bimp dashboard",
        index_string=document.index(),
        add_log_handler=False,
        enable_mcp=False,
    )
    app.layout = lambda: document.layout(watch.snapshot.version, poll_ms)
    _add_scripts(app)
    _add_page(app)
    _add_bar(app, watch)
    _add_panels(app, watch)
    _add_sections(app, watch)
    _add_grid(app, watch)
    _add_notes(app, watch)
    _add_polling(app, watch)
    add_routes(app.server, watch)
    return app


def _add_scripts(app: Dash) -> None:
    """Callbacks that run in the browser."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_SCRIPT, "write"),
        Input(elements.control_id(ALL, ALL), "value"),
        prevent_initial_call=True,
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_SCRIPT, "scheme"), Output("scheme", "data"), Input("tick", "id")
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        ClientsideFunction(_SCRIPT, "draw"),
        Output(elements.part_id("graph", MATCH), "figure"),
        Output(elements.part_id("graph", MATCH), "style"),
        Input(elements.part_id("drawing", MATCH), "data"),
        Input("scheme", "data"),
        State("templates", "data"),
    )


def _add_page(app: Dash) -> None:
    @app.callback(Output("page", "children"), Input("address", "pathname"))
    def show_page(path: str) -> list[Any]:
        page = page_of(_text(path))
        if page is None:
            where = f"There is no page {path}. The menu above lists all pages."
            return [html.H1("No such page"), html.P(where, className="empty")]
        return elements.page(page)


_BAR: Final = (*FILTERS, METRIC)


def _add_bar(app: Dash, watch: Watch) -> None:
    """Menu, filters, counts and warnings."""

    @app.callback(
        *(Output(elements.control_id("", key), "options") for key in _BAR),
        *(Output(elements.control_id("", key), "value") for key in _BAR),
        Output("menu", "children"),
        Output("studies", "children"),
        Output("said", "children"),
        Output("warnings", "children"),
        _ADDRESS,
        _VERSION,
        Input("address", "pathname"),
        *(State(elements.control_id("", key), "options") for key in _BAR),
        *(State(elements.control_id("", key), "value") for key in _BAR),
    )
    def show_bar(search: str, _: str, path: str, *before: Any) -> tuple[Any, ...]:
        snapshot, address = watch.snapshot, _address(search)
        options = [snapshot.filters.offered(key, address) for key in FILTERS]
        options.append(metric_options(snapshot.trials))
        values = [list(address.all(key)) for key in FILTERS] + [address.one(METRIC)]
        return (
            *_changed([*options, *values], before),
            elements.menu(_text(path), address),
            _studies(snapshot),
            _count(snapshot, address, path),
            _warnings(snapshot),
        )


def _changed(wanted: list[Any], before: tuple[Any, ...]) -> list[Any]:
    """What differs from before; what does not is left alone, so that an open list stays open."""
    return [
        no_update if (new or None) == (old or None) else new
        for new, old in zip(wanted, before, strict=True)
    ]


def _studies(snapshot: Snapshot) -> str:
    names = sorted(set(snapshot.trials["study"]))
    return ", ".join(names) or "no trial yet"


def _count(snapshot: Snapshot, address: Address, path: str) -> list[Any]:
    """How many trials the filters let through, and a link that clears them."""
    n, chosen = len(snapshot.trials), int(snapshot.filters.keep(address).sum())
    if not any(address.all(key) for key in _BAR):
        return [f"{counted(n, 'trial')}, none filtered out."]
    kept = Address({k: v for k, v in address.values.items() if k not in _BAR})
    clear = html.A("Clear all filters", href=f"{path}{kept.search()}", className="internal")
    return [f"{chosen} of {counted(n, 'trial')} shown. ", clear]


def _warnings(snapshot: Snapshot) -> list[Any]:
    if not snapshot.warnings:
        return []
    items = [html.Li(text) for text in snapshot.warnings]
    title = f"{counted(len(items), 'warning')} about what was read"
    return [html.Details([html.Summary(title), html.Ul(items)], open=len(items) < 4)]


def _add_panels(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output(elements.part_id("drawing", MATCH), "data"),
        Output(elements.part_id("picks", MATCH), "children"),
        Output(elements.part_id("subtitle", MATCH), "children"),
        Output(elements.part_id("notes", MATCH), "children"),
        Output(elements.part_id("csv", MATCH), "href"),
        Output(elements.part_id("csv", MATCH), "hidden"),
        _ADDRESS,
        _VERSION,
        State(elements.part_id("drawing", MATCH), "id"),
        State(elements.control_id(MATCH, ALL), "options"),
        State(elements.control_id(MATCH, ALL), "value"),
    )
    def show_panel(
        search: str, _: str, part: dict[str, str], options: list[Any], values: list[Any]
    ) -> tuple[Any, ...]:
        panel = PANELS[_name(part, PANELS)]
        address = panel.address(_address(search))
        shown = plot_of(panel, watch.snapshot, address)
        drawing, picks = shown.drawing, shown.picks
        wanted = [elements.options(pick) for pick in picks]
        same = (wanted, [token(pick.value) for pick in picks]) == (options, values)
        return (
            {"data": drawing.data, "layout": drawing.layout, "height": drawing.height},
            no_update if same else elements.picks(panel.key, picks),
            elements.glued(drawing.subtitle),
            [html.Li(elements.glued(note)) for note in drawing.notes],
            f"/data/{panel.key}.csv{address.search()}",
            not shown.rows,
        )


def _add_sections(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output(elements.part_id("section", MATCH), "children"),
        _ADDRESS,
        _VERSION,
        State(elements.part_id("section", MATCH), "id"),
    )
    def show_section(search: str, _: str, part: dict[str, str]) -> list[Any]:
        name = _name(part, SECTIONS)
        address = _address(search).within([*_BAR, *FOLLOWED[name]])
        snapshot = watch.snapshot
        return snapshot.cache.get(
            ("section", name, address.key), lambda: SECTIONS[name](snapshot, address)
        )


def _add_grid(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output(elements.part_id("grid", "trials"), "columnDefs"),
        Output(elements.part_id("grid", "trials"), "rowData"),
        Output(elements.part_id("table_csv", "trials"), "href"),
        Output(elements.part_id("columns", "trials"), "children"),
        Output(elements.part_id("grid_state", "trials"), "data"),
        _ADDRESS,
        _VERSION,
        State(elements.part_id("grid", "trials"), "columnDefs"),
        State(elements.part_id("grid_state", "trials"), "data"),
    )
    def show_grid(
        search: str, version: str, drawn_columns: list[dict[str, Any]], before: str | None
    ) -> tuple[Any, ...]:
        whole = _address(search)
        address = whole.within([*_BAR, COLUMNS])
        state = f"{version} {address.search()}"
        if state == before:  # a tick, or what the reader has sorted by: the grid knows it
            return (no_update,) * 5
        snapshot = watch.snapshot
        trials = grid.with_notes(snapshot.chosen(address), snapshot.notes)
        columns = grid.columns_of(trials, address)
        rows = grid.rows_of(trials, columns)
        wanted = grid.column_defs(trials, columns, grid.sorted_by(whole.within([SORT])))
        # Equal columns are not sent again: the reader may have made them wider.
        defs = no_update if wanted == drawn_columns else wanted
        offered = grid.offered_columns(grid.with_notes(snapshot.trials, snapshot.notes))
        choice = elements.column_choice(offered, columns[1:])
        return defs, rows, f"/data/trials.csv{address.within(_BAR).search()}", choice, state


def _text(value: Any) -> str:
    """What stands for text in a request, which anybody may have sent."""
    if not isinstance(value, str | None):
        abort(400)
    return value or ""


def _address(search: Any) -> Address:
    return Address.of(_text(search))


def _name(part: Any, known: Container[str] | None = None) -> str:
    """The name of a part of the page, one of those that are known."""
    name = part.get("panel") if isinstance(part, Mapping) else None
    if not isinstance(name, str) or (known is not None and name not in known):
        abort(400)
    return name


def _add_notes(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output(elements.part_id("note_message", MATCH), "children"),
        Input(elements.part_id("note_save", MATCH), "n_clicks"),
        State(elements.part_id("note_text", MATCH), "value"),
        State(elements.part_id("note_text", MATCH), "id"),
        prevent_initial_call=True,
    )
    def save_note(clicks: int | None, text: str | None, part: dict[str, str]) -> Any:
        if not clicks:
            return no_update
        study, _, about = _name(part).rpartition("/")
        return watch.note(study, about, _text(text))


def _add_polling(app: Dash, watch: Watch) -> None:
    @app.callback(
        Output("version", "data"),
        Output("running", "children"),
        Input("tick", "n_intervals"),
        State("version", "data"),
        State("running", "children"),
    )
    def poll(_: int | None, version: str, before: str | None) -> tuple[Any, Any]:
        """Read again where something changed, and say what runs; the same answer is not sent."""
        newest = watch.refresh().version
        running = " ".join(facts.run_words(watch.runs()))
        return (
            no_update if newest == version else newest,
            no_update if running == before else running,
        )
