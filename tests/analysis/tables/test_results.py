"""What `bimp results` prints: every format read back, every level, and what it must not load."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import frames
from analysis.tables.results import FORMATS, LEVELS, run_results
from tests.analysis.small import config, record, write_small
from trainables.files.records import StudyFolder

DATA = ("csv", "json", "parquet")


def rows_of(content: str | bytes, shape: str) -> list[dict[str, Any]]:
    if shape == "parquet":
        assert isinstance(content, bytes)
        frame = pd.read_parquet(io.BytesIO(content)).astype(object)
        rows = frame.where(frame.notna(), None).to_dict("records")
        return [{str(key): value for key, value in row.items()} for row in rows]
    assert isinstance(content, str)
    if shape == "json":
        return list(json.loads(content))
    return [{k: v or None for k, v in row.items()} for row in csv.DictReader(io.StringIO(content))]


@pytest.mark.parametrize("shape", DATA)
def test_data_formats_hold_everything_in_full(small: StudyFolder, shape: str) -> None:
    rows = rows_of(run_results([small.location], format=shape), shape)
    trials = frames.trials(small.location)
    assert list(rows[0]) == list(trials.columns)
    assert len(rows) == 6
    by_name = {row["fingerprint"]: row for row in rows}
    assert float(by_name["allr1"]["test_accuracy"]) == 0.86 - 0.01
    assert by_name["broken"]["val_accuracy"] is None
    assert by_name["ft0"]["retrain.discount"] is None
    assert by_name["wild"]["state"] == "diverged"
    assert all(row["gpu_memory_bytes"] is None for row in rows)


def test_json_keeps_kinds(small: StudyFolder) -> None:
    (row,) = rows_of(
        run_results([small.location], where="fingerprint == 'ft0'", format="json"), "json"
    )
    assert row["task.model.hidden"] == [64, 32]
    assert row["task.dataset.augment"] is False
    assert row["prune.cycles"] == 2
    assert row["origin.number"] == 0


@pytest.mark.parametrize("shape", DATA)
def test_settings_that_mix_numbers_and_words_are_written(tmp_path: Path, shape: str) -> None:
    study = StudyFolder(str(tmp_path))
    for name, discount in (("a", "adaptive"), ("b", 0.25), ("c", None)):
        fields: dict[str, Any] = {} if discount is None else {"discount": discount}
        study.write_record(record(name, config=config(**fields)))
    rows = rows_of(run_results([str(tmp_path)], sort=["fingerprint"], format=shape), shape)
    found = [row["retrain.discount"] for row in rows]
    assert found == ["adaptive", 0.25 if shape == "json" else "0.25", None]


@pytest.mark.parametrize("shape", FORMATS)
@pytest.mark.parametrize("level", LEVELS)
def test_every_format_of_every_level(small: StudyFolder, level: str, shape: str) -> None:
    content = run_results([small.location], level=level, format=shape)
    assert len(content) > 100
    if shape in DATA:
        counts = {"trials": 6, "cycles": 8, "epochs": 31}
        assert len(rows_of(content, shape)) == counts[level]
    else:
        assert isinstance(content, str)
        assert "nan" not in content.lower()


def test_levels_below_carry_the_settings_that_differ(small: StudyFolder) -> None:
    rows = rows_of(run_results([small.location], level="cycles", format="json"), "json")
    assert {"seed", "state", "retrain.schedule", "cycle", "d1"} <= set(rows[0])
    assert "dense.lr" not in rows[0]
    rows = rows_of(
        run_results(
            [small.location], level="epochs", where="dense.lr == 0.1 and retrain.schedule == 'ft'",
            columns=["dense_epochs", "dense.lr", "total_epoch"], sort=["total_epoch"],
            format="json",
        ),
        "json",
    )  # fmt: skip
    assert rows[0] == {"dense_epochs": 3.0, "dense.lr": 0.1, "total_epoch": 0}
    assert len(rows) == 7 + 7 + 3


def test_a_group_counts_dense_networks_and_not_their_retrainings(tmp_path: Path) -> None:
    """Means per seed .82 and .90 of two retrainings each; grouped by seed, the retrainings."""
    study = StudyFolder(str(tmp_path))
    values = {(0, 0): 0.80, (0, 1): 0.84, (1, 0): 0.88, (1, 1): 0.92}
    for (seed, again), value in values.items():
        retrain: dict[str, Any] = {"seed": again} if again else {}
        study.write_record(
            record(f"{seed}{again}", seed, config=config(**retrain),
                   metrics={"val_accuracy": value})
        )  # fmt: skip

    def rows(by: str) -> list[dict[str, Any]]:
        content = run_results(
            [str(tmp_path)], group_by=[by], columns=["val_accuracy"], format="json"
        )
        return rows_of(content, "json")

    (whole,) = rows("prune.sparsity")
    assert (whole["n"], whole["mean"]) == (2, pytest.approx(0.86))
    assert whole["std"] == pytest.approx(0.08 / 2**0.5)
    assert [(row["n"], row["mean"]) for row in rows("seed")] == [
        (2, pytest.approx(0.82)), (2, pytest.approx(0.90)),
    ]  # fmt: skip
    note = "The value of a seed is the mean over its 2 retrainings: n counts dense networks."
    assert note in str(run_results([str(tmp_path)], group_by=["prune.sparsity"]))
    listed = run_results([str(tmp_path)], format="json")
    assert [(r["seed"], r["retrain_seed"]) for r in rows_of(listed, "json")] == list(values)
    assert "retrain_seed" in str(run_results([str(tmp_path)]))
    assert "retrain_seed" in str(run_results([str(tmp_path)], level="cycles", format="csv"))


def test_rows_are_filtered_sorted_and_cut_to_columns(small: StudyFolder) -> None:
    content = run_results(
        [small.location], where="val_accuracy > 0.8 and seed < 2", sort=["-val_accuracy"],
        columns=["retrain.schedule", "val_accuracy"], format="csv",
    )  # fmt: skip
    assert content == "retrain.schedule,val_accuracy\nallr,0.9\nallr,0.86\nft,0.82\n"


def test_trials_come_by_setting_and_seed(small: StudyFolder) -> None:
    rows = rows_of(run_results([small.location], format="json"), "json")
    assert [(r["retrain.schedule"], r["seed"]) for r in rows] == [
        ("ft", 0), ("ft", 0), ("ft", 1), ("ft", 1), ("allr", 0), ("allr", 1),
    ]  # fmt: skip


def test_groups_by_value(small: StudyFolder) -> None:
    rows = rows_of(
        run_results([small.location], group_by=["retrain.schedule"], format="json"), "json"
    )
    assert [(r["retrain.schedule"], r["metric"], r["n"]) for r in rows] == [
        ("ft", "test_accuracy", 2), ("ft", "val_accuracy", 2),
        ("allr", "test_accuracy", 2), ("allr", "val_accuracy", 2),
    ]  # fmt: skip
    assert rows[1]["mean"] == pytest.approx(0.81)
    assert (rows[1]["n_failed"], rows[1]["n_diverged"]) == (1, 1)
    best = run_results(
        [small.location], group_by=["retrain.schedule"], columns=["val_accuracy"], sort=["-mean"],
        format="csv",
    )  # fmt: skip
    assert str(best).splitlines()[1].startswith("allr,val_accuracy,0.88,")


def test_the_table_leaves_out_what_is_the_same_and_says_so(small: StudyFolder) -> None:
    text = str(run_results([small.location]))
    head = text.splitlines()[0].split()
    assert head == [
        "fingerprint", "retrain.schedule", "retrain.discount", "seed", "state", "val_accuracy",
        "test_accuracy", "train_s", "message",
    ]  # fmt: skip
    assert "Same in all rows: task.dataset = digits" in text
    assert "prune.sparsity = 0.9" in text
    assert "task.dataset.n_train" not in text
    (broken,) = [line for line in text.splitlines() if line.startswith("broken")]
    assert broken.split() == [
        "broken",
        "ft",
        "-",
        "0",
        "failed",
        "-",
        "-",
        "-",
        "ValueError:",
        "no",
    ]
    hidden = len(frames.trials(small.location).columns) - len(head) - 13
    assert f"6 rows; {hidden} more columns are shown where --columns names them." in text


def test_named_columns_are_shown_even_where_they_are_the_same(small: StudyFolder) -> None:
    text = str(run_results([small.location], columns=["dense.lr", "prune.*"]))
    assert text.splitlines()[0].split() == ["dense.lr", "prune.sparsity", "prune.cycles"]
    assert "Same in all rows" not in text


def test_a_long_or_hostile_message_stays_on_its_line(small: StudyFolder) -> None:
    small.write_record(
        record("evil", config=config("ft"), state="failed", message="\x1b[2J|" + "x" * 500)
    )
    text = str(run_results([small.location]))
    (line,) = [line for line in text.splitlines() if line.startswith("evil")]
    assert "\x1b" not in line
    assert r"\x1b[2J|" in line
    assert line.rstrip().endswith("…")
    markdown = str(run_results([small.location], format="markdown"))
    (line,) = [line for line in markdown.splitlines() if line.startswith("| evil")]
    assert r"\|xxx" in line


def test_several_folders_get_a_study_column(tmp_path: Path, small: StudyFolder) -> None:
    other = write_small(str(tmp_path / "other"))
    for name in ("ft0", "ft1"):
        other.write_record(record(name, study="other"))
    text = str(run_results([small.location, other.location]))
    assert text.split()[0] == "study"


def test_the_file_is_written_and_its_folder_made(small: StudyFolder, tmp_path: Path) -> None:
    target = tmp_path / "new" / "out.csv"
    content = run_results([small.location], format="csv", output=str(target))
    assert target.read_text() == content
    target = tmp_path / "out.parquet"
    run_results([small.location], format="parquet", output=str(target))
    assert len(pd.read_parquet(target)) == 6


def test_warnings_reach_the_one_who_asked(
    small: StudyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    small.folder.write("records/ft0.json", b"{")
    small.folder.write("stages/dense0/stage.json", b"{")
    said: list[str] = []
    run_results([small.location], warn=said.append)
    assert len(said) == 1
    said.clear()
    run_results([small.location], level="epochs", warn=said.append)
    assert ["ft0.json" in said[0], "dense0" in said[1]] == [True, True]
    assert capsys.readouterr().err == ""
    run_results([small.location])
    assert capsys.readouterr().err.startswith(f"warning: {small.location}: records/ft0.json")


def test_an_empty_result_is_an_answer(small: StudyFolder) -> None:
    for shape in FORMATS:
        content = run_results([small.location], where="seed == 9", format=shape)
        if shape in DATA:
            assert rows_of(content, shape) == []
        else:
            assert "0 rows" in str(content)


@pytest.mark.parametrize("wanted", [{"columns": ["val_accuracy"]}, {"group_by": ["seed"]}])
def test_an_empty_result_has_the_heads_asked_for(
    wanted: dict[str, Any], small: StudyFolder, tmp_path: Path
) -> None:
    head = "val_accuracy" if "columns" in wanted else "n_missing"
    for shape in FORMATS:
        content = run_results([small.location], where="seed == 9", format=shape, **wanted)
        assert shape in DATA or head in str(content).replace("\\", "")
    (tmp_path / "study.yaml").write_text("name: nothing yet")
    assert "val_accuracy" in str(run_results([str(tmp_path)], columns=["val_accuracy"]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": "trial"}, "--level must be one of trials, cycles, epochs, got 'trial'"),
        ({"format": "xml"}, "--format must be one of table, csv, json, parquet, markdown, latex"),
        ({"columns": ["nothing"]}, r"unknown column 'nothing'; nearest are (\S+, ){4}\S+$"),
        ({"where": "sed == 1"}, "unknown column 'sed'; nearest are seed"),
        ({"columns": ["val_acuracy"]}, "unknown column 'val_acuracy'; nearest are val_accuracy"),
        ({"sort": ["-nothing"]}, "unknown column 'nothing'"),
        ({"group_by": ["schedule"]}, r"unknown column 'schedule'; nearest are.*retrain\.schedule"),
        (
            {"group_by": ["seed"], "columns": ["prune.sparsity"]},
            "--columns must be metrics under --group-by, got 'prune.sparsity'",
        ),
    ],
)
def test_a_wrong_option_is_one_clear_error(
    small: StudyFolder, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        run_results([small.location], **options)


def test_no_study_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no study at"):
        run_results([str(tmp_path / "none")])


def test_listing_results_loads_nothing_heavy(small: StudyFolder) -> None:
    code = (
        "import sys; from analysis.tables.results import run_results;"
        "run_results([sys.argv[1]], where='seed < 9', sort=['seed']);"
        "run_results([sys.argv[1]], 'epochs', format='csv');"
        "heavy = {'torch', 'ray', 'scipy', 'plotly', 'optuna', 'dash', 'matplotlib', 'sklearn'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, small.location],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"


def test_grouping_columns_of_the_trials_are_known_below(small: StudyFolder) -> None:
    rows = rows_of(
        run_results(
            [small.location], level="cycles", group_by=["dense.lr"], columns=["d1"], format="json"
        ),
        "json",
    )
    assert rows[0]["mean"] == pytest.approx(0.45)
    assert rows[0]["n"] == 8
    assert rows[0]["dense.lr"] == 0.1


def test_groups_that_run_over_several_settings_say_so_to_people(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    for place, (schedule, sparsity) in enumerate([("ft", 0.8), ("ft", 0.9), ("llr", 0.9)]):
        study.write_record(record(f"t{place}", config=config(schedule, sparsity)))
    said = "Some means run over trials that differ in sparsity."
    by: dict[str, Any] = {"group_by": ["retrain.schedule"], "columns": ["val_accuracy"]}
    for shape in ("table", "markdown", "latex"):
        content = run_results([study.location], format=shape, **by)
        assert isinstance(content, str)
        assert said in content
    assert "differ in" not in str(run_results([study.location], format="csv", **by))
    whole = {**by, "group_by": ["retrain.schedule", "prune.sparsity"]}
    assert "differ in" not in str(run_results([study.location], **whole))


def test_groups_of_epochs_say_what_n_counts(small: StudyFolder) -> None:
    by: dict[str, Any] = {"group_by": ["dense.lr"], "columns": ["val_accuracy"]}
    assert "n counts epochs, several of one trial" in str(
        run_results([small.location], level="epochs", **by)
    )
    assert "n counts" not in str(run_results([small.location], **by))
