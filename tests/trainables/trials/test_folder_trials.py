"""Trials on a folder of images: the same bits with any number of loader processes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.trainables.folders.pictures import cut, folder_of, noise
from tests.trainables.trials.plain import job_for, run_job
from trainables.config.sections import Facts
from trainables.config.trial import TrialConfig
from trainables.data import sources
from trainables.data.keeping import Keeping
from trainables.data.raw import DataFormatError
from trainables.data.sources import facts_of
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.folders.listing import listing_of
from trainables.trials.task_cache import TaskCache


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


_TIMES = ("_s", "_per_s")


def numbers(record: Record) -> dict[str, float]:
    return {k: v for k, v in record.metrics.items() if not k.endswith(_TIMES)}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This DataLoader will create 4 worker processes")
def test_memory_and_loader_processes_change_no_bit(folder: Path, tmp_path: Path) -> None:
    config = config_on(folder)
    assert config.steps_per_epoch == 3
    places = [Keeping("off", 0), Keeping("on", 0), Keeping("off", 1), Keeping("on", 4)]
    records = [record_of(config, tmp_path / str(n), place) for n, place in enumerate(places)]
    assert len({json.dumps(numbers(record), sort_keys=True) for record in records}) == 1
    dataset, listing = records[0].config["task"]["dataset"], listing_of(folder).digest
    assert (dataset["path"], dataset["files"]) == (folder.name, listing)
    assert records[0].provenance["listings"] == {"task.dataset": listing}
    assert "test_accuracy" not in records[0].metrics


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
    sources.check_available("image-folder", options, tmp_path)
    cut(noise(root / "a" / "cut.jpg", 7, (40, 40)), 200)
    (root / "b" / "note.jpg").write_text("of the field")
    with pytest.raises(DataFormatError) as broken:
        sources.check_available("image-folder", options, tmp_path)
    assert "got 2 of 28 that cannot: a/cut.jpg (" in str(broken.value)
    assert "b/note.jpg (no image of a known format)" in str(broken.value)
    config = config_on(root, broken="skip")
    record = record_of(config, tmp_path / "out", Keeping("off", 0))
    assert config.n_train + round(0.1 * 26) == 26
    assert record.state == "done" and record.metrics["train_s"] > 0
