"""Trials on a folder of images: the same bits with any number of loader processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.trainables.folders.pictures import cut, folder_of, noise, scrambled
from tests.trainables.trials.plain import job_for, run_job
from tests.trainables.trials.sigkill import killed_within_a_step, let_a_loader_process_die
from tests.trainables.trials.test_procedure import is_calm
from trainables.config.sections import Facts
from trainables.config.trial import TrialConfig
from trainables.data import sources
from trainables.data.keeping import Keeping
from trainables.data.raw import DataFormatError
from trainables.data.sources import facts_of
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.folders.items import FolderItems
from trainables.folders.listing import listing_of
from trainables.trials.task_cache import TaskCache

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def config_on(folder: Path, **dataset: Any) -> TrialConfig:
    """A trial of three steps per epoch."""
    options = {"path": str(folder), "size": 8, **dataset}
    facts = Facts.model_validate(facts_of("image-folder", options, folder))
    return TrialConfig.of(
        {
            "task": {
                "dataset": {"name": "image-folder", **options},
                "model": {"name": "cnn", "channels": [4, 4]},
            },
            "dense": {"epochs": 2, "batch_size": 8, "lr": 0.1},
            "prune": {"sparsity": 0.5},
            "retrain": {"schedule": "llr", "epochs": 1},
            "facts": facts.model_dump(),
        }
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("images"), {"a": 14, "b": 10})


def record_of(config: TrialConfig, out: Path, keeping: Keeping) -> Record:
    job = job_for(config, out)
    tasks = TaskCache(Path("/nonexistent"), "cpu", 1, keeping)
    report = run_job(job, tasks)
    assert report.outcome == "done", report.fault
    (record,) = StudyFolder(str(out)).records().records
    return record


@pytest.fixture(scope="module")
def calm(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """An undisturbed trial of nine steps, six of them dense, in its folder."""
    out = tmp_path_factory.mktemp("calm")
    return out, record_of(config_on(folder), out, Keeping("off", 0))


def test_an_undisturbed_trial_says_on_which_files_it_is(
    folder: Path, calm: tuple[Path, Record]
) -> None:
    _, record = calm
    dataset, listing = record.config["task"]["dataset"], listing_of(folder).digest
    assert (dataset["path"], dataset["files"]) == (folder.name, listing)
    assert record.provenance["listings"] == {"task.dataset": listing}
    assert "test_accuracy" not in record.metrics


PLACES = [Keeping("on", 0), Keeping("off", 1), Keeping("on", 4)]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=["memory", "one process", "four and memory"])
def test_memory_and_loader_processes_change_no_bit(
    folder: Path, tmp_path: Path, calm: tuple[Path, Record], place: Keeping
) -> None:
    config = config_on(folder)
    assert config.steps_per_epoch == 3
    assert is_calm(calm, tmp_path, record_of(config, tmp_path, place))


@pytest.mark.slow
@pytest.mark.parametrize(("step", "stages"), [(5, 0), (8, 1)], ids=["dense", "retraining"])
def test_a_worker_that_sigkill_takes_within_an_epoch(
    folder: Path, tmp_path: Path, calm: tuple[Path, Record], step: int, stages: int
) -> None:
    config = config_on(folder)
    assert killed_within_a_step(config, tmp_path, Path("/"), step, processes=1) == stages
    assert is_calm(calm, tmp_path, record_of(config, tmp_path, Keeping("off", 0)))


@pytest.mark.slow
def test_a_loader_process_that_sigkill_takes_within_an_epoch(
    folder: Path, tmp_path: Path, calm: tuple[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    let_a_loader_process_die(monkeypatch, FolderItems, 11, mark := tmp_path / "killed")
    record = record_of(config_on(folder), tmp_path, Keeping("off", 2))
    assert is_calm(calm, tmp_path, record)
    assert mark.exists()


def test_a_folder_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", {"a": 14, "b": 10})
    config = config_on(folder, normalise="unit")
    noise(folder / "a" / "new.png", 5)
    report = run_job(job_for(config, tmp_path / "out"), TaskCache(Path("/"), "cpu", 1))
    assert report.outcome == "failed"
    assert report.fault is not None
    assert "must hold what it held when the study was planned" in report.fault.message


def test_each_file_that_a_folder_may_hold_has_its_outcome(tmp_path: Path) -> None:
    """Other forms of colour are trained on; what is broken or empty is named before anything."""
    root = folder_of(tmp_path / "images", {"a": 14, "b": 10, "c": 0})
    Image.new("CMYK", (9, 7), (255, 0, 0, 0)).save(root / "a" / "cmyk.jpg")
    Image.new("L", (7, 9), 90).save(root / "b" / "grey.jpg")
    options = {"path": str(root)}
    with pytest.raises(DataFormatError, match="an image or more of every class, got none of c in"):
        facts_of("image-folder", options, tmp_path)
    (root / "c").rmdir()
    sources.prepare("image-folder", options, tmp_path)
    cut(noise(root / "a" / "cut.jpg", 7, (40, 40)), 200)
    scrambled(noise(root / "a" / "middle.jpg", 8, (40, 40)))
    (root / "b" / "note.jpg").write_text("of the field")
    with pytest.raises(DataFormatError) as broken:
        sources.prepare("image-folder", options, tmp_path)
    assert "got 3 of 29 that cannot: a/cut.jpg (" in str(broken.value)
    assert "a/middle.jpg (broken data stream when reading image file)" in str(broken.value)
    assert "b/note.jpg (no image of a known format)" in str(broken.value)
    config = config_on(root, broken="skip")
    record = record_of(config, tmp_path / "out", Keeping("off", 0))
    assert config.n_train + round(0.1 * 26) == 26
    assert record.state == "done" and record.metrics["train_s"] > 0
    left_out = record.provenance["left_out"]["task.dataset"]
    assert (left_out["n"], [*left_out["named"]]) == (3, ["a/cut.jpg", "a/middle.jpg", "b/note.jpg"])


@pytest.mark.parametrize("processes", [0, 1])
def test_a_file_that_breaks_later_is_named_and_with_it_back_the_trial_goes_on(
    tmp_path: Path, processes: int
) -> None:
    folder = folder_of(tmp_path / "images", {"a": 14, "b": 10})
    path = noise(folder / "a" / "late.jpg", 1, (40, 40))
    config = config_on(folder, normalise="unit")
    calm = tmp_path / "calm", record_of(config, tmp_path / "calm", Keeping("off", 0))
    content = path.read_bytes()
    scrambled(path)
    place = TaskCache(Path("/"), "cpu", 1, Keeping("off", processes))
    report = run_job(job_for(config, tmp_path / "out", checkpoint_s=1e-6), place)
    assert report.fault is not None
    assert report.fault.message == (
        f"task.dataset.path must hold images that can be decoded, got {path} (broken data stream"
        " when reading image file)"
    )
    path.write_bytes(content)
    assert is_calm(calm, tmp_path / "out", record_of(config, tmp_path / "out", Keeping("off", 0)))
