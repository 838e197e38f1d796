"""Colours that stay apart, in every vision and on both papers."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.columns.names import KNOWN_ORDER
from analysis.drawing import theme
from trainables.config.catalog import METHODS
from trainables.formulas.schedules import RETRAIN_SCHEDULES

Floats = NDArray[np.float64]

# Machado, Oliveira and Fernandes 2009, full severity, on linear RGB.
VISIONS = {
    "normal": np.eye(3),
    "protan": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                        [-0.003882, -0.048116, 1.051998]]),
    "deutan": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                        [-0.011820, 0.042940, 0.968881]]),
    "tritan": np.array([[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                        [0.004733, 0.691367, 0.303900]]),
}  # fmt: skip
TO_XYZ = np.array([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
                   [0.0193339, 0.1191920, 0.9503041]])  # fmt: skip


def linear(color: str) -> Floats:
    srgb = np.array([int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: Floats) -> Floats:
    xyz = TO_XYZ @ rgb / np.array([0.95047, 1.0, 1.08883])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def luminance(color: str) -> float:
    return float(TO_XYZ[1] @ linear(color))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize(("palette", "least"), [(theme.SLOTS, 19), (theme.NAMES, 26)])
def test_colours_are_told_apart_in_every_vision(
    vision: str, palette: tuple[theme.Style, ...], least: float
) -> None:
    seen = [lab(np.clip(VISIONS[vision] @ linear(style.color), 0, 1)) for style in palette]
    assert min(float(np.linalg.norm(a - b)) for a, b in combinations(seen, 2)) >= least


def test_a_structure_looks_the_same_in_every_figure() -> None:
    """Where one sparsity has no 2:4, the others were all drawn in other colours."""
    all_of_them = theme.styles(["weights", "filters", "1:4", "2:4"], "prune.structure")
    fewer = theme.styles(["weights", "filters", "1:4", "mine"], "prune.structure")
    assert all(fewer[name] == all_of_them[name] for name in ("weights", "filters", "1:4"))
    assert len(set(fewer.values())) == 4


@pytest.mark.parametrize("mode", theme.MODES)
def test_colours_stand_out_on_the_paper(mode: theme.Mode) -> None:
    paper = theme.SCHEMES[mode].paper
    for style in (*theme.SLOTS, *theme.NAMES, theme.DENSE):
        assert contrast(style.color, paper) >= 2.95, style


@pytest.mark.parametrize("mode", theme.MODES)
def test_text_is_readable(mode: theme.Mode) -> None:
    page = theme.SCHEMES[mode]
    assert contrast(page.ink, page.paper) >= 10
    assert contrast(page.faint, page.paper) >= 4.5
    assert contrast(page.ink, page.hover) >= 7
    assert contrast(page.ink, page.worse) >= 5
    assert contrast(page.ink, page.better) >= 5


def test_every_schedule_and_method_has_a_style_of_its_own() -> None:
    for names in (RETRAIN_SCHEDULES, METHODS):
        given = [theme.STYLES[name] for name in names]
        assert len(set(given)) == len(given)


@pytest.mark.parametrize("column", ["method", "retrain.schedule"])
def test_an_eleventh_name_has_a_style_and_the_others_keep_theirs(column: str) -> None:
    catalog = list(KNOWN_ORDER[column])
    known = theme.catalog_styles(column, catalog)
    for more in (["made_up", *catalog], [*catalog, "made_up", *(f"x{i}" for i in range(30))]):
        grown = theme.catalog_styles(column, more)
        assert {name: grown[name] for name in catalog} == known
        assert len(set(grown.values())) == len(grown)
        assert grown["made_up"].color == theme.SLOTS[0].color
        assert grown["made_up"].dash != theme.SLOTS[0].dash  # told apart where no marker is drawn


def test_there_are_styles_for_any_number_of_series() -> None:
    assert tuple(map(theme.slot, range(10))) == theme.SLOTS
    assert tuple(map(theme.name_style, range(8))) == theme.NAMES
    assert len({theme.slot(i) for i in range(100)}) == 100
    assert len({theme.name_style(i) for i in range(64)}) == 64


def test_styles_differ_in_colour_and_symbol() -> None:
    for palette, n in ((theme.SLOTS, 10), (theme.NAMES, 8)):
        assert len({style.color for style in palette}) == n
        assert len({style.symbol for style in palette}) == n


@pytest.mark.parametrize("column", ["prune.structure", "study", "task.model.name"])
def test_other_names_have_no_schedule_s_colour(column: str) -> None:
    """Filters were orange, which is ALLR; a study that is called ft had the schedule's style."""
    given = theme.styles(["filters", "ft", "heads"], column)
    assert len(set(given.values())) == 3 and set(given.values()) <= set(theme.NAMES)


def test_what_is_missing_leaves_levels_their_scale() -> None:
    given = theme.styles([0.9, None, 0.8], "prune.sparsity")
    assert given[None] == theme.DENSE
    assert [given[0.8], given[0.9]] == theme.shades(2, "prune.sparsity")


def test_styles_do_not_depend_on_order_and_keep_the_named() -> None:
    one = theme.styles(["x", "allr", "y"])
    other = theme.styles(["y", "x", "allr"])
    assert one == other
    assert one["allr"] == theme.STYLES["allr"]
    assert len({style.color for style in one.values()}) == 3


def test_styles_come_in_the_order_of_the_catalog() -> None:
    assert list(theme.styles(["allr", "ft", "llr"], "retrain.schedule")) == ["ft", "llr", "allr"]
    assert list(theme.styles([3, 1, 2])) == [1, 2, 3]


def test_more_values_than_slots_reuse_them() -> None:
    assert len(theme.styles(range(25))) == 25


@pytest.mark.parametrize("mode", theme.MODES)
def test_template_carries_the_page(mode: theme.Mode) -> None:
    layout = theme.template(mode).layout
    assert layout.paper_bgcolor == layout.plot_bgcolor == theme.SCHEMES[mode].paper
    assert layout.font.color == theme.SCHEMES[mode].ink
    page = theme.SCHEMES[mode]
    scale = layout.to_plotly_json()["coloraxis2"]["colorscale"]
    assert [list(stop) for stop in scale] == [[0, page.worse], [0.5, page.paper], [1, page.better]]
    assert theme.template(mode).data.heatmap[0].textfont.color == page.ink


def test_no_button_sends_data_anywhere() -> None:
    assert theme.CONFIG["displaylogo"] is False
    assert theme.CONFIG["showSendToCloud"] is False
    assert theme.CONFIG["plotlyServerURL"] == ""
    assert {"sendDataToCloud", "sendChartToCloud"} <= set(theme.CONFIG["modeBarButtonsToRemove"])


def test_numbers_have_shades_from_low_to_high() -> None:
    few, eleven = theme.styles(range(8)), theme.styles(range(10, -1, -1))
    assert len({style.symbol for style in few.values()}) == 8
    assert list(eleven) == list(range(11))
    assert {style.symbol for style in eleven.values()} == {"circle"}
    assert [eleven[i].color for i in (0, 5, 10)] == [c for _, c in theme.LEVELS["number"]]
    assert len({style.color for style in eleven.values()}) == 11
    words = theme.styles(f"v{i}" for i in range(11))
    assert len(set(words.values())) == 11 and set(theme.NAMES) <= set(words.values())
