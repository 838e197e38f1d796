"""Trials of an older revision: named so, in no mean with newer ones, and said."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from typing import Any

import pytest

from analysis.columns.revisions import newest, older_sentences
from analysis.frames.study_frames import read
from analysis.selection.series import comparable
from analysis.tables.comparisons import run_table
from analysis.tables.results import run_results
from tests.analysis import synthetic
from tests.analysis.hand_made import trials
from tests.analysis.synthetic import Point
from trainables.files.records import StudyFolder

OLD_DPF = {"method": "dpf (older revision)", "revision": "older"}
OLD_FILTERS = {"prune.structure": "filters (older revision)", "revision": "older"}


def kept(*rows: dict[str, Any]) -> list[str]:
    frame = trials(*({"revision": None, **row} for row in rows))
    return list(newest(frame)["fingerprint"])


def test_older_trials_leave_means_to_newer_ones_of_their_kind() -> None:
    assert kept(OLD_DPF, {"method": "dpf"}, {"method": "gmp"}) == ["f001", "f002"]
    assert kept(OLD_DPF, {"method": "gmp"}) == ["f000", "f001"]
    assert kept(OLD_DPF, OLD_DPF) == ["f000", "f001"]
    filters = {"prune.structure": "filters"}
    assert kept(OLD_FILTERS, filters, {}) == ["f001", "f002"]
    assert kept(OLD_FILTERS, {}) == ["f000", "f001"]
    assert kept(OLD_FILTERS, {**filters, "method": "bimp"}) == ["f000", "f001"]
    assert kept({**OLD_DPF, **OLD_FILTERS}, {"method": "dpf"}) == ["f000", "f001"]


def test_a_frame_without_older_ones_is_itself() -> None:
    plain = trials({}, {"method": "dpf"})
    assert newest(plain) is plain
    assert older_sentences(plain) == []


def test_a_sentence_for_each_study() -> None:
    rows = [OLD_DPF, {"method": "dpf"}, {**OLD_FILTERS, "study": "other"}, OLD_DPF]
    frame = trials(*({"revision": None, **row} for row in rows))
    assert older_sentences(frame) == [
        "small: 2 trials of an older revision (dpf); beside newer ones they stand in no mean",
        "other: 1 trial of an older revision (filters); beside newer ones they stand in no mean",
    ]


def first(made: Any) -> Any:
    """A record as it was before there were revisions, with another name."""
    config = {
        section: {key: v for key, v in values.items() if key != "revision"}
        for section, values in made.config.items()
    }
    return replace(made, config=config, fingerprint=f"0{made.fingerprint[1:]}")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Three seeds of DPF and GMP, and of DPF also as before, ten points lower."""
    points = [Point(method=m, seed=seed) for m in ("gmp", "dpf") for seed in range(3)]
    location = synthetic.write(tmp_path_factory.mktemp("mended"), points)
    for point in points[3:]:
        before = first(synthetic.record(point))
        low = {name: before.metrics[name] - 0.1 for name in ("val_accuracy", "test_accuracy")}
        StudyFolder(location).write_record(replace(before, metrics={**before.metrics, **low}))
    return location


def test_frames_name_them(folder: str) -> None:
    study = read(folder)
    names = study.trials["method"].value_counts().to_dict()
    assert names == {"dpf": 3, "dpf (older revision)": 3, "gmp": 3}
    old = study.trials["method"] == "dpf (older revision)"
    assert (study.trials["revision"] == "older").tolist() == old.tolist()
    assert "method.revision" not in study.trials
    assert study.warnings == [
        "digits-schedules: 3 trials of an older revision (dpf); beside newer ones they stand in no"
        " mean"
    ]


def test_no_mean_mixes_them(folder: str) -> None:
    frame = read(folder).trials
    new = frame[frame["method"] == "dpf"]["test_accuracy"].mean()
    assert sorted(set(comparable(frame)["method"])) == ["dpf", "gmp"]
    told: list[str] = []
    text = run_results(
        [folder], group_by=["method"], columns=["test_accuracy"], format="csv", warn=told.append
    )
    rows = list(csv.DictReader(io.StringIO(str(text))))
    assert {row["method"] for row in rows} == {"dpf", "gmp"}
    assert [float(row["mean"]) for row in rows if row["method"] == "dpf"] == [pytest.approx(new)]
    assert told == read(folder).warnings
    table = run_table([folder], warn=told.append)
    assert "older" not in table
    assert f"{100 * new:.2f}"[:4] in table


def test_alone_they_are_shown_under_their_name(folder: str) -> None:
    text = run_results([folder], where='revision == "older"', group_by=["method"], format="csv")
    assert str(text).splitlines()[1].startswith("dpf (older revision),")
