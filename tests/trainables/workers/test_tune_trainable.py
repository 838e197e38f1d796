"""Which faults end a trial, and which the whole process; a failing import is one of the former."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.trials.plain import cache, job_for, run_trial, timeless, tiny
from trainables.data.raw import DataFormatError, DataMissingError
from trainables.files import token
from trainables.files.outages import StoreOutage
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.jobs.job_report import KEY, Fault, JobReport, NodeFault
from trainables.jobs.provenance import Place
from trainables.parallel.ranks import RankLost
from trainables.waiting.patience import Patience
from trainables.workers import tune_trainable, worker
from trainables.workers.crew import RankFault
from trainables.workers.failures import kind_of
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
        RankLost("the process at rank 1 was lost"),
        RankFault(1, Fault("OutOfMemoryError", "CUDA out of memory")),
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
    there = {"node": "n1", "worker": "w1"}
    monkeypatch.setattr(tune_trainable, "place", lambda: Place("n1", "w1"))
    with monkeypatch.context() as patch:
        patch.setattr(StudyTrainable, "_advance", failing(RuntimeError("a shape is wrong")))
        made._tasks = object()  # type: ignore[assignment]
        assert report_of(made.step()).outcome == "failed"
    (record,) = StudyFolder(str(tmp_path)).records().records
    assert (record.state, record.message) == ("failed", "RuntimeError: a shape is wrong")
    assert {"host", "started_at", "finished_at"} <= set(record.provenance)
    assert there.items() <= record.provenance.items()
    assert made._tasks is None
    while (report := report_of(made.step())).outcome == "running":
        pass
    assert report.outcome == "done"
    (record,) = StudyFolder(str(tmp_path)).records().records
    assert there.items() <= record.provenance.items()
    assert timeless(record) == timeless(run_trial(tiny(), tmp_path / "without a cluster"))


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ValueError("a shape is wrong"), "trial"),
        (KeyError("x"), "trial"),
        (ImportError("no module"), "node"),
        (NodeFault("no device"), "node"),
        (DataMissingError("not there"), "node"),
        (DataFormatError("truncated"), "node"),
        (OSError(24, "Too many open files"), "node"),
        (StoreOutage("out"), "store"),
        (RankFault(1, Fault("ValueError", "a shape is wrong")), "trial"),
        (RankFault(1, Fault("NodeFault", "no device", "a trace", "node")), "node"),
    ],
)
def test_faults_are_of_the_trial_the_node_or_the_store(error: Exception, kind: str) -> None:
    assert kind_of(error) == kind
    with pytest.raises(RuntimeError) as outer:
        raise RuntimeError("around it") from error
    assert kind_of(outer.value) == kind


def test_a_trial_asks_for_its_share_on_any_node_but_those_it_avoids() -> None:
    config = {"job": "", "resources": {"CPU": 2.0, "GPU": 0.5}, "avoid": []}
    anywhere = StudyTrainable.default_resource_request(config)
    assert anywhere.bundles == [{"CPU": 2.0, "GPU": 0.5}]
    assert anywhere == StudyTrainable.default_resource_request(config)
    elsewhere = StudyTrainable.default_resource_request({**config, "avoid": ["0a", "1b"]})
    assert elsewhere != anywhere
    selector = [{"ray.io/node-id": "!in(0a,1b)"}]
    assert elsewhere._bound.arguments["bundle_label_selector"] == selector


def test_processes_of_a_trial_get_as_much_each_and_are_on_one_node() -> None:
    config = {"resources": {"CPU": 2.0, "GPU": 1.0}, "processes": 3, "avoid": ["0a"]}
    request = StudyTrainable.default_resource_request(config)
    assert request.bundles == [{"CPU": 2.0, "GPU": 1.0}] * 3
    assert request.strategy == "STRICT_PACK"
    bound: Any = request._bound
    selector = bound.arguments["bundle_label_selector"]
    assert selector == [{"ray.io/node-id": "!in(0a)"}] * 3
    alone = StudyTrainable.default_resource_request({**config, "processes": 1})
    assert (alone.bundles, alone.strategy) == ([{"CPU": 2.0, "GPU": 1.0}], "PACK")


class Out(LocalFolder):
    """A folder that can be switched off, for all of its kind."""

    down = False

    def write(self, name: str, data: bytes) -> None:
        if Out.down:
            raise OSError(28, "No space left on device")
        super().write(name, data)


@pytest.fixture
def out(monkeypatch: pytest.MonkeyPatch) -> type[Out]:
    monkeypatch.setattr(Out, "down", False)
    monkeypatch.setattr(token, "open_folder", lambda location: Out(str(location)))
    monkeypatch.setattr(worker, "Patience", lambda seconds: Patience(seconds, first_s=0.0))
    return Out


def test_a_store_that_is_out_is_waited_for_and_the_result_is_the_same(
    tmp_path: Path, out: type[Out]
) -> None:
    """Before each unit of work that succeeds the store fails twice."""
    calm = run_trial(tiny(), tmp_path / "calm")
    job = job_for(tiny(), tmp_path / "disturbed", store_patience=600.0)
    run, waits = worker.JobRun(job, cache()), 0
    while True:
        for out.down in (True, True, False):
            report = run.advance()
            waits += bool(report.waits)
        if report.final:
            break
    assert report.outcome == "done" and waits > 2
    record = StudyFolder(str(tmp_path / "disturbed")).read_record(job.fingerprint)
    assert record is not None and timeless(record) == timeless(calm)
    assert sorted(record.provenance["stages_trained"]) == sorted(calm.stages)


def to_its_end(run: worker.JobRun) -> None:
    while not run.advance().final:
        pass


def test_patience_with_a_store_ends_in_its_fault(tmp_path: Path, out: type[Out]) -> None:
    job = job_for(tiny(), tmp_path, store_patience=0.05)
    run = worker.JobRun(job, cache())
    out.down = True
    with pytest.raises(StoreOutage, match="No space left"):
        to_its_end(run)


def test_a_worker_that_cannot_write_at_all_says_so_after_a_while_and_leaves_when_told(
    tmp_path: Path, out: type[Out], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = worker.JobRun(job_for(tiny(), tmp_path, store_patience=600.0), cache())
    out.down = True
    while not (report := run.advance()).waits:
        pass
    assert not report.shut, "it has not waited long"
    monkeypatch.setattr(worker, "SHUT_S", 0.0)
    assert run.advance().shut
    monkeypatch.setattr(token, "probe", lambda _: None)
    assert not run.advance().shut, "a small file can be written: the disk is full"
    run.leave()
    with pytest.raises(StoreOutage, match="No space left"):
        run.advance()


def test_a_worker_s_first_report_comes_after_one_epoch(tmp_path: Path) -> None:
    job = job_for(tiny(dense={"epochs": 4}), tmp_path, unit_s=60.0)
    made = StudyTrainable.__new__(StudyTrainable)
    made.setup({"job": json.dumps(job.plain())})
    assert [report_of(made.step()).epochs for _ in range(2)] == [1.0, 3.0]


@pytest.mark.parametrize("broken", ["torch", "safetensors", "trainables.workers.worker"])
def test_an_import_that_fails_is_a_fault_of_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    for name in [
        n for n in sys.modules if n.startswith(("trainables.workers.w", "trainables.tri"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, broken, None)
    fault = report_of(trainable(tmp_path).step()).fault
    assert fault is not None and (fault.type, fault.kind) == ("ModuleNotFoundError", "node")
    assert broken in fault.message and "worker" in fault.traceback
    assert not StudyFolder(str(tmp_path)).records().records, "it may succeed on another node"


def test_where_no_record_can_be_written_the_driver_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyTrainable, "_advance", failing(RuntimeError("a shape is wrong")))
    monkeypatch.setitem(sys.modules, "trainables.jobs.job_record", None)
    report = report_of(trainable(tmp_path).step())
    assert report.fault is not None and "a shape is wrong" in report.fault.message
    (note,) = report.notes
    assert note.startswith("the failed record could not be written: import of trainables.jobs")


def test_a_dense_run_that_fails_has_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(StudyTrainable, "_advance", failing(ValueError("no")))
    report = report_of(trainable(tmp_path, goal="dense").step())
    assert str(report.fault) == "ValueError: no" and report.notes == ()
    assert not StudyFolder(str(tmp_path)).records().records
