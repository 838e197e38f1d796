"""The dashboard in a real headless Chromium: pages, filters, links, live trials, downloads."""

from __future__ import annotations

import csv
import io
import json
import shutil
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from analysis.dashboard import make_app
from analysis.dashboard.address import Address
from analysis.dashboard.pages import PAGES, PANELS
from analysis.dashboard.plots import panel_table
from analysis.dashboard.watch import Watch
from tests.analysis import synthetic
from tests.analysis.small import curve, record
from trainables.files.latencies import Latency, write_latencies
from trainables.files.notes import STUDY, write_note
from trainables.files.records import StudyFolder
from trainables.vocabulary.schema import METRICS

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs chromium and chromedriver"),
]
HOSTILE = "<script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
WAIT_S = 200.0
"""Long, as other tests may hold all processors; only a fault waits for so long."""


def plot_of(panel: str) -> str:
    """The start of a script: a figure's traces as `data`, none while it is not drawn."""
    plot = f"document.querySelector('#{panel} .js-plotly-plot')"
    return f"const data = ({plot} || {{}}).data || [];"


class Served:
    """A dashboard on a free port of this machine."""

    def __init__(self, *folders: Path, notable: bool = False) -> None:
        self.watch = Watch([str(folder) for folder in folders], notable=notable)
        app = make_app(self.watch, poll_ms=500)
        self._server = make_server("127.0.0.1", 0, app.server, threaded=True)
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Browser:
    """What the tests ask of a browser."""

    def __init__(self, profile: Path) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.options import Options
        from selenium.webdriver.chrome.service import Service

        options = Options()
        options.binary_location = str(CHROMIUM)
        for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900",
                     "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
        self.driver.set_script_timeout(WAIT_S)

    def open(self, address: str) -> None:
        self.driver.get(address)
        self.until("return document.querySelectorAll('main h1').length")
        self.settle()

    def run(self, script: str) -> Any:
        return self.driver.execute_script(script)

    def until(self, script: str, wanted: Callable[[Any], bool] = bool) -> Any:
        """Return what a script gives as soon as it is what is wanted."""
        end, found = time.monotonic() + WAIT_S, None
        while time.monotonic() < end:
            found = self.run(script)
            if wanted(found):
                return found
            time.sleep(0.2)
        raise AssertionError(f"after {WAIT_S} s {script} gives {found!r}")

    def settle(self) -> None:
        """Wait until every figure, table and section of the page is drawn or says why it is not."""
        self.until(
            "const all = (where, ready) => [...document.querySelectorAll(where)].every(ready);"
            "return all('main figure', f => { const p = f.querySelector('.js-plotly-plot');"
            " return p && p.layout"
            "  && (p.data || []).length + (p.layout.annotations || []).length > 0 })"
            " && all('.section', s => s.children.length)"
            " && all('.grid', g => g.querySelector('.ag-row, .ag-overlay'))"
        )

    def until_names(self, panel: str, wanted: Callable[[list[str]], bool]) -> list[str]:
        """Wait until the names of a figure's traces are what is wanted; return them.

        A figure is drawn after its numbers have come, and the page after its address.
        """
        script = f"{plot_of(panel)} return [...new Set(data.map(t => t.name))]"
        return list(self.until(script, wanted))

    def scheme(self, mode: str) -> None:
        """Prefer `light` or `dark`; "" for the browser's own."""
        features = [{"name": "prefers-color-scheme", "value": mode}] if mode else []
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def errors(self) -> list[str]:
        """Console messages that are errors."""
        return [e["message"] for e in self._log("browser") if e["level"] == "SEVERE"]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        """What the browser logged since the last time."""
        return list(self.driver.get_log(kind))  # type: ignore[no-untyped-call]

    def hosts(self) -> set[str]:
        """Hosts that pages asked for anything."""
        events = [json.loads(e["message"])["message"] for e in self._log("performance")]
        sent = [e for e in events if e["method"] == "Network.requestWillBeSent"]
        urls = [e["params"]["request"]["url"] for e in sent]
        return {u.split("/")[2].split(":")[0] for u in urls if u.startswith(("http", "ws"))}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    found = Browser(tmp_path_factory.mktemp("profile"))
    yield found
    found.driver.quit()


@pytest.fixture(scope="module")
def served(schedules_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    discounts = tmp_path_factory.mktemp("discounts")
    synthetic.write(discounts, synthetic.discounts(seeds=(0,)))
    server = Served(schedules_folder, discounts)
    yield server
    server.close()


@pytest.mark.parametrize("path", sorted(PAGES))
def test_every_page_opens_without_error_and_without_another_host(
    browser: Browser, served: Served, path: str
) -> None:
    browser.errors(), browser.hosts()
    trial = served.watch.snapshot.trials["fingerprint"].iloc[0]
    browser.open(f"{served.base}{path}?trial={trial}")
    assert browser.run("return document.querySelector('main h1').textContent") == PAGES[path].title
    assert browser.errors() == []
    assert browser.hosts() == {"127.0.0.1"}


@pytest.mark.parametrize("path", ["/", "/trials", "/trial", "/compare", "/timeline"])
@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_is_wider_than_the_window(
    browser: Browser, served: Served, path: str, width: int
) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    browser.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        trial = served.watch.snapshot.trials["fingerprint"].iloc[0]
        browser.open(f"{served.base}{path}?trial={trial}")
        assert browser.run("return document.documentElement.scrollWidth") <= width
    finally:
        browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_filter_changes_figure_and_table_and_stands_in_the_address(
    browser: Browser, served: Served
) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.open(served.base + "/")
    browser.until_names("accuracy_by_sparsity", lambda names: {"FT", "ALLR"} <= set(names))
    box = browser.driver.find_element("css selector", "[id*='\"schedule\"']")
    box.send_keys(Keys.ENTER)
    browser.until(
        "const found = [...document.querySelectorAll('.dash-dropdown-option')]"
        ".filter(one => one.textContent.trim() === 'ALLR');"
        "if (found.length === 1) found[0].click(); return found.length === 1"
    )
    browser.until("return location.search", lambda text: "schedule=allr" in text)
    browser.until(
        "return document.querySelector('.section table') && "
        "[...document.querySelectorAll('.section tbody th')].map(t => t.textContent).join()",
        lambda text: bool(text) and "FT" not in text,
    )
    browser.until_names("accuracy_by_sparsity", lambda names: bool(names) and "FT" not in names)
    browser.run("window.history.back()")
    browser.until("return document.getElementById('said').textContent", lambda t: "none" in t)
    browser.until_names("accuracy_by_sparsity", lambda names: "FT" in names)


def test_a_link_restores_a_view(browser: Browser, served: Served) -> None:
    search = "?schedule=allr&schedule=llr&sparsity=0.9&metric=val_accuracy&gains.of=llr"
    browser.open(f"{served.base}/schedules{search}")
    browser.until("return document.getElementById('said').textContent", lambda t: " of " in t)
    expected, _ = panel_table(PANELS["gains"], served.watch.snapshot, Address.of(search))
    assert set(expected.frame["rival"]) == {"allr"}
    shown = browser.until(
        "return document.querySelector('#gains .picks').textContent", lambda t: "LLR" in t
    )
    assert "gain of" in shown
    assert browser.run("return location.search").count("schedule=") == 2
    browser.until(
        "return document.querySelector('.filters').textContent",
        lambda text: "validation accuracy" in text and "LLR" in text,
    )


def test_a_csv_download_equals_the_frame(browser: Browser, served: Served) -> None:
    search = "?schedule=allr&schedule=llr"
    browser.open(f"{served.base}/{search}")
    browser.until_names("accuracy_by_budget", lambda names: {"ALLR", "LLR"} <= set(names))
    address = browser.until(
        "return document.querySelector('#accuracy_by_budget a[download]').href",
        lambda text: text.endswith(search),
    )
    with urllib.request.urlopen(address) as answer:
        rows = list(csv.DictReader(io.StringIO(answer.read().decode())))
    table, _ = panel_table(PANELS["accuracy_by_budget"], served.watch.snapshot, Address.of(search))
    assert [float(row["mean"]) for row in rows] == table.frame["mean"].tolist()
    for name in ("allr", "llr"):
        rows_of = table.frame[table.frame["series"] == name].sort_values("x")
        means = rows_of["mean"].tolist()
        assert len(means) > 1
        script = (
            f"{plot_of('accuracy_by_budget')}"
            f" const found = data.find(t => t.name === '{name.upper()}');"
            "return found ? Array.from(found.y._inputArray || found.y) : []"
        )
        drawn = browser.until(script, lambda ys: len(ys) > 1)
        assert drawn == pytest.approx([100 * mean for mean in means])


def test_a_trial_opens_from_the_table_and_shows_its_curve(browser: Browser, served: Served) -> None:
    browser.open(f"{served.base}/trials?schedule=allr&state=done")
    browser.until("return document.querySelectorAll('.ag-row a.internal').length")
    name = browser.run(
        "const a = document.querySelector('.ag-row a.internal'); a.click(); return a.textContent"
    )
    browser.until("return location.pathname", lambda path: path == "/trial")
    browser.settle()
    browser.until("return document.querySelector('.section').textContent", lambda t: name in t)
    browser.until(f"{plot_of('trial_curve')} return data.length", lambda n: n > 2)


def test_new_trials_of_a_running_study_appear(browser: Browser, tmp_path: Path) -> None:
    synthetic.write(tmp_path, synthetic.schedules(seeds=(0,)))
    live = Served(tmp_path)
    try:
        browser.open(live.base + "/")
        told = "return document.querySelector('.tiles dd').textContent"
        browser.until(told, lambda text: text == "36")
        folder = StudyFolder(str(tmp_path))
        for place in range(3):
            folder.write_record(record(f"new{place}", seed=place))
        browser.until(told, lambda text: text == "39")
        browser.until(
            "return document.getElementById('said').textContent", lambda text: "39 trials" in text
        )
    finally:
        live.close()


def write_hostile(folder: StudyFolder) -> None:
    """A folder of another's that has a script wherever a text may stand."""
    raw = synthetic.config(synthetic.Point())
    raw["task"]["model"]["name"] = HOSTILE
    raw["retrain"][HOSTILE] = HOSTILE
    raw["retrain"]["schedule"] = HOSTILE
    metric = {"better": "more", "percent": False, "unit": HOSTILE, "meaning": HOSTILE}
    own = {
        "study": HOSTILE, "config": raw, "stages": [HOSTILE], "layers": {HOSTILE: 0.5},
        "declared": {"metrics": {"harm": metric}, "counts": "images", "loss_unit": HOSTILE},
        "provenance": {HOSTILE: HOSTILE, "host": HOSTILE, "started_at": HOSTILE},
        "origin": {"block": {HOSTILE: HOSTILE}, "block_key": HOSTILE, "number": 0},
    }  # fmt: skip
    numbers = {"val_harm": 0.5, "test_harm": 0.4, "sparsity": 0.9, "epochs": 3.0, HOSTILE: 1.0}
    folder.write_record(record("a", **{**own, "metrics": numbers}))
    folder.write_record(record("c", 2, **{**own, "metrics": {**numbers, "val_harm": 0.6}}))
    folder.write_record(
        record("b", 1, **{**own, "state": "failed", "message": HOSTILE, "metrics": {},
               "error": {"type": HOSTILE, "message": HOSTILE, "traceback": HOSTILE}})
    )  # fmt: skip
    folder.write_curve(
        "a", [{**row, "val_harm": 0.5, HOSTILE: 1.0} for row in curve("retrain", 1, 3)]
    )
    for about in (STUDY, "a", "b"):
        write_note(folder.folder, about, f"note {HOSTILE}", datetime.now(UTC))
    folder.folder.write("study.yaml", f"name: {HOSTILE!r}\nstage_store: {HOSTILE!r}\n".encode())
    folder.folder.write("records/broken.json", HOSTILE.encode())
    folder.folder.write(f"records/{HOSTILE.replace('/', '')}.json", b"{}")
    measured = Latency(
        "a", HOSTILE, HOSTILE, "cpu", HOSTILE, 1, 1, 2.0, 1.9, 2.1, 31, 400000, 15000, 0.1, HOSTILE
    )
    write_latencies(folder.folder, "a", [measured])


@pytest.fixture
def own_numbers() -> Iterator[None]:
    """Numbers that a folder declares are known while a test runs."""
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)


@pytest.mark.usefixtures("own_numbers")
def test_hostile_text_shows_as_text(browser: Browser, tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    write_hostile(folder)
    live = Served(tmp_path)
    browser.driver.get("about:blank")  # the page before asks a server that is closed
    browser.errors(), browser.hosts()
    try:
        for path in PAGES:
            browser.open(f"{live.base}{path}?trial=b&trial=a&metric=val_harm")
            assert browser.run("return window.hacked") is None, path
            tags = "return document.querySelectorAll('main script, img[src=x], b.hostile').length"
            assert browser.run(tags) == 0, path
        browser.open(live.base + "/trial?trial=b")
        shown = browser.until("return document.querySelector('pre').textContent")
        assert "<script>" in shown
        page = browser.run("return document.querySelector('main').textContent")
        assert f"note {HOSTILE}" in page
        assert browser.errors() == []
        assert browser.hosts() == {"127.0.0.1"}
    finally:
        live.close()


def test_boxes_have_names_and_the_page_a_place_in_the_menu(
    browser: Browser, served: Served
) -> None:
    browser.open(served.base + "/")
    browser.until(
        "const boxes = [...document.querySelectorAll('.filters .labelled button')];"
        "return boxes.length >= 7 && boxes.every(b => b.getAttribute('aria-labelledby'))"
    )
    assert browser.run("return document.querySelector('.skip').getAttribute('href')") == "#page"
    browser.until("return document.querySelectorAll('nav a[aria-current=page]').length === 1")


def test_figures_follow_the_colour_scheme(browser: Browser, served: Served) -> None:
    browser.open(served.base + "/")
    paper = (
        "const plot = document.querySelector('.js-plotly-plot');"
        "return plot && plot._fullLayout && plot._fullLayout.paper_bgcolor"
    )
    try:
        for mode, wanted in (("light", "#ffffff"), ("dark", "#14161a"), ("light", "#ffffff")):
            browser.scheme(mode)
            browser.until(f"{paper} === '{wanted}'")
    finally:
        browser.scheme("")


def test_ticks_sort_and_columns_stand_in_the_address(browser: Browser, served: Served) -> None:
    from selenium.webdriver.common.keys import Keys

    browser.errors()
    browser.open(f"{served.base}/trials?state=done&sparsity=0.9")
    boxes = "const boxes = [...document.querySelectorAll('input.tick')];"
    browser.until(f"{boxes} return boxes.length > 3")
    browser.run(f"{boxes} boxes[0].click(); boxes[2].click();")
    wanted = browser.run(f"{boxes} return [boxes[0].dataset.trial, boxes[2].dataset.trial]")
    ticks = "return new URLSearchParams(location.search).getAll('tick')"
    browser.until(ticks, lambda names: names == wanted)
    head = "document.querySelector('.ag-header-cell[col-id=val_accuracy]')"
    browser.until(f"return {head}")
    browser.run(f"{head}.querySelector('.ag-header-cell-label').click()")
    sort = "return new URLSearchParams(location.search).get('trials.sort')"
    browser.until(sort, lambda text: text == "val_accuracy")
    cell = '.ag-row[row-index="0"] [col-id=val_accuracy]'
    first = f"const cell = document.querySelector('{cell}'); return cell ? cell.textContent : ''"
    trials = served.watch.snapshot.chosen(Address.of("?state=done&sparsity=0.9"))
    worst = 100 * trials["val_accuracy"].min()
    browser.until(first, lambda text: bool(text) and abs(float(text) - worst) < 1e-2)

    order = f"const head = {head}; return head ? head.getAttribute('aria-sort') : ''"
    browser.run("history.back()")
    browser.until(order, lambda text: text == "none")
    browser.run("history.forward()")
    browser.until(order, lambda text: text == "ascending")

    browser.open(browser.run("return location.href"))  # the link alone
    browser.until(first, lambda text: bool(text) and abs(float(text) - worst) < 1e-2)
    assert sorted(browser.run(ticks)) == sorted(wanted)
    box = browser.driver.find_element("css selector", ".columns button")
    box.send_keys(Keys.ENTER)
    browser.until(
        "const found = [...document.querySelectorAll('.dash-dropdown-option')]"
        ".filter(one => one.textContent.trim() === 'state');"
        "if (found.length === 1) found[0].click(); return found.length === 1"
    )
    browser.until("return location.search", lambda text: "trials.columns=seed" in text)
    browser.until("return !document.querySelector('.ag-header-cell[col-id=state]')")

    browser.run("document.querySelector('.section a.internal').click()")
    browser.until("return location.pathname", lambda path: path == "/side")
    browser.settle()
    named = "data.filter(t => t.showlegend && t.legendgroup).length"
    browser.until(f"{plot_of('side_curves')} return {named} === 2")
    assert browser.errors() == []


def test_a_note_is_saved_from_the_page(browser: Browser, tmp_path: Path) -> None:
    synthetic.write(tmp_path, synthetic.schedules(seeds=(0,)))
    live = Served(tmp_path, notable=True)
    try:
        name = live.watch.snapshot.trials["fingerprint"].iloc[0]
        browser.open(f"{live.base}/trial?trial={name}")
        box = browser.driver.find_element("css selector", ".note-text textarea")
        box.send_keys(f"{HOSTILE} looks odd")
        browser.run("document.querySelector('.note-text button').click()")
        kept = tmp_path / "notes" / f"{name}.json"
        # The page may be drawn anew for the new note before anybody reads that it is saved.
        message = "return document.querySelector('.note-text span').textContent"
        browser.until(message, lambda text: bool(text) or kept.exists())
        note = json.loads(kept.read_text())
        assert note["text"] == f"{HOSTILE} looks odd"
        browser.open(f"{live.base}/trial?trial={name}")
        text = "return document.querySelector('.note-text textarea').value"
        browser.until(text, lambda value: value.endswith("looks odd"))
        assert browser.run("return window.hacked") is None
    finally:
        live.close()
