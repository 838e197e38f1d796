"""`bimp schedule`: one number per step, worked out by hand; every wrong option named."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from study.views import rates
from study.views.rates import RateQuery
from tests.study.conftest import Command
from trainables.formulas.dense_schedules import dense_rates
from trainables.formulas.schedules import RETRAIN_SCHEDULES, retrain_rates
from trainables.vocabulary.refusal import Refusal

BASE = {
    "--dense-schedule": "multistep", "--milestones": "1", "--lr": "0.1", "--dense-epochs": "2",
    "--steps-per-epoch": "4", "--epochs": "1",
}  # fmt: skip


def arguments(name: str, **changes: str | None) -> list[str]:
    """The base options with changes, None taking one out."""
    merged = {**BASE, **{f"--{k.replace('_', '-')}": v for k, v in changes.items()}}
    return ["schedule", name, *(p for k, v in merged.items() if v is not None for p in (k, v))]


def query(schedule: str = "ft", **changes: Any) -> RateQuery:
    fields: dict[str, Any] = {
        "dense_schedule": "linear", "lr": 0.1, "dense_epochs": 2.0, "steps_per_epoch": 4,
        "epochs": 1.0,
    }  # fmt: skip
    return RateQuery(schedule=schedule, **{**fields, **changes})


DENSE = [0.1] * 4 + [pytest.approx(0.01)] * 4


@pytest.mark.parametrize(
    ("name", "changes", "retrain"),
    [
        ("ft", {}, [0.01] * 4),
        ("lrw", {}, [0.01] * 4),
        ("lrw", {"epochs": "1.5"}, [0.1] * 2 + [0.01] * 4),
        ("slr", {}, [0.1, 0.1, 0.01, 0.01]),
        ("llr", {}, [0.1, 0.075, 0.05, 0.025]),
        ("allr", {"discount": "0.5"}, [0.05, 0.0375, 0.025, 0.0125]),
        ("constant", {"init": "0.3", "warmup": "0.5"}, [0, 0.15, 0.3, 0.3]),
        ("linear", {"init": "0.3", "warmup": "0"}, [0.3, 0.225, 0.15, 0.075]),
    ],
)
def test_json_by_hand(
    name: str, changes: dict[str, str], retrain: list[float], bimp: Command
) -> None:
    ended = bimp(*arguments(name, **changes))
    assert (ended.status, ended.err) == (0, "")
    found = json.loads(ended.out)
    assert list(found) == ["dense", "retrain"]
    assert found["dense"] == DENSE
    assert found["retrain"] == pytest.approx(retrain)


@pytest.mark.parametrize("name", RETRAIN_SCHEDULES)
def test_every_schedule_prints_what_training_uses(name: str, bimp: Command) -> None:
    ended = bimp("schedule", name, "--dense-schedule", "cosine", "--lr", "0.4", "--dense-epochs",
                 "30", "--warmup-epochs", "2", "--steps-per-epoch", "7", "--epochs", "3.5",
                 "--discount", "0.6", "--init", "0.2", "--warmup", "0.3")  # fmt: skip
    dense = dense_rates("cosine", lr=0.4, steps=210, steps_per_epoch=7, warmup_steps=14)
    retrain = retrain_rates(
        name, steps=24, dense=dense, dense_warmup_steps=14, discount=0.6, init=0.2, warmup=0.3
    )
    assert json.loads(ended.out) == {"dense": dense, "retrain": retrain}


def test_options_that_change_nothing_are_named_beside_the_rates(bimp: Command) -> None:
    ended = bimp(*arguments("llr", discount="0.5", every="3"))
    assert ended.status == 0
    assert json.loads(ended.out)
    assert ended.err == (
        "note: --every changes nothing under multistep and llr\n"
        "note: --discount changes nothing under multistep and llr\n"
    )


def test_csv(bimp: Command) -> None:
    ended = bimp(*arguments("llr"), "--format", "csv")
    rows = list(csv.DictReader(ended.out.splitlines()))
    assert len(rows) == 12
    assert rows[0] == {"phase": "dense", "step": "0", "epoch": "0", "lr": "0.1"}
    assert rows[4]["epoch"] == "1"
    assert rows[8] == {"phase": "retrain", "step": "0", "epoch": "0", "lr": "0.1"}
    assert float(rows[11]["lr"]) == pytest.approx(0.025)


def test_html_needs_no_host(tmp_path: Path, bimp: Command) -> None:
    file = tmp_path / "rates.html"
    ended = bimp(*arguments("allr", discount="0.5"), "--format", "html", "-o", file)
    assert (ended.status, ended.out, ended.err) == (0, "", "")
    page = file.read_text()
    assert "<title>Learning rates: allr after multistep</title>" in page
    assert 'src="http' not in page
    assert "d = 0.5" in page


def test_a_file_that_cannot_be_written(tmp_path: Path, bimp: Command) -> None:
    (tmp_path / "file").write_text("")
    ended = bimp(*arguments("ft"), "-o", tmp_path / "file" / "x.json")
    assert ended.status == 2
    assert ended.err.startswith("bimp: -o must be a file that can be written, got ")


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("allr", {}, "--discount must be given under allr, got nothing"),
        ("cosine", {}, "--init must be given under cosine, got nothing"),
        ("lrw", {"epochs": "3"}, "--epochs must be <= --dense-epochs (2) under lrw, which replays "
         "the dense run's last steps, got 3"),
        ("ft", {"milestones": None}, "--milestones must be one or more epochs > 0 in increasing "
         "order, got ()"),
        ("ft", {"milestones": "2,1"}, "--milestones must be one or more epochs > 0 in increasing "
         "order, got (2.0, 1.0)"),
        ("ft", {"milestones": "1;2"}, "--milestones must be epochs as in 5,8, got '1;2'"),
        ("ft", {"dense_epochs": "0.1"}, "--dense-epochs must give at least one optimiser step, "
         "got 0.1"),
        ("ft", {"epochs": "0.1"}, "--epochs must give at least one optimiser step, got 0.1"),
        ("ft", {"warmup_epochs": "2"}, "--warmup-epochs must be shorter than the dense run "
         "(2 epochs), got 2"),
        ("ft", {"dense_schedule": "linear", "lr_end": "0.2"}, "--lr-end must be in [0, lr], "
         "got 0.2"),
    ],
)  # fmt: skip
def test_wrong_options(
    name: str, changes: dict[str, str | None], message: str, bimp: Command
) -> None:
    ended = bimp(*arguments(name, **changes))
    assert (ended.status, ended.out, ended.err) == (2, "", f"bimp: {message}\n")


@pytest.mark.parametrize(
    ("name", "changes", "option"),
    [
        ("alr", {}, "NAME"),
        ("ft", {"dense_schedule": "linaer"}, "--dense-schedule"),
        ("ft", {"lr": "0"}, "--lr"),
        ("ft", {"lr": None}, "--lr"),
        ("ft", {"steps_per_epoch": "0"}, "--steps-per-epoch"),
        ("ft", {"gamma": "1.1"}, "--gamma"),
        ("allr", {"discount": "0"}, "--discount"),
        ("allr", {"discount": "1.01"}, "--discount"),
        ("linear", {"init": "0.1", "warmup": "1"}, "--warmup"),
    ],
)
def test_options_out_of_range(
    name: str, changes: dict[str, str | None], option: str, bimp: Command
) -> None:
    ended = bimp(*arguments(name, **changes))
    assert (ended.status, ended.out) == (2, "")
    assert f"'{option}'" in ended.err


def test_bounds_of_lrw_and_of_the_warm_up() -> None:
    assert len(rates.rates(query("lrw", epochs=2.0))["retrain"]) == 8
    with pytest.raises(Refusal, match=r"got 2\.25"):
        rates.rates(query("lrw", epochs=2.25))
    assert rates.rates(query(warmup_epochs=1.75))["dense"][7] == pytest.approx(0.1)
    with pytest.raises(Refusal, match="must be shorter than the dense run"):
        rates.rates(query(warmup_epochs=2.0))


def test_what_is_idle() -> None:
    everything = {
        "milestones": (1.0,), "gamma": 0.1, "every": 1.0, "lr_end": 0.0, "discount": 0.5,
        "init": 0.1, "warmup": 0.1,
    }  # fmt: skip
    assert query("ft").idle() == []
    assert query("allr", **everything).idle() == [
        "--milestones", "--gamma", "--every", "--init", "--warmup",
    ]  # fmt: skip
    assert query("cosine", dense_schedule="step", **everything).idle() == [
        "--milestones", "--lr-end", "--discount",
    ]  # fmt: skip
