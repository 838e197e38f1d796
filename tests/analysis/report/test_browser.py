"""The report in a real browser: no errors, no requests, selectors and schemes that work."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs chromium and chromedriver",
    ),
]

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-unsafe-swiftshader",
         "--disable-background-networking", "--window-size=1280,900")  # fmt: skip
HARMLESS = "GL Driver Message"
"""Chromium notes under software WebGL that reading pixels is slow."""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_script_timeout(200)  # drawing all figures at once, on a machine at work
    yield driver
    driver.quit()


@pytest.fixture
def page(browser: Any, report_file: Path) -> Any:
    browser.get_log("performance")
    browser.get_log("browser")
    emulate(browser, 1280, "light")
    browser.get(report_file.as_uri())
    return browser


def emulate(browser: Any, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def until(browser: Any, script: str) -> Any:
    """The first true answer of a script, or its last after three minutes."""
    for _ in range(720):
        answer = browser.execute_script(script)
        if answer:
            return answer
        time.sleep(0.25)
    return answer


def draw_all(browser: Any) -> None:
    """Draw every figure, as printing does, and return to the screen."""
    for event in ("beforeprint", "afterprint"):
        browser.execute_script(f"window.dispatchEvent(new Event('{event}'))")
    assert until(
        browser,
        "return Array.from(document.querySelectorAll('figure .plot'))"
        ".every(plot => plot.querySelector('.main-svg'))",
    )


def test_every_figure_draws_without_an_error(page: Any) -> None:
    draw_all(page)
    errors = [
        entry for entry in page.get_log("browser")
        if entry["level"] in ("SEVERE", "WARNING") and HARMLESS not in entry["message"]
    ]  # fmt: skip
    assert errors == []
    assert page.title == "digits-schedules"


def test_no_other_host_is_asked(page: Any) -> None:
    draw_all(page)
    asked = [
        message["params"]["request"]["url"]
        for entry in page.get_log("performance")
        if (message := json.loads(entry["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    own = ("file:", "data:", "blob:", "chrome:")
    assert [url for url in asked if not url.startswith(own)] == []
    assert any(url.startswith("file:") for url in asked)


def test_no_button_sends_data(page: Any) -> None:
    draw_all(page)
    buttons = page.execute_script(
        "return Array.from(document.querySelectorAll('.modebar-btn'))"
        ".map(b => b.getAttribute('data-title'))"
    )
    assert buttons
    assert not [b for b in buttons if b and ("share" in b.lower() or "cloud" in b.lower())]


AXIS = (
    "const plot = document.querySelector('#accuracy_by_sparsity .plot');"
    "return plot.layout && plot.layout.yaxis.title.text"
)


def test_selectors_change_the_figure(page: Any) -> None:
    draw_all(page)
    assert until(page, AXIS + " === 'test accuracy (%)'") is True
    page.execute_script(
        "const select = document.querySelector('#accuracy_by_sparsity select');"
        "select.selectedIndex = 1; select.dispatchEvent(new Event('change'))"
    )
    assert until(page, AXIS + " === 'validation accuracy (%)'") is True


def test_a_selector_is_reached_and_used_by_keyboard(page: Any) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    draw_all(page)
    select = page.find_element(By.CSS_SELECTOR, "#accuracy_by_budget select")
    page.execute_script("arguments[0].focus()", select)
    assert page.switch_to.active_element == select
    select.send_keys(Keys.ARROW_DOWN)
    script = (
        "const plot = document.querySelector('#accuracy_by_budget .plot');"
        "return plot.layout.yaxis.title.text === 'validation accuracy (%)'"
    )
    assert until(page, script) is True


@pytest.mark.parametrize(("scheme", "paper"), [("light", "#ffffff"), ("dark", "#14161a")])
def test_figures_follow_the_colour_scheme(page: Any, scheme: str, paper: str) -> None:
    draw_all(page)
    emulate(page, 1280, scheme)
    script = (
        "const plot = document.querySelector('#accuracy_by_sparsity .plot');"
        f"return plot._fullLayout.paper_bgcolor === '{paper}'"
    )
    assert until(page, script) is True


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_width(page: Any, width: int) -> None:
    emulate(page, width, "light")
    draw_all(page)
    fits = f"return document.documentElement.scrollWidth <= {width}"
    assert until(page, fits) is True


def test_nothing_is_cut_on_paper(page: Any) -> None:
    """A4 without its margins is 180 mm, 680 pixels; a window in dark colours prints in light."""
    emulate(page, 1280, "dark")
    page.execute_script("window.dispatchEvent(new Event('beforeprint'))")
    size = {"width": 681, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": "dark"}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": features})
    try:
        wide = (
            "return [...document.querySelectorAll('table, figure .plot .main-svg')].filter(one =>"
            " one.getBoundingClientRect().right > 682).map(one => one.outerHTML.slice(0, 80))"
        )
        assert until(page, "return document.querySelectorAll('.printing table').length > 3")
        assert page.execute_script(wide) == []
        style = "return getComputedStyle(document.body).backgroundColor"
        assert page.execute_script(style) == "rgb(255, 255, 255)"
        paper = "return document.querySelector('.js-plotly-plot')._fullLayout.paper_bgcolor"
        assert page.execute_script(paper) == "#ffffff"
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.execute_script("window.dispatchEvent(new Event('afterprint'))")
