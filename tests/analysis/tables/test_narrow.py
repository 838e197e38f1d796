"""Rows on a terminal: what does not fit is left out, the most needed last."""

from __future__ import annotations

from analysis.tables.layout import TextTable, text_table
from analysis.tables.narrow import narrowed
from analysis.tables.render import to_text
from analysis.tables.results import run_results
from trainables.files.records import StudyFolder

TABLE = text_table(
    "",
    ["fingerprint", "prune.sparsity", "seed", "val_accuracy", "train_s"],
    [["0123456789abcdef", "0.9", "0", "0.97", "12.5"]],
    words=(0,),
)
NEED = ("fingerprint", "seed", "val_accuracy", "prune.sparsity", "train_s")


def widest(table: TextTable) -> int:
    return max(map(len, to_text(table).splitlines()))


def heads(table: TextTable) -> list[str]:
    return ["".join(header) for header in table.headers]


def test_a_table_that_fits_is_left_alone() -> None:
    assert widest(TABLE) == 16 + 16 + 6 + 14 + 9 + 4 * 2 == 69
    assert narrowed(TABLE, 69, NEED) is TABLE


def test_heads_are_broken_before_columns_go() -> None:
    """Broken they take 16, 10, 6, 10 and 8 characters, and four gaps of two."""
    broken = narrowed(TABLE, 68, NEED)
    assert heads(broken) == heads(TABLE) and widest(broken) == 58
    assert broken.headers[1] == ("prune.", "sparsity")
    assert narrowed(TABLE, 58, NEED) == broken
    less = narrowed(TABLE, 57, NEED)
    assert heads(less) == ["fingerprint", "prune.sparsity", "seed", "val_accuracy"]
    assert widest(less) == 48
    # The needed ones stay, in the table's own order; a narrow one behind may still fit.
    assert heads(narrowed(TABLE, 47, NEED)) == ["fingerprint", "seed", "val_accuracy", "train_s"]
    assert heads(narrowed(TABLE, 5, NEED)) == ["fingerprint"]


def test_columns_that_were_asked_for_all_stay() -> None:
    assert heads(narrowed(TABLE, 30)) == heads(TABLE)


def test_results_fit_the_terminal_and_count_what_is_left_out(small: StudyFolder) -> None:
    whole = str(run_results([small.location]))
    for width in (60, 80, 120):
        lines = str(run_results([small.location], width=width)).splitlines()
        assert max(map(len, lines)) <= width
    narrow = str(run_results([small.location], width=60))
    count = [int(text.split("rows; ")[1].split(" more")[0]) for text in (whole, narrow)]
    assert count[1] > count[0]
    assert "fingerprint" in narrow and "\x20\x20\n" not in whole
