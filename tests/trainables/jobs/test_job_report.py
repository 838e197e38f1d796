"""A report as it travels: what comes back is what was told."""

from __future__ import annotations

import pytest

from trainables.jobs.job_report import Fault, JobReport, NodeFault


@pytest.mark.parametrize(
    "report",
    [
        JobReport("running", "a1", 2.5, ("the stage was set aside",)),
        JobReport("done", "b2", 1.0, (), {"val_accuracy": 0.75}, ("a1", "b2")),
        JobReport("failed", fault=Fault("ValueError", "no\nluck", "Traceback ...")),
        JobReport("failed", fault=Fault("OSError", "full", kind="node"), node="0a"),
        JobReport("running", saved=(1, 250), waits="the store is out"),
    ],
)
def test_a_report_comes_back_as_it_was_told(report: JobReport) -> None:
    assert JobReport.of_json(report.to_json()) == report


def test_a_job_is_over_once_it_does_not_run() -> None:
    outcomes = ("running", "leased", "done", "diverged", "failed")
    assert [JobReport(outcome).final for outcome in outcomes] == [False, True, True, True, True]


def test_a_fault_holds_where_it_arose() -> None:
    def cause() -> None:
        raise KeyError("sparsity")

    with pytest.raises(KeyError) as caught:
        cause()
    fault = Fault.of(caught.value)
    assert str(fault) == "KeyError: 'sparsity'"
    assert "in cause" in fault.traceback


def test_only_what_a_node_lacks_for_every_trial_is_of_all_trials() -> None:
    assert Fault.of(NodeFault("no device"), "node").of_all_trials
    assert not Fault.of(ImportError("no module"), "node").of_all_trials
