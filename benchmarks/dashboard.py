"""How fast the dashboard is in a real browser: first full paint, and a change of a filter.

    python benchmarks/dashboard.py WORK --trials 10000 --epochs 50

WORK is a study folder, made where missing (by make_records.py) and used again. The dashboard runs
as `bimp dashboard` in a process of its own; times start at the request and end when every figure
and table of the page is drawn. Needs Debian's chromium and chromium-driver.
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
from pathlib import Path
from typing import Any

from make_records import write_study

DRAWN = """
const figures = [...document.querySelectorAll('main figure')];
const plots = figures.map(f => f.querySelector('.js-plotly-plot'));
const grids = [...document.querySelectorAll('.grid')];
return document.querySelectorAll('main h1').length > 0
  && plots.every(p => p && (p.data || []).length + (p.layout.annotations || []).length > 0)
  && grids.every(g => g.querySelector('.ag-row'))
  && [...document.querySelectorAll('.section')].every(s => s.children.length > 0);
"""
SAID = "return document.getElementById('said').textContent"
IDLE = "return !window.store.getState().isLoading"
NEXT_FRAME = """
const done = arguments[0];
requestAnimationFrame(() => requestAnimationFrame(() => done(true)));
"""


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


def browser(profile: str) -> Any:
    """Return a headless Chromium of 1280 by 900."""
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    options = Options()
    options.binary_location = "/usr/bin/chromium"
    for flag in ("--headless", "--no-sandbox", "--disable-gpu", "--window-size=1280,900",
                 "--disable-background-networking", f"--user-data-dir={profile}"):  # fmt: skip
        options.add_argument(flag)
    return webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))


def wait(driver: Any, script: str, wanted: Any = True, limit_s: float = 120.0) -> None:
    """Wait until a script gives what is wanted; a function tells by itself."""
    end = time.perf_counter() + limit_s
    while time.perf_counter() < end:
        found = driver.execute_script(script)
        if wanted(found) if callable(wanted) else found == wanted:
            return
        time.sleep(0.02)
    raise TimeoutError(script)


def paint_s(driver: Any, address: str) -> float:
    """Return the seconds from asking for an address to the whole page drawn."""
    driver.get("about:blank")
    begun = time.perf_counter()
    driver.get(address)
    _settle(driver)
    return time.perf_counter() - begun


def _settle(driver: Any) -> None:
    wait(driver, DRAWN)
    wait(driver, IDLE)
    driver.execute_async_script(NEXT_FRAME)


def filter_s(driver: Any, key: str, value: str) -> float:
    """Return the seconds from a choice in the bar to every figure changed and drawn.

    The page has changed when the count of trials has, nothing is asked of the server any more, and
    the browser has painted.
    """
    before = driver.execute_script(SAID)
    begun = time.perf_counter()
    driver.execute_script(
        "window.dash_clientside.set_props("
        f"{{kind: 'control', panel: '', key: {json.dumps(key)}}}, {{value: [{json.dumps(value)}]}})"
    )
    wait(driver, SAID, lambda now: now != before)
    _settle(driver)
    return time.perf_counter() - begun


def main() -> None:
    """Print the measurements as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    if not (asked.work / "study.yaml").exists():
        write_study(str(asked.work), asked.trials, asked.epochs).compact()
    process, base, until_served = started(asked.work)
    try:
        with tempfile.TemporaryDirectory() as profile:
            driver = browser(profile)
            found: dict[str, Any] = {"start_s": until_served}
            for path in ("/", "/trials", "/schedules"):
                times = [paint_s(driver, base + path) for _ in range(asked.repeats)]
                found[f"paint {path}"] = {"first": times[0], "median": statistics.median(times)}
            for path in ("/", "/trials"):
                times = []
                for schedule in ("ft", "slr", "clr")[: asked.repeats]:
                    paint_s(driver, base + path)
                    times.append(filter_s(driver, "schedule", schedule))
                found[f"filter {path}"] = {"first": times[0], "median": statistics.median(times)}
            driver.quit()
        print(json.dumps(found, indent=2, default=lambda number: round(number, 3)))
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
