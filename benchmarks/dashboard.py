"""How fast the dashboard is in a real browser: first full paint, and a change of a filter.

    python benchmarks/dashboard.py WORK --trials 10000 --epochs 50

WORK is a study folder, made where missing (by make_records.py) and used again. The dashboard runs
as `bimp dashboard` in a process of its own; times start at the request and end when every figure
and table of the page is drawn. Needs Debian's chromium.

Each `first` is of a browser just started, without any cache. It is asked by the DevTools protocol
without following its exceptions, as chromedriver does: then V8 parses Plotly's script several
times more, for traces that nobody sees, which took 0.5 s of 3.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

import websocket
from make_records import write_study

DRAWN = """(() => {
const figures = [...document.querySelectorAll('main figure')];
const plots = figures.map(f => f.querySelector('.js-plotly-plot'));
const grids = [...document.querySelectorAll('.grid')];
return document.querySelectorAll('main h1').length > 0
  && plots.every(p => p && (p.data || []).length + (p.layout.annotations || []).length > 0)
  && grids.every(g => g.querySelector('.ag-row'))
  && [...document.querySelectorAll('.section')].every(s => s.children.length > 0)
  && !window.store.getState().isLoading;
})()"""
SAID = "document.getElementById('said').textContent"
NEXT_FRAME = """new Promise(done => {
requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
})"""
PAGES = ("/", "/schedules", "/trials")
FILTERED = ("/", "/trials")


class Browser:
    """A headless Chromium of 1280 by 900 with a profile of its own, asked by DevTools protocol."""

    def __init__(self, profile: str) -> None:
        self.process = subprocess.Popen(
            ["/usr/bin/chromium", "--headless", "--no-sandbox", "--disable-gpu",
             "--window-size=1280,900", "--disable-background-networking",
             f"--user-data-dir={profile}", "--remote-debugging-port=0",
             "--remote-allow-origins=*", "about:blank"],
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        port = Path(profile, "DevToolsActivePort")
        while not port.exists() or not port.read_text():
            time.sleep(0.1)
        listed = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
        with urllib.request.urlopen(listed) as answer:
            page = next(p for p in json.load(answer) if p["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"])
        time.sleep(1.0)  # what a browser does after its start is not the page's

    def _call(self, method: str, **params: Any) -> Any:
        self.socket.send(json.dumps({"id": 1, "method": method, "params": params}))
        return json.loads(self.socket.recv())["result"]

    def value(self, script: str) -> Any:
        """Return the value of an expression in the page; None while there is none."""
        answer = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        return answer["result"].get("value")

    def open(self, address: str) -> None:
        """Go to an address."""
        self._call("Page.navigate", url=address)

    def end(self) -> None:
        """End the browser, and wait until it has."""
        self.socket.close()
        self.process.terminate()
        self.process.wait()


def started(folder: Path) -> tuple[subprocess.Popen[str], str, float]:
    """Start the dashboard; return its process, its address, and the seconds until it served."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", "from study.cli import main; main()", "dashboard", str(folder),
         "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(r"http://[\d.]+:\d+", line):
            return process, found.group(), time.perf_counter() - begun
    raise RuntimeError("the dashboard ended before it served")


def wait(browser: Browser, script: str, before: Any, limit_s: float = 120.0) -> None:
    """Wait until an expression has a value that is true and another than before."""
    end = time.perf_counter() + limit_s
    while time.perf_counter() < end:
        value = browser.value(script)
        if value and value != before:
            return
        time.sleep(0.02)
    raise TimeoutError(script)


def paint_s(browser: Browser, address: str) -> float:
    """Return the seconds from asking for an address to the whole page drawn."""
    browser.open("about:blank")
    begun = time.perf_counter()
    browser.open(address)
    _settle(browser)
    return time.perf_counter() - begun


def _settle(browser: Browser) -> None:
    wait(browser, DRAWN, False)
    browser.value(NEXT_FRAME)


def filter_s(browser: Browser, key: str, value: str) -> float:
    """Return the seconds from a choice in the bar to every figure changed and drawn.

    The page has changed when the count of trials has, nothing is asked of the server any more, and
    the browser has painted.
    """
    before = browser.value(SAID)
    begun = time.perf_counter()
    browser.value(
        "window.dash_clientside.set_props("
        f"{{kind: 'control', panel: '', key: {json.dumps(key)}}}, {{value: [{json.dumps(value)}]}})"
    )
    wait(browser, SAID, before)
    _settle(browser)
    return time.perf_counter() - begun


def measured(base: str, repeats: int) -> dict[str, Any]:
    """Return medians and all times, in seconds, of every page in browsers just started."""
    times: dict[str, list[float]] = {}
    for repeat in range(repeats):
        for path in PAGES:
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                browser = Browser(profile)
                times.setdefault(f"first paint {path}", []).append(paint_s(browser, base + path))
                times.setdefault(f"again {path}", []).append(paint_s(browser, base + path))
                if path in FILTERED:
                    schedule = ("ft", "slr", "clr")[repeat % 3]
                    changed = filter_s(browser, "schedule", schedule)
                    times.setdefault(f"filter {path}", []).append(changed)
                browser.end()
    return {
        name: {"median": round(statistics.median(found), 2), "all": [round(s, 2) for s in found]}
        for name, found in times.items()
    }


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    if not (asked.work / "study.yaml").exists():
        write_study(str(asked.work), asked.trials, asked.epochs).compact()
    process, base, until_served = started(asked.work)
    try:
        found = {"start_s": round(until_served, 2), **measured(base, asked.repeats)}
        print(json.dumps(found, indent=2))
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
