"""CSV for spreadsheets: text that begins a formula stays text, numbers stay numbers."""

from __future__ import annotations

from io import StringIO

import pandas as pd

from analysis.columns.spreadsheet import csv_text


def test_text_that_begins_a_formula_is_marked() -> None:
    frame = pd.DataFrame(
        {
            "study": ["=1+1", "+cmd", "-x", "@sum", "plain", None],
            "value": [-1.5, 0.1, float("nan"), 1e-20, 3, 4],
            "number as text": ["-1.5", "+2", "1e3", "", "a=b", "5"],
        }
    )
    assert csv_text(frame).split("\n") == [
        "study,value,number as text",
        "'=1+1,-1.5,-1.5",
        "'+cmd,0.1,+2",
        "'-x,,1e3",
        "'@sum,1e-20,",
        "plain,3.0,a=b",
        ",4.0,5",
        "",
    ]


def test_headings_too_and_empty_frames() -> None:
    assert csv_text(pd.DataFrame({"=a": [1]})) == "'=a\n1\n"
    assert csv_text(pd.DataFrame({"a": []})) == "a\n"


def test_numbers_keep_their_last_bit() -> None:
    exact = 0.1 + 0.2
    assert pd.read_csv(StringIO(csv_text(pd.DataFrame({"a": [exact]}))))["a"][0] == exact
