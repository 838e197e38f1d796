"""The report: findings by value, selectors, safety of its text, its size."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest

from analysis.figures import FIGURES, source_frame
from analysis.frames.study_frames import read
from analysis.report.exhibits import Absent, Exhibit, exhibit, thinned
from analysis.report.origins import run_facts
from analysis.report.page import in_script, render_report, study_title, write_report
from analysis.report.views import (
    comparisons_view,
    leaders_view,
    resolution_view,
    spread,
)
from analysis.selection.tabulation import Tabulation
from tests.analysis import synthetic
from tests.analysis.findings.test_leading import contest
from tests.analysis.hand_made import NAN, grid
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record


def test_spread() -> None:
    assert spread("test_accuracy", 0.97125, 0.002, 3) == "97.12 ± 0.20"
    assert spread("test_accuracy", 0.97125, NAN, 1) == "97.12"
    assert spread("val_loss", 0.9713, 0.0213, 3) == "0.9713 ± 0.0213"
    assert spread("test_accuracy", NAN, NAN, 0) == "–"


def three_seeds() -> pd.DataFrame:
    """llr leads ft by .05, .04 and .03 on validation, and by half of it on test."""
    frame = grid({("llr",): [0.95, 0.96, 0.97], ("ft",): [0.90, 0.92, 0.94]}, "retrain.schedule")
    return frame.assign(test_accuracy=frame["val_accuracy"] / 2)


def test_leaders_view() -> None:
    view = leaders_view(three_seeds())
    assert tuple(cell.text for cell in view.rows[0]) == (
        "90 % sparse, 2 epochs of retraining", "LLR", "96.00 ± 1.00", "48.00 ± 0.50", "3", "0",
        "FT", "+4.00",
    )  # fmt: skip
    assert view.words == {0, 1, 6} and len(view.headers) == 8


def test_of_two_seeds_the_worth_of_a_leader_is_not_known() -> None:
    view = leaders_view(contest())
    assert [[cell.text for cell in row] for row in view.rows] == [
        ["80 % sparse, 2 epochs of retraining", "LLR", "–", "–", "2", "0", "FT", "–"],
        ["90 % sparse, 2 epochs of retraining", "FT and LLR", "–", "–", "2", "0", "–", "–"],
    ]
    assert any("with 2 seeds it cannot be known" in note for note in view.notes)


def test_likeness_stands_beside_the_verdict() -> None:
    # Differences on test .025, .02, .015: mean .02, error .005 / sqrt(3). Within three points t is
    # .01 / error = 3.4641 on the nearer side and p = (1 - t / sqrt(t^2 + 2)) / 2.
    (row,) = comparisons_view(three_seeds(), margin=3.0).rows
    p = (1 - math.sqrt(12 / 14)) / 2
    far = (1 - math.sqrt(300 / 302)) / 2  # .05 / error = 17.3205 on the farther side
    assert row[7].text == f"{100 * (1 - p - far):.1f} % (p {p:.2g})"
    assert row[8].text.endswith(", shown alike")
    half = comparisons_view(three_seeds())
    assert half.headers[7] == ("within 0.5 points",)
    assert half.rows[0][7].text.endswith("(p 0.98)")
    assert not half.rows[0][8].text.endswith("alike")


def test_what_the_seeds_resolve_by_value() -> None:
    # One pair, spread .5 points: 3 seeds find 3.26 spreads; the seeds for .5, 1 and 2 points.
    (row,) = resolution_view(three_seeds()).rows
    assert [cell.text for cell in row] == [
        "90 % sparse, 2 epochs of retraining", "3", "0.5", "1.6", "10", "5", "3"
    ]  # fmt: skip


def test_in_script_cannot_end_the_element() -> None:
    text = in_script(json.dumps({"x": "</script><script>"}))
    assert "<" not in text
    assert json.loads(text) == {"x": "</script><script>"}


def test_thinning_keeps_the_front_and_says_so() -> None:
    frame = pd.DataFrame({"x": range(5000), "front": [i in (7, 4242) for i in range(5000)]})
    short = thinned(Tabulation(frame, ("Before.",), metric="val_accuracy"), 100)
    assert 100 <= len(short.frame) <= 102
    assert {7, 4242} <= set(short.frame["x"])
    assert short.notes == (
        "Before.",
        f"{len(short.frame)} of 5000 points are drawn here, evenly taken.",
    )
    assert short.metric == "val_accuracy"
    few = Tabulation(frame.head(100))
    assert thinned(few, 100) is few


@pytest.fixture(scope="module")
def page(report_file: Path) -> str:
    return report_file.read_text(encoding="utf-8")


def test_an_exhibit_draws_every_combination(schedules_folder: Path) -> None:
    study = read(str(schedules_folder))
    figure = FIGURES["accuracy_by_sparsity"]
    made = exhibit(figure, source_frame(study, "trials"))
    assert isinstance(made, Exhibit)
    variants = json.loads(made.payload)["variants"]
    metric, view, budget = made.selectors
    assert view.values == ["value", "loss"]
    assert metric.values == ["test_accuracy", "val_accuracy"]
    assert (budget.name, budget.options) == (
        "at.retrain.epochs", ((1.0, "1 epoch"), (3.0, "3 epochs")),
    )  # fmt: skip
    assert made.start == (0, 0, 1)
    assert set(variants) == {f"{m}|{v}|{b}" for m in (0, 1) for v in (0, 1) for b in (0, 1)}
    titles = {key: v["layout"]["yaxis"]["title"]["text"] for key, v in variants.items()}
    assert (titles["0|0|1"], titles["1|0|0"]) == ("test accuracy (%)", "validation accuracy (%)")
    assert [variants[f"0|0|{i}"]["subtitle"] for i in (0, 1)] == [
        "1 epoch of retraining", "3 epochs of retraining"
    ]  # fmt: skip
    assert titles["0|1|1"] == "loss from dense (points, log)"
    assert all("template" not in v["layout"] for v in variants.values())


def test_an_exhibit_of_nothing_says_why(schedules_folder: Path) -> None:
    made = exhibit(FIGURES["history"], source_frame(read(str(schedules_folder)), "trials"))
    assert isinstance(made, Absent)
    assert made.reason == "No trial comes from a search."


class Page(HTMLParser):
    """Links, sources and headings of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [v for k in ("src", "href") if (v := found.get(k))]
        self.ids += [v for v in [found.get("id")] if v]
        self.scripts += tag == "script"


def parsed(page: str) -> Page:
    reader = Page()
    reader.feed(page)
    return reader


def test_page_is_whole_and_asks_no_host(page: str) -> None:
    reader = parsed(page)
    assert all(address.startswith(("#", "data:")) for address in reader.addresses)
    anchors = {address[1:] for address in reader.addresses if address.startswith("#")}
    assert anchors <= set(reader.ids)
    assert "<title>digits-schedules</title>" in page
    assert len(re.findall(r"plotly\.js v\d", page)) == 1
    assert len(page.encode()) < 7_000_000


def test_page_has_what_a_reader_looks_for(page: str) -> None:
    text = re.sub(r"<script.*?</script>", "", page, flags=re.S)
    headings = ("Answer", "What was studied", "Findings", "Tables", "Figures", "How it was run")
    for heading in (*headings, "Failures"):
        assert f">{heading}</h2>" in text
    assert (
        "108 trials of 36 configurations under 3 seeds: 106 done, 1 diverged and 1 failed." in text
    )
    assert text.index('id="answer"') < text.index('id="summary"')
    assert "Over all 6 settings" in text and "Adaptive linear learning rate restarting" in text
    assert "2.14.1" in text
    assert "diverged at epoch 2" in text
    assert 'class="num"' in text
    assert text.count("<figure") == len(re.findall(r'id="data-', page))


def test_text_of_a_study_is_escaped(tmp_path: Path) -> None:
    hostile = "</script><script>alert(1)</script><b>x</b>"
    points = synthetic.schedules(seeds=(0,), sparsities=(0.9,), epochs=(1.0,))
    folder = StudyFolder(str(tmp_path))
    for point in points:
        made = synthetic.record(point)
        config = json.loads(json.dumps(made.config).replace('"clr"', json.dumps(hostile)))
        folder.write_record(
            replace(
                made,
                study=hostile,
                config=config,
                message=hostile,
                provenance={**made.provenance, "host": hostile},
            )
        )
    page = render_report(read(str(tmp_path)))
    assert "<b>x</b>" not in page
    assert "<script>alert" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert parsed(page).scripts == len(re.findall(r'id="data-', page)) + 3


def test_write_report(report_file: Path, page: str, tmp_path: Path) -> None:
    assert page.startswith("<!DOCTYPE html>")
    assert [path.name for path in report_file.parent.iterdir()] == ["report.html"]
    with pytest.raises(FileNotFoundError, match=r"no study at .*nowhere"):
        write_report([str(tmp_path / "nowhere")], tmp_path / "report.html")


def test_an_empty_study_has_a_report(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: empty\n")
    page = render_report(read(str(tmp_path)))
    assert "The study has no trials yet." in page
    assert "<title>Study without trials</title>" in page
    assert "<figure" not in page


def test_a_study_of_failures_has_a_report(tmp_path: Path) -> None:
    points = [synthetic.Point(schedule=s, state="failed") for s in ("ft", "llr")]
    study = read(synthetic.write(tmp_path, points))
    page = render_report(study)
    assert "No trial is done" in page
    assert "failed at epoch 2" in page
    assert study_title(study) == "digits-schedules"


def test_run_facts_name_what_differs(tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    for seed, torch in ((0, "2.11.0"), (1, "2.14.1"), (2, "2.14.1")):
        made = synthetic.record(synthetic.Point(seed=seed))
        folder.write_record(replace(made, provenance={**made.provenance, "torch": torch}))
    facts = dict(run_facts(read(str(tmp_path))))
    assert facts["torch"] == "2.14.1 (2 trials), 2.11.0 (1 trial)"
    assert facts["run"] == "2026-01-05 10:00 UTC to 2026-01-05 10:00 UTC"
    assert facts["seeds"] == "0, 1, 2"
    assert "training time" in facts


def test_a_record_without_provenance_invents_nothing(tmp_path: Path) -> None:
    record = synthetic.record(synthetic.Point())
    bare = Record(record.fingerprint, "bare", record.config, 0, "done", metrics=record.metrics)
    StudyFolder(str(tmp_path)).write_record(bare)
    facts = dict(run_facts(read(str(tmp_path))))
    assert "torch" not in facts
    assert "run" not in facts
