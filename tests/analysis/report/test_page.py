"""The report: findings by value, selectors, safety of its text, its size."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.figures import FIGURES, source_frame
from analysis.findings import rivals, sentences, spending
from analysis.frames.study_frames import read
from analysis.report.exhibits import Absent, Exhibit, exhibit, thinned
from analysis.report.origins import run_facts
from analysis.report.page import in_script, render_report, study_title, write_report
from analysis.report.views import comparisons_view, leaders_view, spread
from analysis.selection.leaders import leaders
from analysis.selection.tabulation import Tabulation
from tests.analysis import synthetic
from tests.analysis.hand_made import NAN, grid, trials
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record


def contest() -> pd.DataFrame:
    """llr leads at 80 % on validation although ft is better on test; both tie at 90 %."""
    frame = grid(
        {
            ("llr", 0.8): [0.95, 0.97], ("ft", 0.8): [0.90, 0.92],
            ("llr", 0.9): [0.80, 0.80], ("ft", 0.9): [0.80, 0.80],
        },
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    first = (frame["retrain.schedule"] == "ft") & (frame["prune.sparsity"] == 0.8)
    return frame.assign(test_accuracy=frame["test_accuracy"].where(~first, 0.99))


def test_tally() -> None:
    frame = trials({}, {"seed": 1, "state": "failed"}, {"retrain.schedule": "ft"})
    assert sentences.tally(frame) == (
        "3 trials of 2 configurations under 2 seeds: 2 done and 1 failed."
    )


def test_leaders_are_chosen_on_validation_and_reported_on_test() -> None:
    first, second = leaders(contest())
    assert (first.block["prune.sparsity"], first.name, first.runner_up) == (0.8, "llr", "ft")
    assert first.val[:2] == pytest.approx((0.96, 0.02 / math.sqrt(2)))
    assert first.val[2] == 2
    assert first.test[0] == pytest.approx(0.96)
    assert first.behind == pytest.approx(0.05)
    assert second.behind == pytest.approx(0.0)


def test_a_contestant_does_not_lead_by_the_seeds_it_survived() -> None:
    uneven: dict[Any, list[float | None]] = {
        ("allr",): [0.97, None, None],
        ("ft",): [0.98, 0.95, 0.95],
    }
    (leader,) = leaders(grid(uneven, "retrain.schedule"))
    assert (leader.name, leader.runner_up, leader.n_shared) == ("ft", "allr", 1)
    assert leader.behind == pytest.approx(0.01)
    assert leader.val[2] == 3
    # No seed is done by both: only the one with most done is ranked.
    apart: dict[Any, list[float | None]] = {
        ("allr",): [0.97, None, None], ("ft",): [None, 0.95, 0.95], ("llr",): [None] * 3
    }  # fmt: skip
    frame = grid(apart, "retrain.schedule")
    (alone,) = leaders(frame)
    assert (alone.name, alone.runner_up, alone.behind, alone.n_shared) == ("ft", None, None, 0)
    assert "in 1 of them no seed is done by all" in sentences.leading(frame)[0]


def test_leading_counts_blocks_and_near_ties() -> None:
    (sentence,) = sentences.leading(contest())
    assert sentence.startswith("On validation the best schedule is llr in 2 of 2 combinations")
    assert sentence.endswith("in 1 of them the runner-up is less than one validation image behind.")


def test_a_single_series_is_said() -> None:
    frame = grid({("ft",): [0.9, 0.9]}, "retrain.schedule")
    (sentence,) = sentences.leading(frame)
    assert sentence == "Only one method was tried, imp: there is nothing to compare."


def test_two_seeds_settle_nothing() -> None:
    said = sentences.findings(contest().assign(test_accuracy=contest()["val_accuracy"]))
    assert any(s.endswith(": two seeds settle nothing.") for s in said)
    assert "No verdict is given on fewer than 3 seeds." in said


def test_seeds_that_agree_settle_it() -> None:
    frame = grid({("llr",): [0.95, 0.96, 0.97], ("ft",): [0.90, 0.91, 0.925]}, "retrain.schedule")
    (one,) = rivals.comparisons(frame)
    # .05, .05 and .045: t^2 = 29^2, and p of two degrees of freedom is 1 - sqrt(t^2 / (t^2 + 2))
    assert one.verdict.p_holm == pytest.approx(1 - math.sqrt(29**2 / (29**2 + 2)))
    assert one.certainty == "settled, p at most 0.05 after correction"
    assert not any("its own spread" in s for s in sentences.findings(frame))


def test_what_is_likely_says_how_many_seeds_would_settle_it() -> None:
    frame = grid({("llr",): [0.95, 0.95, 0.95], ("ft",): [0.93, 0.90, 0.87]}, "retrain.schedule")
    (one,) = rivals.comparisons(frame)
    # mean .05 and spread .03: t^2 = 25/3, p = .102
    assert one.certainty == "likely, but 3 seeds do not settle it"
    assert rivals.against_rivals(frame)[1:] == [
        "On test llr has +5.00 points to ft (3 pairs): likely, but 3 seeds do not settle it.",
        "If it is as large as it looks, 6 seeds would settle the lead over ft.",
        "With 3 seeds and one pair a difference is settled in four of five studies where it is 3.3"
        " times its own spread from seed to seed; with 8 seeds 1.2.",
    ]


def test_every_pair_of_contestants_counts() -> None:
    """What one pair would settle is not even likely as one of the fifteen pairs of six."""
    near = {(name,): [0.94 + i / 1000, 0.92 - i / 1000, 0.95] for i, name in
            enumerate(("lrw", "slr", "clr", "allr"))}  # fmt: skip
    frame = grid(
        {("llr",): [0.95, 0.95, 0.95], ("ft",): [0.93, 0.92, 0.91], **near}, "retrain.schedule"
    )
    found = {one.verdict.rival: one for one in rivals.comparisons(frame)}
    assert found["ft"].verdict.p_t == pytest.approx(1 - math.sqrt(27 / 29))
    assert found["ft"].verdict.p_holm == pytest.approx(15 * found["ft"].verdict.p_t)
    assert found["ft"].certainty == "no clear difference"
    assert "and 15 pairs a difference is settled" in rivals.against_rivals(frame)[-1]


def test_a_leader_s_failures_stand_beside_its_mean() -> None:
    frame = grid({("allr",): [0.9, None, None], ("ft",): [0.8, 0.8, 0.8]}, "retrain.schedule")
    (leader,) = leaders(frame)
    assert (leader.name, leader.n_lost) == ("allr", 2)
    assert "(n = 1, 2 failed or diverged)" in sentences.leading(frame)[1]
    assert leaders_view(frame).rows[0][5].text == "2"


def test_a_leader_without_a_shared_seed_is_not_ahead_by_anything() -> None:
    apart: dict[Any, list[float | None]] = {
        ("allr",): [0.6, 0.9, None], ("ft",): [0.61, None, 0.4], ("clr",): [None, None, 0.9],
    }  # fmt: skip
    (leader,) = leaders(grid(apart, "retrain.schedule"))
    assert (leader.name, leader.n_shared, leader.behind) == ("allr", 0, None)


def test_the_leader_is_compared_in_its_own_task() -> None:
    """llr leads on cnn, which has more trials, and is far behind on mlp."""
    frame = grid(
        {("llr", "cnn"): [0.95, 0.96, 0.97], ("ft", "cnn"): [0.90, 0.91, 0.92],
         ("llr", "mlp"): [0.50, 0.50], ("ft", "mlp"): [0.90, 0.90]},
        "retrain.schedule", "task.model",
    )  # fmt: skip
    (one,) = rivals.comparisons(frame)
    assert (one.verdict.of, one.verdict.rival) == ("llr", "ft")
    assert one.task == {"task.model": "cnn"}
    assert one.verdict.gain == pytest.approx(0.05)
    assert one.comparison.n == 3
    assert rivals.against_rivals(frame)[0] == ("At cnn, by mean rank on validation llr is first.")
    assert comparisons_view(frame).title == "llr against its rivals, test accuracy, cnn"
    (alone,) = rivals.comparisons(frame[frame["task.model"] == "cnn"])
    assert alone.task == {}


def test_one_seed_says_nothing() -> None:
    frame = grid({("llr",): [0.95], ("ft",): [0.90]}, "retrain.schedule")
    (one,) = rivals.comparisons(frame)
    assert one.certainty == "one seed alone says nothing about the next"


def test_one_validation_image_is_said_for_digits() -> None:
    assert "0.69 points" in sentences.resolution(trials({}))
    assert sentences.resolution(trials({"task.dataset": "cifar10"})) == ""
    assert sentences.resolution(trials({"task.dataset": "elsewhere"})) == ""


def test_collapsed_trials_are_named_with_their_contestants() -> None:
    frame = contest()
    assert sentences.collapsed(frame) == ""
    llr = frame["retrain.schedule"] == "llr"
    frame["collapsed_layers"] = llr.astype(float).mask(frame.index == frame.index[-1], 2.0)
    said = sentences.collapsed(frame)
    assert said.startswith("5 trials collapsed, 4 of llr and 1 of ft: a layer has no weight left")
    assert said in sentences.findings(frame)


def test_nothing_done_and_nothing_there() -> None:
    assert sentences.findings(pd.DataFrame()) == ["The study has no trials yet."]
    said = sentences.findings(trials({"state": "failed"}))
    assert said[-1] == "No trial is done, so there is nothing to compare yet."


def test_the_best_of_a_search() -> None:
    frame = grid({(0.2,): [0.9], (0.5,): [0.95], (0.8,): [None]}, "dense.lr")
    (sentence,) = sentences.best(frame)
    assert sentence == (
        "At 90 % sparse the best of 3 configurations on validation has dense learning rate 0.5:"
        " 95 %, 95 % on test (n = 1)."
    )


def test_split_in_words() -> None:
    frame = grid(
        {(0.5, 1): [0.9], (0.75, 2): [0.95]}, "budget.dense_fraction", "prune.cycles", method="bimp"
    ).assign(**{"budget.epochs": 24.0})
    (sentence,) = sentences.split(frame)
    assert (
        "gives the dense run 75 % of the budget and the rest to 2 cycles: 95 % (n = 1)" in sentence
    )


def test_a_split_of_every_budget_in_words() -> None:
    frame = grid(
        {(0.3, 8.0): [0.95], (0.6, 8.0): [0.9], (0.3, 16.0): [0.9], (0.6, 16.0): [0.95]},
        "budget.dense_fraction", "budget.epochs", method="bimp",
    )  # fmt: skip
    short, long = sentences.split(frame)
    assert short.startswith("At 8 epochs in all the best") or "8 epochs in all" in short
    assert "30 % of the budget" in short
    assert "16 epochs in all" in long
    assert "60 % of the budget" in long


def test_regret_of_every_task_in_words() -> None:
    tasks = {"cnn": (0.9, 0.94), "mlp": (0.9, 0.9)}
    frame = grid(
        {(name, d): [value, value, value]
         for name, (adaptive, best) in tasks.items()
         for d, value in (("adaptive", adaptive), (0.5, best), (0.2, 0.5))},
        "task.model", "retrain.discount",
    )  # fmt: skip
    frame["d"] = [0.4 if d == "adaptive" else d for d in frame["retrain.discount"]]
    one, two = sorted(sentences.discount(frame))
    assert one.startswith("At cnn the regret")
    assert "+4.00 [+4.00 to +4.00] points of test accuracy" in one
    assert "n = 3 seeds" in one
    assert one.endswith("its interval lies above zero in 1 of them and below in 0.")
    assert two.startswith("At mlp the regret")
    assert "is 0.00 [0.00 to 0.00] points" in two
    assert two.endswith("above zero in 0 of them and below in 0.")  # .0 is not above for rounding
    few, _ = sentences.discount(frame[frame["seed"] < 2])
    assert few == (
        "At cnn the regret of the adaptive discount: with 2 seeds it cannot be known: a choice made"
        " on all seeds but one and scored on that one takes 3."
    )


def test_spending_and_sharing() -> None:
    shared = {"dense_stage": "a", "epochs": 12.0, "dense_epochs": 10.0}
    frame = trials(shared, {**shared, "retrain.schedule": "ft"})
    spent = spending.spending(frame)
    assert (spent.epochs_asked, spent.epochs_done, spent.n_dense) == (24, 14, 1)
    assert spending.sharing(frame) == (
        "The trials ask for 24 epochs of training; with their 1 dense run shared they took 14,"
        " 42 % less."
    )
    large = frame.assign(epochs=1_512.4, dense_epochs=10.0)
    assert "ask for 3 025 epochs" in spending.sharing(large)
    assert "they took 3 015" in spending.sharing(large)
    timed = frame.assign(train_s=60.0, dense_train_s=540.0, state=["done", "failed"])
    assert "of training instead of" in spending.sharing(timed)
    assert spending.sharing(timed).endswith("1 failed trial not counted.")
    assert spending.sharing(trials({})) == ""


def test_spread() -> None:
    assert spread("test_accuracy", 0.97125, 0.002, 3) == "97.12 ± 0.20"
    assert spread("test_accuracy", 0.97125, NAN, 1) == "97.12"
    assert spread("val_loss", 0.9713, 0.0213, 3) == "0.9713 ± 0.0213"
    assert spread("test_accuracy", NAN, NAN, 0) == "–"


def test_leaders_view() -> None:
    view = leaders_view(contest())
    assert tuple(cell.text for cell in view.rows[0]) == (
        "80 % sparse, 2 epochs of retraining", "llr", "96.00 ± 1.41", "96.00 ± 1.41", "2", "0",
        "ft", "+5.00",
    )  # fmt: skip
    assert view.words == {0, 1, 6} and len(view.headers) == 8


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
    metric, budget = made.selectors
    assert metric.values == ["test_accuracy", "val_accuracy"]
    assert (budget.name, budget.options) == (
        "at.retrain.epochs", ((1.0, "1 epoch"), (3.0, "3 epochs")),
    )  # fmt: skip
    assert made.start == (0, 1) and set(variants) == {"0|0", "0|1", "1|0", "1|1"}
    titles = {key: v["layout"]["yaxis"]["title"]["text"] for key, v in variants.items()}
    assert (titles["0|1"], titles["1|0"]) == ("test accuracy (%)", "validation accuracy (%)")
    assert [variants[f"0|{i}"]["subtitle"] for i in (0, 1)] == [
        "1 epoch of retraining", "3 epochs of retraining"
    ]  # fmt: skip
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
    for heading in ("Summary", "Tables", "Figures", "How it was run", "Failures"):
        assert f">{heading}</h2>" in text
    assert (
        "108 trials of 36 configurations under 3 seeds: 106 done, 1 diverged and 1 failed." in text
    )
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
    assert facts["torch"] == "2.14.1 (2 trials), 2.11.0 (1 trials)"
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
