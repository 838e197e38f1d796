"""What the figures are drawn on: layout, blanks, axes, legends."""

from __future__ import annotations

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.drawing import axes, canvas, untitled


@given(st.text())
def test_markup_holds_no_tag_but_line_breaks(text: str) -> None:
    markup = canvas.markup(text)
    assert "<" not in markup.replace("<br>", "")
    assert untitled.unmarked(canvas.markup("a < b\n&amp;")) == "a < b &amp;"


def test_whatever_is_text_of_a_trace_is_marked_up() -> None:
    trace = canvas.scatter(1, "<b>", ["<i>\nx"], "<u>")
    assert (trace.name, trace.legendgroup) == ("&lt;b&gt;", "&lt;u&gt;")
    assert (list(trace.hovertext), trace.hoverinfo) == (["&lt;i&gt;<br>x"], "text")
    assert (canvas.scatter(1).hoverinfo, canvas.scatter(1).name) == ("skip", None)
    assert axes.column_axis("<x>")["title"] == {"text": "&lt;x&gt; (as configured)"}


def test_scatter_changes_to_webgl_beyond_the_limit() -> None:
    assert isinstance(canvas.scatter(15_000), go.Scatter)
    assert isinstance(canvas.scatter(15_001), go.Scattergl)


def test_a_blank_figure_says_why() -> None:
    figure = canvas.blank("Title", ["Nothing was recorded."])
    assert not figure.data
    assert figure.layout.annotations[0].text == "Nothing was recorded."


def test_sparsities_are_spaced_by_compression() -> None:
    axis = axes.sparsity_axis([0.9, 0.8, 0.9])
    assert axis["type"] == "log"
    assert axis["tickvals"] == pytest.approx([5.0, 10.0])
    assert axis["ticktext"] == ["80", "90"]


def test_of_sparsities_that_crowd_some_have_a_tick() -> None:
    axis = axes.sparsity_axis([0.5, 0.9, 0.98, 0.9801, 0.9802, 0.99])
    assert axis["ticktext"] == ["50", "90", "98", "99"]
    common = axes.sparsity_axis([0.48, 0.5, 0.5, 0.75, 0.75, 0.745])
    assert common["ticktext"] == ["50", "75"]  # what most have reached, and not what few have
    near_the_last = axes.sparsity_axis([0.5, 0.9, 0.9899, 0.99])
    assert near_the_last["ticktext"] == ["50", "90", "99"]


def named_points(n: int) -> go.Figure:
    figure = canvas.canvas("Title", subtitle="90 % <sparse>")
    for i in range(n):
        figure.add_scatter(x=[i], y=[i], name=f"{i}")
    return figure


def test_a_legend_of_many_names_a_few_and_says_so() -> None:
    few, many = named_points(12), named_points(15)
    canvas.brief_legend(few)
    canvas.brief_legend(many)
    assert all(trace.showlegend is None for trace in few.data)
    assert [t.name for t in many.data if t.showlegend] == [
        "0", "2", "4", "6", "8", "10", "12", "14",
    ]  # fmt: skip
    assert many.layout.legend.title.text == "8 of 15:"


def test_ratios_that_span_much_have_a_logarithmic_axis() -> None:
    assert axes.ratio_axis([5.0, 99.0]) == {}
    assert axes.ratio_axis([0.0, 99.0]) == {}
    axis = axes.ratio_axis([5.0, 100.0])
    assert axis["type"] == "log"
    assert axis["ticktext"][:7] == ["1", "2", "5", "10", "20", "50", "100"]
    assert axis["tickvals"][:7] == pytest.approx([1, 2, 5, 10, 20, 50, 100])


def test_a_page_has_the_title_as_text_and_room_for_a_legend() -> None:
    one, two = untitled.untitled(named_points(1)), untitled.untitled(named_points(2))
    assert (one.subtitle, one.reason, one.height) == ("90 % <sparse>", "", 460 - untitled.TITLE)
    assert not {"title", "template"} & set(one.layout)
    assert one.layout["margin"]["b"] < untitled.LEGEND == two.layout["margin"]["b"]
    asked = named_points(1)
    asked.data[0].showlegend = True
    assert untitled.untitled(asked).layout["margin"]["b"] == untitled.LEGEND
    assert untitled.untitled(asked.update_layout(showlegend=False)).layout["margin"]["b"] == 60
    assert untitled.untitled(canvas.blank("Title", ["All of a < b"])).reason == "All of a < b"
