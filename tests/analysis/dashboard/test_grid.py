"""The table of trials while a study runs."""

from __future__ import annotations

from analysis.columns.names import KEYS
from analysis.dashboard import elements
from analysis.dashboard.grid import rows_of
from tests.analysis.hand_made import trials


def test_an_update_of_the_table_leaves_the_reader_where_they_are() -> None:
    shown = elements.grid().children[1]
    assert shown.getRowId == "params.data.study + '/' + params.data.fingerprint"
    assert shown.dashGridOptions["suppressScrollOnNewData"] is True


def test_every_row_holds_what_its_name_is_made_of() -> None:
    (row,) = rows_of(trials({}), ["state", "seed"])
    assert set(KEYS) <= set(row)
