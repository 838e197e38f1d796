"""`bimp bench` on trials that were really trained: what is measured, kept and refused."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from analysis.frames.study_frames import read
from study.cli.bench import command
from study.views.latency import Order, conditions, measured, table
from tests.trainables.deploy.study_folders import DIGITS, trained_trial
from trainables.files.latencies import read_latencies
from trainables.files.storage import open_folder
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal

MLP = {"dataset": DIGITS, "model": {"name": "mlp", "hidden": [64]}}
QUICK: dict[str, Any] = {"batches": (2,), "rounds": 6}


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Record, Record]:
    """A folder with one trial of filters and one of single weights."""
    folder = tmp_path_factory.mktemp("bench") / "study"
    made = [
        trained_trial(folder, MLP, prune={"sparsity": 0.5, "structure": structure})
        for structure in ("filters", "weights")
    ]
    return str(folder), made[0], made[1]


def test_filters_are_taken_out_and_single_weights_are_not(
    trials: tuple[str, Record, Record],
) -> None:
    folder, filters, weights = trials
    found = {m.record.fingerprint: m for m in measured(folder, Order(**QUICK))}
    rows = {row.form: row for row in found[filters.fingerprint].rows}
    assert set(rows) == {"dense", "masked", "removed"}
    # 64 units of 64 inputs and 10 outputs; 37 x 64 are half of the 4,736 weights
    assert rows["dense"].multiply_adds == rows["masked"].multiply_adds == 64 * 64 + 64 * 10
    assert rows["removed"].multiply_adds == 27 * 64 + 27 * 10
    assert rows["removed"].n_parameters == 27 * 64 + 27 + 27 * 10 + 10
    for row in rows.values():
        assert row.latency_ms > 0 and row.lo_ms is not None and row.hi_ms is not None
        assert row.lo_ms <= row.latency_ms <= row.hi_ms
        assert (row.runs, row.batch, row.threads, row.device) == (6, 2, 1, "cpu")
        assert row.machine and row.versions["torch"]
    assert {row.form for row in found[weights.fingerprint].rows} == {"dense", "masked"}
    [note] = found[weights.fingerprint].notes
    assert "no filter can be taken out" in note
    kept = read_latencies(open_folder(folder), filters.fingerprint)
    assert kept == list(found[filters.fingerprint].rows)
    frame = read(folder).latency
    assert sorted(frame["form"]) == ["dense", "dense", "masked", "masked", "removed"]


def test_the_masked_network_is_measured_in_int8(trials: tuple[str, Record, Record]) -> None:
    """It has the levels, one scale for each output, and biases in single precision."""
    folder, filters, _ = trials
    order = Order(forms=("masked", "quantised"), **QUICK)
    [one] = measured(folder, order, trial=filters.fingerprint)
    rows = {row.form: row for row in one.rows}
    assert rows["masked"].n_bytes == 4 * (64 * 64 + 64 + 64 * 10 + 10)
    assert rows["quantised"].n_bytes == 64 * 64 + 64 * 10 + 4 * 2 * (64 + 10)
    assert rows["quantised"].multiply_adds == rows["masked"].multiply_adds
    assert rows["masked"].difference == 0
    share = rows["quantised"].difference
    assert share is not None and 0 < share < 0.05
    assert rows["quantised"].versions["torchao"] and "torchao" not in rows["masked"].versions
    sentence = conditions(one.rows)[-1]
    assert sentence.startswith(
        f"in int8 outputs of torch differ from single precision's by up to {share:.2g} of"
    )
    assert "not for convolutions" in sentence


def test_the_table_names_machine_and_the_truth_about_zeros(
    trials: tuple[str, Record, Record],
) -> None:
    folder, filters, _ = trials
    order = Order(forms=("masked", "dense"), **QUICK)
    [one] = measured(folder, order, trial=filters.fingerprint[:6])
    lines = table([one]).splitlines()
    assert lines[0].split() == [
        "trial", "form", "backend", "batch", "ms", "95", "%", "gain", "multiply-adds", "parameters",
    ]  # fmt: skip
    assert len(lines) == 4
    told = conditions(one.rows)
    assert one.rows[0].machine in told[0] and "1 thread" in told[0]
    assert "do not speed up dense kernels" in told[1]


def test_the_best_trial_alone_is_measured(trials: tuple[str, Record, Record]) -> None:
    folder, *records = trials
    order = Order(forms=("masked",), **QUICK)
    [one] = measured(folder, order, metric="val_accuracy")
    top = max(r.metrics["val_accuracy"] for r in records)
    assert one.record.metrics["val_accuracy"] == top


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (Order(forms=("sparse",)), "--form must be of dense, masked, removed, quantised, got"),
        (
            Order(forms=("quantised",), backends=("openvino",)),
            "--form quantised must run in torch or compile or onnxruntime, got --backend openvino",
        ),
        (Order(backends=("tvm",)), "--backend must be of torch, compile, onnxruntime, openvino"),
        (Order(batches=(8, 0)), "--batch must be >= 1, got 0"),
        (Order(batches=(8, 10**9)), "--batch must be <= 65536, got 1000000000"),
        (Order(threads=0), "--threads must be >= 1, got 0"),
        (Order(threads=10**6), ", the cores of this machine, got 1000000"),
        (Order(rounds=10**20), f"--rounds must be <= 10000, got {10**20}"),
        (Order(device="tpu"), "--device must be cpu, cuda or cuda:N, got 'tpu'"),
        (Order(device="cuda:64"), "--device must be there, got cuda:64"),
    ],
)
def test_an_order_is_refused_before_the_folder_is_read(order: Order, message: str) -> None:
    with pytest.raises(Refusal) as error:
        next(measured("/nonexistent", order))
    assert message in str(error.value)


def test_the_command(trials: tuple[str, Record, Record]) -> None:
    folder, filters, _ = trials
    arguments = [folder, "--trial", filters.fingerprint, "--form", "masked,removed", "--batch", "1"]
    result = CliRunner().invoke(command, [*arguments, "--rounds", "6"])
    assert result.exit_code == 0, result.output
    assert "removed" in result.output and "medians of 6 samples" in result.output
    result = CliRunner().invoke(command, [folder, "--batch", "1,x"])
    assert result.exit_code == 2 and "--batch must be whole numbers, got 'x'" in result.output
