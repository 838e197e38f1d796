"""One palette means one thing: names, sparsities, budgets and other numbers share no colour."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
import pytest

from analysis.drawing import theme
from tests.analysis.drawing.test_theme import VISIONS, contrast, lab, linear

SCALES = {"sparsity": "prune.sparsity", "budget": "retrain.epochs", "number": "prune.cycles"}


def colors(kind: str, n: int = 6) -> list[str]:
    return [style.color for style in theme.styles(range(n), SCALES[kind]).values()]


def distance(one: str, other: str, vision: str = "normal") -> float:
    seen = (lab(np.clip(VISIONS[vision] @ linear(color), 0, 1)) for color in (one, other))
    first, second = seen
    return float(np.linalg.norm(first - second))


def test_orange_is_allr_and_no_sparsity_nor_budget() -> None:
    """It was allr, 80 % and one epoch at once."""
    assert theme.STYLES["allr"].color == "#db7900"
    for kind in SCALES:
        assert all("#db7900" not in colors(kind, n) for n in range(1, 12))


def test_scales_and_slots_keep_their_distance() -> None:
    slots = [style.color for style in (*theme.SLOTS, theme.DENSE)]
    names = [style.color for style in theme.NAMES]
    groups = [slots, names, *(colors(kind) for kind in SCALES)]
    for one, other in combinations(groups, 2):
        assert min(distance(a, b) for a in one for b in other) > 12


@pytest.mark.parametrize("kind", SCALES)
@pytest.mark.parametrize("vision", VISIONS)
def test_neighbours_on_a_scale_are_told_apart_in_every_vision(kind: str, vision: str) -> None:
    levels = colors(kind)
    assert min(distance(a, b, vision) for a, b in pairwise(levels)) > 8


@pytest.mark.parametrize("mode", theme.MODES)
def test_levels_stand_out_on_the_paper(mode: theme.Mode) -> None:
    paper = theme.SCHEMES[mode].paper
    assert min(contrast(c, paper) for kind in SCALES for c in colors(kind, 11)) >= 2.95


def test_places_have_the_colour_of_what_tells_them_apart() -> None:
    by_sparsity = theme.styles([0.8, 0.9], "prune.sparsity")
    by_budget = theme.styles([1.0, 3.0], "retrain.epochs")
    assert theme.place_styles([(0.8, 3.0), (0.9, 3.0)]) == list(by_sparsity.values())
    assert theme.place_styles([(None, 1.0), (None, 3.0)]) == list(by_budget.values())
    both = theme.place_styles([(0.8, 1.0), (0.8, 3.0), (0.9, 1.0)])
    assert [style.color for style in both] == [
        by_sparsity[0.8].color, by_sparsity[0.8].color, by_sparsity[0.9].color,
    ]  # fmt: skip
    assert [style.dash for style in both] == [
        by_budget[1.0].dash, by_budget[3.0].dash, by_budget[1.0].dash,
    ]  # fmt: skip
    assert theme.place_styles([(None, None)] * 2) == theme.shades(2)
