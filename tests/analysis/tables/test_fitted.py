"""Tables on a terminal: whole where they fit, else one below the other, nothing lost."""

from __future__ import annotations

import re

import pytest

from analysis.tables.content import comparison_table
from analysis.tables.fitted import by_head, fitted
from analysis.tables.layout import lay_out, text_table
from analysis.tables.render import to_text
from tests.analysis.hand_made import grid

TABLE = comparison_table(
    grid(
        {
            (name, sparsity, epochs): [0.5, 0.25]
            for name in ("ft", "llr")
            for sparsity in (0.8, 0.9, 0.95)
            for epochs in (1.0, 3.0)
        },
        "retrain.schedule",
        "prune.sparsity",
        "retrain.epochs",
    )
)


def body(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(("FT", "LLR"))]


def test_a_table_that_fits_is_whole() -> None:
    assert body(fitted(TABLE, 200)) == body(to_text(TABLE))


@pytest.mark.parametrize("width", [109, 80, 60])
def test_a_wide_table_is_split_by_sparsity(width: int) -> None:
    text = fitted(TABLE, width)
    assert max(map(len, text.splitlines())) <= width
    assert len(body(text)) == 3 * 2
    assert [len(re.findall(f"{s} % sparse", text)) for s in (80, 90, 95)] == [2, 2, 2]
    assert text.count("37.50 ± 17.68") == 12
    assert text.count("Mean ± sample standard deviation") == text.count("by schedule") == 1


def test_what_is_still_too_wide_is_split_column_by_column() -> None:
    text = fitted(TABLE, 35)
    assert len(body(text)) == 6 * 2
    assert text.count("37.50 ± 17.68") == 12


def test_a_table_of_many_columns_is_one_table_per_sparsity() -> None:
    """A table of methods at three sparsities was cut on paper, and shrank the page."""
    assert by_head(TABLE, 6) == [lay_out(TABLE)]
    parts = by_head(TABLE, 5)
    assert [part.title.rsplit(", ", 1)[1] for part in parts] == [
        "80 % sparse", "90 % sparse", "95 % sparse",
    ]  # fmt: skip
    assert {part.headers for part in parts} == {(("1 epoch",), ("3 epochs",))}
    assert [bool(part.notes) for part in parts] == [False, False, True]
    assert sum(len(part.rows[0]) for part in parts) == 6


def test_a_table_of_one_header_row_is_split_too() -> None:
    table = text_table("", ["name", "a" * 30, "b" * 30], [["x", "1", "2"]], notes=["A note."])
    text = fitted(table, 40)
    assert text.count("x") == 1 and text.endswith("\n\nA note.\n")
    assert max(map(len, text.splitlines())) <= 40
