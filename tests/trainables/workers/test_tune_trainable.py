"""Which faults end a trial, and which the whole process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.trials.plain import job_for, tiny
from trainables.files.records import StudyFolder
from trainables.workers.tune_trainable import StudyTrainable


def trainable(folder: Path) -> StudyTrainable:
    made = StudyTrainable.__new__(StudyTrainable)
    made.setup({"job": json.dumps(job_for(tiny(), folder).plain())})
    return made


def failing(error: Exception) -> Any:
    def advance(self: StudyTrainable, job: object) -> dict[str, Any]:
        raise error

    return advance


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
        made._workbench = object()  # type: ignore[assignment]
        told = made.step()
    assert told["done"]
    assert json.loads(told["told"])["outcome"] == "failed"
    (record,) = StudyFolder(str(tmp_path)).records().records
    assert (record.state, record.message) == ("failed", "RuntimeError: a shape is wrong")
    assert made._workbench is None
    while not told["done"] or json.loads(told["told"])["outcome"] == "failed":
        told = made.step()
    assert json.loads(told["told"])["outcome"] == "done"
