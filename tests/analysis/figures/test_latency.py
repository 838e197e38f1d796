"""Measured latencies beside theoretical speedups."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.figures import FIGURES, source_frame
from analysis.figures.latency import latency_figure, latency_table, settings_of
from analysis.frames.study_frames import read
from analysis.panels.picks import offers
from tests.analysis.small import record
from trainables.files.latencies import Latency, write_latencies
from trainables.files.records import StudyFolder

METRICS = {
    "val_accuracy": 0.8, "dense_val_accuracy": 0.9, "theoretical_speedup": 4.0, "sparsity": 0.75,
}  # fmt: skip


def row(form: str, latency_ms: float, **fields: Any) -> Latency:
    plain: dict[str, Any] = {
        "fingerprint": "f1", "backend": "torch", "device": "cpu", "machine": "Some CPU",
        "threads": 1, "batch": 1, "lo_ms": latency_ms - 1, "hi_ms": latency_ms + 2, "runs": 31,
        "multiply_adds": 1000, "n_parameters": 10, "load": 0.5, "measured_at": "today", **fields,
    }  # fmt: skip
    return Latency(form=form, latency_ms=latency_ms, **plain)


@pytest.fixture
def frame(tmp_path: Path) -> pd.DataFrame:
    """One trial in three forms at batch 1; another masked, with a batch of 128 besides."""
    study = StudyFolder(str(tmp_path))
    study.write_record(record("f1", metrics=METRICS))
    study.write_record(record("f2", seed=1, metrics={**METRICS, "val_accuracy": 0.7}))
    write_latencies(
        study.folder,
        "f1",
        [row("dense", 12.0), row("masked", 12.0), row("removed", 4.0, multiply_adds=250)],
    )
    second = {"fingerprint": "f2", "lo_ms": None, "hi_ms": None}
    write_latencies(
        study.folder,
        "f2",
        [row("masked", 13.0, **second), row("masked", 90.0, batch=128, **second)],
    )
    write_latencies(study.folder, "gone", [row("masked", 1.0, fingerprint="gone")])
    study.folder.write("latency/f3.json", b"{")
    study.write_record(record("f3", seed=2))
    frames = read(str(tmp_path))
    made = source_frame(frames, "latency")
    assert any("latency/f3.json" in text for text in frames.warnings)
    return made


def test_latencies_by_value(frame: pd.DataFrame) -> None:
    assert len(frame) == 5 and set(frame["fingerprint"]) == {"f1", "f2"}
    table = latency_table(frame)
    assert table.facts == "torch, batch 1, 1 thread, Some CPU" and table.metric == "val_accuracy"
    rows: Any = table.frame.set_index(["form", "latency_ms"])
    dense, masked = rows.loc[("dense", 12.0)], rows.loc[("masked", 12.0)]
    removed, other = rows.loc[("removed", 4.0)], rows.loc[("masked", 13.0)]
    assert [r["value"] for r in (dense, masked, removed, other)] == [0.9, 0.8, 0.8, 0.7]
    assert [r["gain"] for r in (dense, masked, removed)] == [1.0, 1.0, 3.0]
    assert math.isnan(other["gain"]) and math.isnan(other["lo_ms"])
    assert [r["theoretical_speedup"] for r in (dense, masked, removed)] == [1.0, 4.0, 4.0]
    assert (removed["lo_ms"], removed["hi_ms"], removed["multiply_adds"]) == (3.0, 6.0, 250)
    assert "multiply by zeros as by any other number" in " ".join(table.notes)


def test_a_trial_without_what_tells_the_series_apart_has_points_too(frame: pd.DataFrame) -> None:
    frame["retrain.schedule"] = [None if name == "f2" else "llr" for name in frame["fingerprint"]]
    figure = latency_figure(latency_table(frame, by="retrain.schedule"))
    drawn = {(trace.name, x) for trace in figure.data for x in trace.x if x is not None}
    assert {("LLR", 4.0), ("–", 13.0)} <= drawn


def test_a_network_in_int8_stands_at_what_its_trial_measured_so(tmp_path: Path) -> None:
    """Of ONNX Runtime, which rounds inputs too, nothing is known."""
    study = StudyFolder(str(tmp_path))
    study.write_record(record("f1", metrics={**METRICS, "int8_val_accuracy": 0.75}))
    rows = [
        row("quantised", 5.0, backend=backend, difference=0.01)
        for backend in ("torch", "onnxruntime")
    ]
    write_latencies(study.folder, "f1", [*rows, row("masked", 6.0)])
    frame = source_frame(read(str(tmp_path)), "latency")
    table = latency_table(frame, setting="torch, batch 1, 1 thread, Some CPU").frame
    assert dict(zip(table["form"], table["value"], strict=True)) == {
        "quantised": 0.75,
        "masked": 0.8,
    }
    other = latency_table(frame, setting="onnxruntime, batch 1, 1 thread, Some CPU").frame
    assert other["value"].isna().all()


def test_settings_are_offered_most_rows_first(frame: pd.DataFrame) -> None:
    first, second = settings_of(frame)
    assert (first, second) == (
        "torch, batch 1, 1 thread, Some CPU",
        "torch, batch 128, 1 thread, Some CPU",
    )
    assert offers(FIGURES["latency"], frame)["setting"] == [first, second]
    assert latency_table(frame, setting=second).frame["latency_ms"].tolist() == [90.0]


def test_both_panels_show_every_form(frame: pd.DataFrame) -> None:
    plot = latency_figure(latency_table(frame))
    drawn = [trace for trace in plot.data if trace.x[0] is not None]
    left = [trace for trace in drawn if trace.xaxis != "x2"]
    right = [trace for trace in drawn if trace.xaxis == "x2"]
    assert [t.x.tolist() for t in left] == [[12.0], [12.0, 13.0], [4.0]]
    assert [t.x.tolist() for t in right] == [[1.0], [4.0, 4.0], [4.0]]
    assert [t.y.tolist() for t in left] == [[90.0], [80.0, 70.0], [80.0]]
    assert list(left[1].error_x.array) == [2.0, None]
    names = [trace.name for trace in plot.data if trace.showlegend is not False]
    assert names == ["IMP", "dense", "masked", "removed"]
    assert plot.layout.xaxis.title.text == "measured latency (ms)"
    assert plot.layout.xaxis2.title.text == "theoretical speedup (times)"


def test_a_study_without_latencies_says_how_to_measure_them(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    study.write_record(record("f1", metrics=METRICS))
    frame = source_frame(read(str(tmp_path)), "latency")
    table = FIGURES["latency"].tabulate(frame)
    assert table.notes == ("No latency was measured: bimp bench DIR measures them.",)
    assert not latency_figure(table).data
