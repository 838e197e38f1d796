"""Trials of segmentation: resumed anywhere, by any number of loader processes, the same bits."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.segmentation.datasets import cityscapes, picture, voc
from tests.trainables.trials.plain import (
    job_for,
    last_stage,
    run_job,
    run_trial,
    timeless,
    without_times,
)
from tests.trainables.trials.sigkill import killed_within_a_step, let_a_loader_process_die
from tests.trainables.trials.test_procedure import interrupted, is_calm, same
from trainables.config.trial import TrialConfig
from trainables.data.isolation import reseed
from trainables.data.keeping import Keeping
from trainables.deploy.trained import Trained, needs_code, trained
from trainables.deploy.weights import masked_weights
from trainables.files.trial_record import Record
from trainables.segmentation.digit_scenes import DigitScenes
from trainables.segmentation.on_disk import Cityscapes, OnDisk, VocSegmentation
from trainables.segmentation.pairs import PairItems
from trainables.segmentation.task import Segmentation
from trainables.trials.task_cache import TaskCache
from trainables.vocabulary.refusal import Refusal

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

SMALL: dict[str, Any] = {"network": "unet", "width": 2, "crop": 8}
TASKS: dict[str, type[OnDisk]] = {"voc-segmentation": VocSegmentation, "cityscapes": Cityscapes}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return cityscapes(voc(tmp_path_factory.mktemp("data")))


def facts(task: Segmentation) -> dict[str, Any]:
    """What the check process would tell of a task."""
    splits = task.splits()
    lengths = {f"n_{name}": len(part) for name, part in splits.in_order.items()}
    listings = {} if splits.listing is None else {"task.use": splits.listing}
    return {**lengths, "declared": task.declarations().plain(), "listings": listings}


def configured(use: str, root: Path, **sections: Any) -> TrialConfig:
    """A trial on a folder: three steps per epoch on VOC, two on Cityscapes."""
    task = TASKS[use](root, **SMALL)
    return TrialConfig.of(
        {
            "task": {"use": use, **SMALL},
            "dense": {"epochs": 2, "batch_size": 3, "lr": 0.05},
            "prune": {"sparsity": 0.5, "cycles": 2},
            "retrain": {"schedule": "allr", "epochs": 3},
            "facts": facts(task),
            **sections,
        }
    )


def tasks(root: Path, keeping: Keeping | None = None) -> TaskCache:
    return TaskCache(root, "cpu", 1, keeping or Keeping(processes=0))


@pytest.fixture(scope="module")
def calm(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """An undisturbed trial on VOC, of six dense steps and two cycles, in its folder."""
    out = tmp_path_factory.mktemp("calm")
    return out, run_trial(configured("voc-segmentation", root), out, tasks=tasks(root))


def test_an_undisturbed_trial_says_what_it_measured_and_on_which_files(
    root: Path, calm: tuple[Path, Record]
) -> None:
    _, record = calm
    assert {"val_mean_iou", "test_mean_iou", "test_pixel_accuracy"} <= record.metrics.keys()
    assert "train_pixels_per_s" in record.metrics
    assert record.declared["metrics"]["mean_iou"]["percent"] is True
    assert record.provenance["pillow"]
    facts = configured("voc-segmentation", root).facts
    assert facts is not None
    assert record.config["task"]["listing"] == facts.listings["task.use"]


PLACES = [Keeping("on", 0), Keeping("off", 1)]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=["memory", "one process"])
def test_memory_and_loader_processes_change_no_bit(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], place: Keeping
) -> None:
    config = configured("voc-segmentation", root)
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=tasks(root, place)))


@pytest.mark.slow
def test_four_loader_processes_change_no_bit_of_a_dense_run(
    root: Path, tmp_path: Path, calm: tuple[Path, Record]
) -> None:
    folder, record = calm
    job = job_for(configured("voc-segmentation", root), tmp_path, goal="dense")
    assert run_job(job, tasks(root, Keeping("off", 4))).outcome == "done"
    dense = replace(record, stages=record.stages[:1])
    four, alone = (last_stage(place, dense) for place in (tmp_path, folder))
    assert same(four, alone)
    assert without_times(four.metrics) == without_times(alone.metrics)


@pytest.mark.slow
def test_cityscapes_is_trained_alike_with_memory_and_a_loader_process(
    root: Path, tmp_path: Path
) -> None:
    config = configured("cityscapes", root)
    places = [Keeping("off", 0), Keeping("on", 1)]
    records = [
        run_trial(config, tmp_path / str(n), tasks=tasks(root, place))
        for n, place in enumerate(places)
    ]
    assert timeless(records[0]) == timeless(records[1])


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 4, 8, 11, 14])
def test_resumed_anywhere_it_ends_in_the_same_bits(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], after: int
) -> None:
    config = configured("voc-segmentation", root)
    interrupted(config, tmp_path, tasks(root, Keeping("off", after % 2)), after)
    reseed(after)
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=tasks(root)))


@pytest.mark.slow
@pytest.mark.parametrize(("step", "stages"), [(5, 0), (8, 1)], ids=["dense", "retraining"])
def test_a_worker_that_sigkill_takes_within_an_epoch(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], step: int, stages: int
) -> None:
    """Of three steps an epoch, six of them dense."""
    config = configured("voc-segmentation", root)
    assert killed_within_a_step(config, tmp_path, root, step, processes=1) == stages
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=tasks(root)))


@pytest.mark.slow
def test_a_loader_process_that_sigkill_takes_within_an_epoch(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, mark = configured("voc-segmentation", root), tmp_path / "killed"
    let_a_loader_process_die(monkeypatch, PairItems, 5, mark)
    place = tasks(root, Keeping("off", 1))
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=place))
    assert mark.exists()


def test_a_folder_that_changed_since_the_plan_is_refused(tmp_path: Path) -> None:
    root = voc(tmp_path / "data")
    config = configured("voc-segmentation", root)
    lists = root / "VOCdevkit" / "VOC2012" / "ImageSets" / "Segmentation" / "train.txt"
    lists.write_text("\n".join(lists.read_text().split()[1:]))
    report = run_job(job_for(config, tmp_path / "out"), tasks(root))
    assert report.fault is not None
    assert report.fault.message.startswith("task.use must hold what it held when the study was")


def scenes(**sections: Any) -> TrialConfig:
    """A trial of the embedded task: four steps per epoch, those of the second micro-batched."""
    keywords = {"width": 2, "n_train": 16, "size": 16}
    return TrialConfig.of(
        {
            "task": {"use": "segmentation-small", **keywords},
            "dense": {"epochs": 2, "batch_size": 4, "lr": 0.1},
            "prune": {"sparsity": 0.8},
            "retrain": {"schedule": "llr", "epochs": 1},
            "facts": facts(DigitScenes(**keywords)),
            **sections,
        }
    )


def test_the_embedded_task_trains_prunes_and_is_measured(tmp_path: Path) -> None:
    record = run_trial(scenes(), tmp_path, tasks=tasks(tmp_path))
    assert record.state == "done"
    n = record.metrics["n_prunable"]
    assert record.metrics["sparsity"] == round(0.8 * n) / n
    assert 0 <= record.metrics["test_mean_iou"] <= record.metrics["test_pixel_accuracy"] <= 1
    assert record.provenance["scikit_learn"]
    again = rebuilt(record, tmp_path, tmp_path).evaluate("test")
    for name in ("mean_iou", "pixel_accuracy", "loss"):
        assert again[name] == pytest.approx(record.metrics[f"test_{name}"], rel=1e-6)


def rebuilt(record: Record, out: Path, root: Path) -> Trained:
    """The network of a trial, built again from its record without any code of the user's."""
    assert needs_code(record) is None
    return trained(record, masked_weights(record, str(out / "stages")), root)


def test_a_network_is_built_again_where_its_files_are(tmp_path: Path) -> None:
    root = voc(tmp_path / "data")
    record = run_trial(configured("voc-segmentation", root), tmp_path / "out", tasks=tasks(root))
    network = rebuilt(record, tmp_path / "out", root)
    assert network.evaluate("val")["mean_iou"] == record.metrics["val_mean_iou"]
    picture(root / "VOCdevkit" / "VOC2012" / "JPEGImages" / "2012_000000.jpg", 99, (24, 20))
    with pytest.raises(Refusal, match=r"^task\.use must hold what the trial was trained on"):
        rebuilt(record, tmp_path / "out", root)


def test_micro_batches_take_the_same_steps(tmp_path: Path) -> None:
    """Parts are weighted by their labelled pixels; BatchNorm sees the parts."""
    whole = run_trial(scenes(), tmp_path / "whole", tasks=tasks(tmp_path))
    parts = run_trial(scenes(compute={"micro_batch": 2}), tmp_path / "parts", tasks=tasks(tmp_path))
    assert parts.state == whole.state == "done"
    assert parts.metrics["val_loss"] == pytest.approx(whole.metrics["val_loss"], rel=0.3)


@pytest.mark.parametrize("micro_batch", [None, 1])
def test_a_step_on_void_alone_is_no_divergence(tmp_path: Path, micro_batch: int | None) -> None:
    config = TrialConfig.of(
        {
            "task": {"use": "tests.trainables.segmentation.mostly_void:MostlyVoid"},
            "dense": {"epochs": 2, "batch_size": 2, "lr": 0.1},
            "prune": {"sparsity": 0.5},
            "retrain": {"schedule": "llr", "epochs": 1},
            "compute": {"micro_batch": micro_batch},
            "facts": {"n_train": 4, "n_val": 1, "codes": {"task.use": "a"}},
        }
    )
    record = run_trial(config, tmp_path, tasks=tasks(tmp_path))
    assert record.state == "done"
    losses = [
        row["train_loss"] for row in last_stage(tmp_path, record).curve if "train_loss" in row
    ]
    assert losses and all(math.isfinite(loss) for loss in losses)
