"""Which faults end a trial, and which the whole process; a failing import is one of the former."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.trials.plain import job_for, tiny
from trainables.files.records import StudyFolder
from trainables.jobs.job_report import KEY, JobReport
from trainables.workers.tune_trainable import StudyTrainable


def trainable(folder: Path, goal: str = "trial") -> StudyTrainable:
    made = StudyTrainable.__new__(StudyTrainable)
    made.setup({"job": json.dumps(job_for(tiny(), folder, goal=goal).plain())})
    return made


def failing(error: Exception) -> Any:
    def advance(self: StudyTrainable, job: object) -> JobReport:
        raise error

    return advance


def report_of(result: dict[str, Any]) -> JobReport:
    report = JobReport.of_json(result[KEY])
    assert result["done"] is report.final
    return report


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory"),
        torch.AcceleratorError("an illegal memory access was encountered"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR"),
    ],
)
def test_a_process_without_memory_or_device_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(StudyTrainable, "_advance", failing(error))
    with pytest.raises(type(error)):
        trainable(tmp_path).step()
    assert not StudyFolder(str(tmp_path)).records().records


def test_a_fault_of_the_trial_is_recorded_and_the_next_trial_starts_afresh(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainable(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(StudyTrainable, "_advance", failing(RuntimeError("a shape is wrong")))
        made._tasks = object()  # type: ignore[assignment]
        assert report_of(made.step()).outcome == "failed"
    (record,) = StudyFolder(str(tmp_path)).records().records
    assert (record.state, record.message) == ("failed", "RuntimeError: a shape is wrong")
    assert made._tasks is None
    while (report := report_of(made.step())).outcome == "running":
        pass
    assert report.outcome == "done"


def test_a_worker_s_first_report_comes_after_one_epoch(tmp_path: Path) -> None:
    job = job_for(tiny(dense={"epochs": 4}), tmp_path, unit_s=60.0)
    made = StudyTrainable.__new__(StudyTrainable)
    made.setup({"job": json.dumps(job.plain())})
    assert [report_of(made.step()).epochs for _ in range(2)] == [1.0, 3.0]


@pytest.mark.parametrize("broken", ["torch", "safetensors", "trainables.workers.worker"])
def test_an_import_that_fails_is_a_fault_of_the_trial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    for name in [
        n for n in sys.modules if n.startswith(("trainables.workers.w", "trainables.tri"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, broken, None)
    fault = report_of(trainable(tmp_path).step()).fault
    assert fault is not None and fault.type == "ModuleNotFoundError"
    assert broken in fault.message and "worker" in fault.traceback
    (record,) = StudyFolder(str(tmp_path)).records().records
    assert record.error == vars(fault)


def test_where_no_record_can_be_written_the_driver_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("trainables.jobs.job_record", "trainables.workers.worker"):
        monkeypatch.setitem(sys.modules, name, None)
    report = report_of(trainable(tmp_path).step())
    assert report.fault is not None and "trainables.workers.worker" in report.fault.message
    (note,) = report.notes
    assert note.startswith("the failed record could not be written: import of trainables.jobs")


def test_a_dense_run_that_fails_has_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyTrainable, "_advance", failing(ValueError("no")))
    report = report_of(trainable(tmp_path, goal="dense").step())
    assert str(report.fault) == "ValueError: no" and report.notes == ()
    assert not StudyFolder(str(tmp_path)).records().records
