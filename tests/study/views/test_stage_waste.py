"""What can go from a stage store, and what must stay."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.views.stage_waste import LEFT_OVER, UNNEEDED, remove, size_words, waste
from tests.study.conftest import Command
from tests.trainables.trials.plain import cache, job_for, run_job, tiny
from trainables.config.trial import TrialConfig
from trainables.files.leases import Leases
from trainables.files.manifests import Manifest, write
from trainables.files.progress import RUN_LEASE
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.vocabulary.refusal import Refusal

STRANGE = "0123456789abcdef"


def study_file(config: TrialConfig, **more: Any) -> str:
    raw = {"name": "small", **config.model_dump(mode="json", exclude_defaults=True), **more}
    return json.dumps(raw)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place, tasks = tmp_path_factory.mktemp("trained"), cache()
    for config in (tiny(), tiny(prune={"sparsity": 0.5})):
        job = job_for(config, place)
        assert run_job(replace(job, context=replace(job.context, study="small")), tasks).final
    (place / "study.yaml").write_text(study_file(tiny()))
    return place


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    """A study of one trial that is done, and one that a wider study asked for and gave up."""
    return Path(shutil.copytree(trained, tmp_path / "study"))


def reasons(folder: Path) -> dict[str, str]:
    return {row.stage: row.why for row in waste(str(folder)).rows}


def test_a_store_of_what_trials_went_through_has_nothing_to_prune(folder: Path) -> None:
    listing = waste(str(folder))
    assert listing.rows == [] and listing.notes == []
    assert listing.n_bytes == sum(
        path.stat().st_size for path in (folder / "stages").rglob("*") if path.is_file()
    )


def test_what_no_trial_goes_through_goes_and_the_dense_run_that_others_share_stays(
    folder: Path,
) -> None:
    records = StudyFolder(str(folder)).records().records
    (gone,) = (r for r in records if r.config["prune"]["sparsity"] == 0.5)
    (folder / "records" / f"{gone.fingerprint}.json").unlink()
    assert reasons(folder) == {gone.stages[-1]: UNNEEDED}
    (row,) = waste(str(folder)).rows
    assert row.n_bytes == sum(
        path.stat().st_size for path in (folder / "stages" / row.stage).iterdir()
    )
    remove(str(folder), waste(str(folder)))
    assert not (folder / "stages" / row.stage).exists()
    assert (folder / "stages" / gone.stages[0]).exists()
    assert waste(str(folder)).rows == []


def test_stages_of_trials_that_are_still_wanted_stay(folder: Path) -> None:
    records = StudyFolder(str(folder)).records().records
    (unwanted,) = (r.stages[-1] for r in records if r.config["prune"]["sparsity"] == 0.5)
    for path in (folder / "records").iterdir():
        path.unlink()
    assert reasons(folder) == {unwanted: UNNEEDED}


def test_pieces_left_over_from_the_making_go_and_partial_states_of_unfinished_stages_stay(
    folder: Path,
) -> None:
    record = StudyFolder(str(folder)).records().records[0]
    finished = folder / "stages" / record.stages[-1]
    (finished / "weights-p9-other.safetensors").write_bytes(b"1234")
    (finished / "partial-p9.safetensors").write_bytes(b"12")
    unfinished = folder / "stages" / record.stages[0]
    (unfinished / "stage.json").rename(unfinished / "stage-faulty-p9.json")
    (unfinished / "partial-p8.safetensors").write_bytes(b"12")
    rows = {row.stage: row for row in waste(str(folder)).rows}
    assert rows[finished.name].why == rows[unfinished.name].why == LEFT_OVER
    assert rows[finished.name].files == {
        "partial-p9.safetensors": 2, "weights-p9-other.safetensors": 4,
    }  # fmt: skip
    assert "stage-faulty-p9.json" in rows[unfinished.name].files
    assert "partial-p8.safetensors" not in rows[unfinished.name].files
    remove(str(folder), waste(str(folder)))
    assert (finished / "stage.json").exists()
    assert [path.name for path in unfinished.iterdir()] == ["partial-p8.safetensors"]


def test_a_stage_that_lacks_a_file_or_whose_manifest_is_none_is_faulty(folder: Path) -> None:
    one, two = (r.stages[-1] for r in StudyFolder(str(folder)).records().records)
    next((folder / "stages" / one).glob("weights-*")).unlink()
    (folder / "stages" / two / "stage.json").write_text("{")
    assert "weights-" in reasons(folder)[one] and reasons(folder)[one].endswith("is missing")
    assert reasons(folder)[two].startswith("faulty: ")


def test_what_another_process_may_be_making_and_foreign_folders_are_left_alone(
    folder: Path,
) -> None:
    store = LocalFolder(folder / "stages")
    store.write("notes/readme", b"mine")
    write(store, Manifest(STRANGE, "dense", "done"))
    assert reasons(folder) == {STRANGE: UNNEEDED}
    Leases(store, "somebody").beat(STRANGE)
    assert reasons(folder) == {}


def test_of_a_store_that_studies_share_no_stage_counts_as_unneeded(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    shared = tmp_path_factory.mktemp("shared")
    (folder / "study.yaml").write_text(study_file(tiny(), stage_store=str(shared)))
    write(LocalFolder(shared), Manifest(STRANGE, "dense", "done"))
    listing = waste(str(folder))
    assert listing.rows == []
    assert listing.notes == ["studies share this store: none of its stages counts as unneeded here"]


def test_a_record_that_cannot_be_read_may_need_any_stage(folder: Path) -> None:
    write(LocalFolder(folder / "stages"), Manifest(STRANGE, "dense", "done"))
    (folder / "records" / "ff.json").write_text("{")
    listing = waste(str(folder))
    assert listing.rows == [] and listing.notes[-1] == "so no stage counts as unneeded"


def test_the_command_lists_first_and_removes_where_it_is_told(folder: Path, bimp: Command) -> None:
    write(LocalFolder(folder / "stages"), Manifest(STRANGE, "dense", "done"))
    ended = bimp("stages", folder, "--prune")
    assert ended.status == 0
    assert STRANGE in ended.out and "can go; --delete removes them" in ended.out
    assert (folder / "stages" / STRANGE).exists()
    Leases(LocalFolder(folder), "driver").beat(RUN_LEASE)
    busy = bimp("stages", folder, "--prune", "--delete")
    assert busy.status == 2 and "must have no run at work in it" in busy.err
    Leases(LocalFolder(folder), "driver").release(RUN_LEASE)
    ended = bimp("stages", folder, "--prune", "--delete")
    assert ended.status == 0 and ended.out.rstrip().endswith("removed")
    assert not (folder / "stages" / STRANGE).exists()
    assert "nothing to prune: 0 B of" in bimp("stages", folder, "--prune").out
    assert bimp("stages", folder, "--delete").status == 2


def test_removal_waits_for_the_run_at_work(folder: Path) -> None:
    Leases(LocalFolder(folder), "driver").beat(RUN_LEASE)
    with pytest.raises(Refusal, match="DIR must have no run at work in it"):
        remove(str(folder), waste(str(folder)))


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (5e9, "5 GB")],
)
def test_sizes_in_words(n_bytes: float, words: str) -> None:
    assert size_words(n_bytes) == words
