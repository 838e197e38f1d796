"""Study folders as frames: values worked out by hand, and every kind of unreadable file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import fs

from analysis import frames
from analysis.columns.names import config_columns, in_schema_order
from analysis.frames.epoch_frames import EPOCH_KEYS
from analysis.frames.record_frames import RUN_COLUMNS, flatten
from analysis.selection.settings import configurations
from tests.analysis.small import config, curve, gmp_config, record, write_small, write_stage
from trainables.files.parquet import parquet, read_parquet
from trainables.files.records import StudyFolder
from trainables.files.storage import RemoteFolder
from trainables.vocabulary.schema import CYCLE_METRICS, EPOCH_METRICS, TRIAL_METRICS

ORDER = ["allr0", "allr1", "broken", "ft0", "ft1", "wild"]


def test_a_configuration_becomes_flat_columns() -> None:
    assert flatten(config("ft")) == {
        "task.dataset": "digits", "task.dataset.n_train": None, "task.dataset.augment": False,
        "task.model": "mlp", "task.model.hidden": (64, 32), "task.model.dropout": 0.0,
        "dense.epochs": 3.0, "dense.lr": 0.1, "method": "imp", "prune.sparsity": 0.9,
        "prune.cycles": 2, "retrain.schedule": "ft", "retrain.epochs": 4.0,
        "retrain.budget": 1.333, "compute.precision": "fp32",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("nested", "flat"),
    [
        ({}, {}),
        ({"method": {"name": "gmp", "interval": 2}}, {"method": "gmp", "method.interval": 2}),
        ({"a": {"b": {"c": [1, [2, 3]]}}}, {"a.b.c": (1, (2, 3))}),
        ({"name": "top"}, {"name": "top"}),
        ({"a": {}}, {}),
    ],
)
def test_flattening(nested: dict[str, object], flat: dict[str, object]) -> None:
    assert flatten(nested) == flat


def test_trials_by_value(small_either_way: StudyFolder) -> None:
    trials = frames.trials(small_either_way.location)
    assert trials["fingerprint"].tolist() == ORDER
    assert trials["study"].unique().tolist() == ["small"]
    assert trials["retrain.schedule"].tolist() == ["allr", "allr", "ft", "ft", "ft", "ft"]
    assert trials["seed"].tolist() == [0, 1, 0, 0, 1, 1]
    assert trials["state"].tolist() == ["done", "done", "failed", "done", "done", "diverged"]
    assert trials["attempt"].tolist() == [1, 1, 2, 1, 1, 1]
    np.testing.assert_array_equal(trials["val_accuracy"], [0.90, 0.86, np.nan, 0.80, 0.82, np.nan])
    np.testing.assert_array_equal(trials["dense_epochs"], [3, 3, np.nan, 3, 3, 3])
    assert trials["dense_stage"].fillna("").tolist() == [
        "dense0", "dense1", "", "dense0", "dense1", "dense1",
    ]  # fmt: skip
    assert trials["message"].fillna("").tolist() == [
        "", "", "ValueError: no", "", "", "loss is not finite",
    ]  # fmt: skip
    assert trials["origin.block"].dropna().unique().tolist() == ["prune.sparsity=0.9"]
    np.testing.assert_array_equal(trials["origin.number"], [0, 1, np.nan, 0, 1, np.nan])
    assert trials["task.model.hidden"].tolist() == [(64, 32)] * 6
    assert trials["retrain.discount"].fillna("").tolist() == ["adaptive", "adaptive"] + [""] * 4


def test_retraining_seeds_are_no_setting(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    for name, retrain in (("a", {}), ("b", {"seed": 2})):
        study.write_record(record(name, config=config("ft", **retrain)))
    trials = frames.trials(str(tmp_path))
    assert trials["retrain_seed"].tolist() == [0, 2]
    assert "retrain.seed" not in trials
    assert configurations(trials).tolist() == [0, 0]
    study.write_record(record("c", config=gmp_config()))
    trials = frames.trials(str(tmp_path))
    np.testing.assert_array_equal(trials["retrain_seed"], [0, 2, np.nan])
    joined = frames.read(str(tmp_path)).with_config(trials[["study", "fingerprint"]])
    assert list(joined.columns)[-3:] == ["seed", "retrain_seed", "state"]


def test_columns_stand_in_order(small: StudyFolder) -> None:
    columns = list(frames.trials(small.location).columns)
    assert columns[:2] == ["study", "fingerprint"]
    assert columns[2:17] == [
        "task.dataset", "task.dataset.augment", "task.dataset.n_train", "task.model",
        "task.model.dropout", "task.model.hidden", "dense.epochs", "dense.lr", "method",
        "prune.sparsity", "prune.cycles", "retrain.schedule", "retrain.budget",
        "retrain.discount", "retrain.epochs",
    ]  # fmt: skip
    assert columns[17:21] == ["compute.precision", "seed", "retrain_seed", "state"]
    assert columns[21:] == [*TRIAL_METRICS, *RUN_COLUMNS]


def test_a_metric_that_no_trial_has_is_missing_not_zero(small: StudyFolder) -> None:
    trials = frames.trials(small.location)
    assert trials["gpu_memory_bytes"].isna().all()
    assert trials.loc[trials["state"] == "failed", list(TRIAL_METRICS)].isna().all(axis=None)


def test_what_a_failed_record_claims_to_have_measured_is_missing(small: StudyFolder) -> None:
    small.write_record(record("odd", state="failed", metrics={"val_accuracy": 0.0}))
    trials = frames.trials(small.location).set_index("fingerprint")
    assert trials["val_accuracy"].isna()["odd"]


def test_cycles_by_value(small_either_way: StudyFolder) -> None:
    cycles = frames.cycles(small_either_way.location)
    assert list(cycles.columns) == ["study", "fingerprint", "cycle", *CYCLE_METRICS]
    assert cycles["fingerprint"].tolist() == [n for n in ORDER for _ in (1, 2) if n[-1] in "01"]
    assert cycles["cycle"].tolist() == [1, 2] * 4
    assert cycles["d1"].tolist() == [0.4, 0.5] * 4
    assert cycles["train_s"].isna().all()


def test_configuration_is_joined_on_demand(small: StudyFolder) -> None:
    study = frames.read(small.location)
    joined = study.with_config(study.cycles, ["retrain.schedule", "seed"])
    assert list(joined.columns)[-2:] == ["retrain.schedule", "seed"]
    assert joined["retrain.schedule"].tolist() == ["allr"] * 4 + ["ft"] * 4
    assert joined["seed"].tolist() == [0, 0, 1, 1] * 2
    assert "prune.sparsity" in study.with_config(study.layers)


def test_layers_by_value(small_either_way: StudyFolder) -> None:
    layers = frames.read(small_either_way.location).layers
    assert list(layers.columns) == ["study", "fingerprint", "layer", "sparsity"]
    assert layers["layer"].tolist() == ["a.weight", "b.weight"] * 4
    assert layers["sparsity"].tolist() == [0.95, 0.5] * 4


def test_epochs_join_each_trials_own_dense_run(small_either_way: StudyFolder) -> None:
    epochs = frames.epochs(small_either_way.location)
    assert list(epochs.columns) == [*EPOCH_KEYS, *EPOCH_METRICS]
    assert list(epochs.columns)[-len(EPOCH_METRICS) :] == list(EPOCH_METRICS)
    own = epochs[epochs["fingerprint"] == "allr1"]
    assert own["phase"].tolist() == ["dense"] * 3 + ["retrain"] * 4
    assert own["cycle"].tolist() == [0, 0, 0, 1, 1, 2, 2]
    assert own["epoch"].tolist() == [0, 1, 2, 0, 1, 0, 1]
    assert own["total_epoch"].tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert own["val_accuracy"].tolist() == [0.6, 0.7, 0.8, 0.5, 0.6, 0.6, 0.7]
    assert own["step"].tolist() == [10, 20, 30, 10, 20, 10, 20]
    assert own["train_loss"].isna().all()
    assert epochs["fingerprint"].drop_duplicates().tolist() == [
        "allr0", "allr1", "ft0", "ft1", "wild",
    ]  # fmt: skip
    assert len(epochs) == 4 * 7 + 3


def test_epochs_without_the_dense_run_keep_counting_from_it(small: StudyFolder) -> None:
    epochs = frames.epochs(small.location, dense=False)
    assert set(epochs["phase"]) == {"retrain"}
    assert epochs.loc[epochs["fingerprint"] == "ft0", "total_epoch"].tolist() == [3, 4, 5, 6]
    assert epochs["total_epoch"].dtype == np.int64


def test_a_dense_run_without_a_curve_is_named_and_its_recorded_length_counts(
    small: StudyFolder,
) -> None:
    small.folder.delete("stages/dense0")
    study = frames.read(small.location)
    epochs = study.epochs
    own = epochs[epochs["fingerprint"] == "ft0"]
    assert own["phase"].tolist() == ["retrain"] * 4
    assert own["total_epoch"].tolist() == [3, 4, 5, 6]
    (warning,) = study.warnings
    assert "stage dense0 is not in" in warning


def test_a_dense_run_of_unknown_length_leaves_the_count_missing(small: StudyFolder) -> None:
    small.folder.delete("stages/dense0")
    small.write_record(record("ft0", config=config("ft"), metrics={}))
    epochs = frames.epochs(small.location)
    assert epochs.loc[epochs["fingerprint"] == "ft0", "total_epoch"].isna().all()
    assert epochs.loc[epochs["fingerprint"] == "ft1", "total_epoch"].tolist() == [*range(7)]


def test_a_method_from_scratch_has_no_dense_run(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    study.write_record(record("g", config=gmp_config(), stages=["whole0"]))
    study.write_curve("g", curve("whole", 0, 3))
    read = frames.read(str(tmp_path))
    assert read.trials["method"].tolist() == ["gmp"]
    assert read.trials["method.interval"].tolist() == [2]
    assert read.trials["dense_stage"].isna().all()
    assert read.epochs["total_epoch"].tolist() == [0, 1, 2]
    assert read.warnings == []


def test_methods_of_different_sections_share_a_frame(small: StudyFolder) -> None:
    small.write_record(record("g", config=gmp_config(), stages=["whole0"]))
    trials = frames.trials(small.location).set_index("fingerprint")
    assert trials.loc["g", "budget.epochs"] == 7
    assert trials["retrain.epochs"].isna()["g"]
    assert trials["budget.epochs"].isna()["ft0"]


def test_a_curve_without_a_record_belongs_to_a_trial_that_still_runs(small: StudyFolder) -> None:
    small.write_curve("running", curve("retrain", 1, 2))
    study = frames.read(small.location)
    assert "running" not in set(study.epochs["fingerprint"])
    assert study.warnings == []


def test_mixed_discounts_keep_their_kinds(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    for name, discount in (("a", "adaptive"), ("b", 0.25), ("c", "d1")):
        study.write_record(record(name, config=config(discount=discount)))
    assert frames.trials(str(tmp_path))["retrain.discount"].tolist() == ["adaptive", 0.25, "d1"]


def test_a_stage_store_elsewhere_is_read_there(small: StudyFolder, tmp_path: Path) -> None:
    os.rename(Path(small.location) / "stages", tmp_path / "store")
    small.folder.write("study.yaml", f"name: small\nstage_store: {tmp_path / 'store'}\n".encode())
    study = frames.read(small.location)
    assert study.settings[small.location]["stage_store"] == str(tmp_path / "store")
    assert (study.epochs["phase"] == "dense").sum() == 5 * 3
    assert study.warnings == []


def test_an_unreadable_study_file_is_a_warning(small: StudyFolder) -> None:
    small.folder.write("study.yaml", b"name: [unclosed\n")
    study = frames.read(small.location)
    assert len(study.epochs) == 4 * 7 + 3
    (warning,) = study.warnings
    assert warning.startswith(f"{small.location}: study.yaml: cannot be read")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("records/ft0.json", b'{"schema": 1, "finge', "records/ft0.json: not a whole JSON record"),
        ("records/ft0.json", b'{"hello": "world"}', "records/ft0.json: not a record of this"),
        ("records/ft0.json", b"", "records/ft0.json: not a whole JSON record"),
    ],
)
def test_a_record_that_cannot_be_read_is_named_and_the_rest_is_read(
    small: StudyFolder, name: str, content: bytes, words: str
) -> None:
    small.folder.write(name, content)
    study = frames.read(small.location)
    assert study.trials["fingerprint"].tolist() == [n for n in ORDER if n != "ft0"]
    (warning,) = study.warnings
    assert warning.startswith(f"{small.location}: {words}")


@pytest.mark.parametrize(
    ("field", "text", "fault"),
    [
        ("layers", "[]", "layers must be of type dict, got []"),
        ("layers", '{"fc": 1e999}', "layers.fc must be a number, got inf"),
        ("cycles", '[{"cycle": 1e300}]', "cycles[0].cycle must be a whole number, got 1e+300"),
    ],
)
def test_a_row_of_a_sealed_table_that_is_no_record_costs_its_frame_alone(
    small: StudyFolder, field: str, text: str, fault: str
) -> None:
    """Whoever can write a file can take its checksum too."""
    small.compact()
    [name] = [name for name in small.folder.names("tables") if name.startswith("records")]
    table = read_parquet(small.folder.read(f"tables/{name}"))
    place = table.schema.get_field_index(field)
    cells = pa.array([text, *table.column(field).to_pylist()[1:]], pa.string())
    small.folder.write(f"tables/{name}", parquet(table.set_column(place, field, cells)))
    study = frames.read(small.location)
    assert getattr(study, field).empty
    assert len(study.trials) == len(ORDER)
    assert study.warnings == [f"{small.location}: left out: tables/{name}: a row: {fault}"]


def test_a_newer_record_is_named(small: StudyFolder) -> None:
    text = small.folder.read("records/ft0.json").replace(b'"schema": 1', b'"schema": 2')
    small.folder.write("records/ft0.json", text)
    (warning,) = frames.read(small.location).warnings
    assert "schema version must be 1, got 2" in warning


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("stages/dense0/stage.json", b"{", "not a whole JSON manifest"),
        ("stages/dense0/stage.json", b"{}", "not a stage of this project"),
        (
            "stages/dense0/stage.json",
            b'{"schema": 9, "hash": "dense0", "kind": "dense", "state": "done"}',
            "schema version must be 1, got 9",
        ),
        ("stages/dense0/curve-w1.parquet", b"PAR1", "curve-w1.parquet: cannot be read"),
    ],
)
def test_a_stage_that_cannot_be_read_is_named_once(
    small: StudyFolder, name: str, content: bytes, words: str
) -> None:
    small.folder.write(name, content)
    study = frames.read(small.location)
    assert (study.epochs["phase"] == "dense").sum() == 3 * 3
    assert len(study.epochs) == 4 * 4 + 9
    (warning,) = study.warnings
    assert words in warning


def test_a_broken_curve_loses_only_its_own_epochs(small: StudyFolder) -> None:
    small.folder.write("curves/ft0.parquet", b"PAR1")
    study = frames.read(small.location)
    assert study.epochs["phase"].value_counts().to_dict() == {"dense": 15, "retrain": 12}
    assert "curves/ft0.parquet: cannot be read" in study.warnings[0]


def test_a_stage_written_by_the_store_is_read(small: StudyFolder) -> None:
    write_stage(small, "dense0", curve("dense", 0, 1), diverged=True)
    epochs = frames.epochs(small.location)
    assert (
        epochs.loc[epochs["fingerprint"] == "ft0", "phase"].tolist() == ["dense"] + ["retrain"] * 4
    )


def test_the_same_trial_in_two_studies_stays_two_rows(tmp_path: Path) -> None:
    for name in ("one", "two"):
        folder = write_small(str(tmp_path / name))
        folder.write_record(record("ft0", study=name, metrics={"val_accuracy": 0.5}))
    trials = frames.trials(str(tmp_path / "one"), str(tmp_path / "two"))
    same = trials[trials["fingerprint"] == "ft0"]
    assert same["study"].tolist() == ["one", "two"]
    assert len(trials) == 12


def test_two_folders_of_one_study_are_told_apart_by_their_place(tmp_path: Path) -> None:
    places = [str(tmp_path / name) for name in ("one", "two")]
    for place in places:
        write_small(place)
    study = frames.read(*places)
    assert study.trials["study"].unique().tolist() == [f"small ({place})" for place in places]
    assert len(study.with_config(study.cycles, ["seed"])) == 16
    assert not study.trials.duplicated(["study", "fingerprint"]).any()


def test_a_folder_given_twice_is_read_once(small: StudyFolder) -> None:
    assert len(frames.trials(small.location, small.location)) == 6


def test_studies_of_different_settings_share_their_columns(tmp_path: Path) -> None:
    one, two = (StudyFolder(str(tmp_path / name)) for name in ("one", "two"))
    one.write_record(record("a", study="one", config=config("ft")))
    two.write_record(record("b", study="two", config=gmp_config()))
    trials = frames.trials(one.location, two.location)
    assert trials["retrain.schedule"].fillna("").tolist() == ["ft", ""]
    columns = config_columns(trials)
    assert columns == in_schema_order(columns)
    assert list(trials.columns)[-len(RUN_COLUMNS) :] == list(RUN_COLUMNS)


def test_a_study_that_has_just_begun_is_empty(tmp_path: Path) -> None:
    StudyFolder(str(tmp_path)).folder.write("study.yaml", b"name: new\n")
    study = frames.read(str(tmp_path))
    assert len(study.trials) == len(study.cycles) == len(study.epochs) == len(study.layers) == 0
    assert list(study.trials.columns) == [
        "study", "fingerprint", "seed", "retrain_seed", "state", *TRIAL_METRICS, *RUN_COLUMNS,
    ]  # fmt: skip
    assert list(study.epochs.columns) == [*EPOCH_KEYS, *EPOCH_METRICS]
    assert study.warnings == []


def test_no_study_is_an_error_that_names_the_place(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=rf"no study at {tmp_path}/nowhere"):
        frames.read(str(tmp_path / "nowhere"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("hello")
    with pytest.raises(FileNotFoundError, match=r"none of study\.yaml, records, tables"):
        frames.read(str(tmp_path / "other"))
    with pytest.raises(ValueError, match="read needs at least one study folder"):
        frames.read()


def test_an_object_store_is_read_as_a_local_folder_is(
    small: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remote(location: str) -> RemoteFolder:
        assert location == "s3://bucket/small"
        return RemoteFolder(fs.LocalFileSystem(), small.location, location)

    local = frames.read(small.location)
    monkeypatch.setattr("trainables.files.trust.open_folder", remote)
    study = frames.read("s3://bucket/small")
    pd.testing.assert_frame_equal(study.trials, local.trials)
    pd.testing.assert_frame_equal(study.epochs, local.epochs)
    assert study.warnings == []


def snapshot(folder: str) -> dict[str, tuple[int, int]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size)
        for path in sorted(Path(folder).rglob("*"))
    }


def test_reading_writes_nothing(small_either_way: StudyFolder) -> None:
    folder = small_either_way.location
    for path in Path(folder).rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    Path(folder).chmod(0o555)
    before = snapshot(folder)
    study = frames.read(folder)
    _ = study.trials, study.cycles, study.epochs, study.layers, study.records, study.settings
    assert snapshot(folder) == before
    for path in (Path(folder), *Path(folder).rglob("*")):
        path.chmod(0o755)


def test_records_stand_beside_the_study_they_are_shown_under(small: StudyFolder) -> None:
    study = frames.read(small.location)
    assert [(label, r.fingerprint) for label, r in study.records] == [("small", n) for n in ORDER]


def test_reading_loads_neither_torch_nor_ray_nor_scipy(small: StudyFolder) -> None:
    code = (
        "import sys; from analysis import frames; study = frames.read(sys.argv[1]);"
        "study.trials; study.epochs; study.cycles;"
        "loaded = {'torch', 'ray', 'scipy', 'plotly', 'optuna'} & set(sys.modules);"
        "print(sorted(loaded))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, small.location],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == "[]"
