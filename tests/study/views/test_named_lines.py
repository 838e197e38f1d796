"""Lines of a name and a text, wrapped below each other."""

from __future__ import annotations

from study.views.named_lines import named_lines

LINES = [("study", "digits (grid)"), ("train examples", "1,293: 0 128, 1 130, 2 128, 3 131, 4 130")]


def test_what_is_said_stands_below_itself() -> None:
    assert named_lines(LINES) == (
        "study           digits (grid)\ntrain examples  1,293: 0 128, 1 130, 2 128, 3 131, 4 130"
    )
    assert named_lines(LINES, 46) == (
        "study           digits (grid)\n"
        "train examples  1,293: 0 128, 1 130, 2 128, 3\n"
        "                131, 4 130"
    )
    assert named_lines(LINES, 56) == named_lines(LINES) == named_lines(LINES, 200)


def test_a_name_with_nothing_to_say_keeps_its_line() -> None:
    assert named_lines([("failed", ""), ("a", "b")], 80) == "failed  \na       b"
