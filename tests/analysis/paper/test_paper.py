"""One figure as a file: what may be wished for, how it stands on a page, and every kind of file."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import plotly.graph_objects as go
import pytest

from analysis.drawing.canvas import NAME
from analysis.drawing.theme import DENSE, STYLES
from analysis.figures import FIGURES, source_frame
from analysis.frames.study_frames import read
from analysis.paper.drawn import drawn
from analysis.paper.files import rendered
from analysis.paper.style import GREYS, Page, on_page
from analysis.paper.wishes import controls, figure_named


def test_a_figure_that_is_nearly_named_is_named() -> None:
    assert figure_named("pareto") is FIGURES["pareto"]
    with pytest.raises(ValueError, match="got 'paretto'; did you mean pareto"):
        figure_named("paretto")


def test_wishes_are_matched_with_what_is_offered(schedules_folder: Path) -> None:
    study = read(str(schedules_folder))
    lines = FIGURES["accuracy_by_sparsity"]
    frame = source_frame(study, lines.source)
    chosen = controls(lines, frame, {"metric": "val_accuracy"}, ["retrain.epochs=3"])
    assert chosen["metric"] == "val_accuracy"
    assert chosen["at"] == {"retrain.epochs": 3.0}


@pytest.mark.parametrize(
    ("texts", "at", "message"),
    [
        ({"x": "dense.lr"}, [], "--x must be a choice of the figure accuracy_by_sparsity, which has"
         " --metric, --view, --by, --at, got 'dense.lr'"),
        ({"metric": "beauty"}, [], r"--metric must be one of test_accuracy, .*, got 'beauty'"),
        ({}, ["retrain.epochs"], r"--at must be column=value .*\(retrain.epochs\), got"),
        ({}, ["seed=0"], r"--at must be column=value .*\(retrain.epochs\), got 'seed=0'"),
        ({}, ["retrain.epochs=7"], r"--at retrain.epochs= must be one of .*, got '7'"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_refused(
    schedules_folder: Path, texts: dict[str, str], at: list[str], message: str
) -> None:
    lines = FIGURES["accuracy_by_sparsity"]
    frame = source_frame(read(str(schedules_folder)), lines.source)
    with pytest.raises(ValueError, match=message):
        controls(lines, frame, texts, at)


def test_nothing_to_show_says_why(schedules_folder: Path) -> None:
    with pytest.raises(ValueError, match="got nothing: No trial comes from a search"):
        drawn([str(schedules_folder)], "history", {}, [], Page())


def test_a_column_of_a_paper_has_finer_marks_and_no_names_of_points() -> None:
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2], marker={"size": [9, 18]}))
    figure.add_annotation(text="discount d 0.3", name=NAME, x=1, y=1)
    figure.add_annotation(text="missing", x=1, y=1)
    figure.update_yaxes(range=(0, 100), title="validation accuracy (%, more is better)")
    narrow = on_page(figure, Page(width=8.4))
    assert list(narrow.data[0].marker.size) == pytest.approx([5, 10])
    assert [note.text for note in narrow.layout.annotations] == ["missing"]
    assert narrow.layout.yaxis.range is None
    assert narrow.layout.yaxis.title.text == "validation accuracy<br>(%, more is better)"
    wide = on_page(figure, Page(width=16))
    assert len(wide.layout.annotations) == 2 and wide.layout.yaxis.range == (0, 100)


def test_a_page_has_its_size_in_centimetres() -> None:
    """96 pixels are an inch: 12.7 cm are 480, 6.35 cm are 240."""
    figure = on_page(go.Figure(), Page(width=12.7, height=6.35, size=9, font="serif"))
    assert figure.layout.width == pytest.approx(480)
    assert figure.layout.height == pytest.approx(240)
    assert figure.layout.font.size == 12
    assert "Times" in figure.layout.font.family
    for width in (1.9, 101):
        with pytest.raises(ValueError, match=f"--width must be within 2 and 100 cm, got {width:g}"):
            on_page(go.Figure(), Page(width=width))


def test_greys_keep_series_apart_and_references_grey() -> None:
    figure = go.Figure(
        [
            go.Scatter(y=[1], mode="lines", line={"color": STYLES[name].color, "dash": "dot"})
            for name in ("allr", "llr", "allr")
        ]
        + [go.Scatter(y=[1], mode="lines", line={"color": DENSE.color})]
    )
    mono = on_page(figure, Page(mono=True))
    assert [t.line.color for t in mono.data] == [GREYS[0], GREYS[1], GREYS[0], DENSE.color]
    assert [t.line.dash for t in mono.data[:3]] == ["dot"] * 3
    assert figure.data[0].line.color == STYLES["allr"].color, "the figure given is left alone"


def test_every_figure_of_a_study_has_no_colour_left_in_greys(schedules_folder: Path) -> None:
    study = read(str(schedules_folder))
    for name in ("accuracy_by_sparsity", "gains", "paired_seeds", "ranks", "cost"):
        frame = source_frame(study, FIGURES[name].source)
        mono = on_page(FIGURES[name].draw(frame), Page(mono=True))
        drawn_data = json.dumps(json.loads(mono.to_json())["data"])
        used = set(re.findall(r"#[0-9a-f]{6}", drawn_data))
        assert {c for c in used if len({c[1:3], c[3:5], c[5:7]}) > 1} == set(), name


def test_html_and_json_are_whole(schedules_folder: Path) -> None:
    figure, notes = drawn([str(schedules_folder)], "accuracy_by_sparsity", {}, [], Page())
    assert any("95 % intervals" in note for note in notes)
    assert figure.layout.title.text is None
    page = rendered(figure, "html").decode()
    assert "<script src=" not in page, "the page opens offline"
    assert '"sendDataToCloud"' in page, "its buttons send nothing"
    read_back = go.Figure(json.loads(rendered(figure, "json")))
    assert len(read_back.data) == len(figure.data)


def test_print_without_kaleido_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kaleido", None)  # an import of it now fails
    rule = r"^a figure as pdf must have Kaleido installed \(pip install 'bimp-study\[png\]'\)"
    with pytest.raises(ValueError, match=rule):
        rendered(go.Figure(), "pdf")


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs a Chromium")
def test_printed_files_have_the_size_that_was_asked_for(schedules_folder: Path) -> None:
    """A PDF of 12.7 cm is 360 points wide; a PNG of 300 dots per inch has 1500 dots."""
    pytest.importorskip("kaleido")
    figure, _ = drawn(
        [str(schedules_folder)], "accuracy_by_sparsity", {}, [], Page(width=12.7, height=7.62)
    )
    pdf = rendered(figure, "pdf")
    box = re.search(rb"/MediaBox\s*\[\s*0\s+0\s+([\d.]+)\s+([\d.]+)", pdf)
    assert box is not None
    assert [float(side) for side in box.groups()] == pytest.approx([360, 216], abs=1)
    png = rendered(figure, "png")
    sides = [int.from_bytes(png[at : at + 4], "big") for at in (16, 20)]
    assert sides == pytest.approx([1500, 900], abs=1)
    assert rendered(figure, "svg").startswith(b"<svg")


def test_the_command_writes_and_refuses(schedules_folder: Path, tmp_path: Path) -> None:
    def bimp(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from study.cli import main; main()", "figure", *words]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    target = tmp_path / "gains.json"
    ended = bimp(str(schedules_folder), "gains", "-o", str(target))
    assert ended.returncode == 0, ended.stderr
    assert json.loads(target.read_text())["data"]
    refused = bimp(str(schedules_folder), "gains", "-o", str(tmp_path / "gains.gif"))
    assert refused.returncode == 2
    assert "-o must end in one of .pdf, .svg, .png, .html, .json" in refused.stderr
    assert not (tmp_path / "gains.gif").exists()
