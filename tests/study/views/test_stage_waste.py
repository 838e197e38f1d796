"""What can go from a stage store, and what must stay."""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from study.driver.run_lease import refuse_another_run
from study.views import stage_waste
from study.views.stage_waste import (
    LEFT_OVER,
    SHARED,
    UNNEEDED,
    StoreWaste,
    Waste,
    prune,
    size_words,
    table,
    waste,
)
from tests.study.conftest import Command
from tests.trainables.trials.plain import cache, job_for, run_job, tiny
from trainables.config.trial import TrialConfig
from trainables.files import trust
from trainables.files.leases import Leases
from trainables.files.manifests import Manifest, write
from trainables.files.progress import RUN_LEASE
from trainables.files.records import StudyFolder
from trainables.files.storage import TEMPORARY, LocalFolder
from trainables.files.token import sign
from trainables.vocabulary.refusal import Refusal

STRANGE = "0123456789abcdef"
PIECE = "weights-p9-other.safetensors"


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
    pruned = prune(str(folder))
    assert pruned.rows == [row] and pruned.faults == []
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
    (finished / PIECE).write_bytes(b"1234")
    (finished / "partial-p9.safetensors").write_bytes(b"12")
    unfinished = folder / "stages" / record.stages[0]
    (unfinished / "stage.json").rename(unfinished / "stage-faulty-p9.json")
    (unfinished / "partial-p8.safetensors").write_bytes(b"12")
    rows = {row.stage: row for row in waste(str(folder)).rows}
    assert rows[finished.name].why == rows[unfinished.name].why == LEFT_OVER
    assert rows[finished.name].files == {
        "partial-p9.safetensors": 2, PIECE: 4,
    }  # fmt: skip
    assert "stage-faulty-p9.json" in rows[unfinished.name].files
    assert "partial-p8.safetensors" not in rows[unfinished.name].files
    prune(str(folder))
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
    assert listing.notes == [SHARED]


def test_a_study_elsewhere_that_names_the_store_shares_it_though_its_own_study_does_not_say_so(
    folder: Path,
) -> None:
    store = LocalFolder(folder / "stages")
    write(store, Manifest(STRANGE, "dense", "done"))
    sign(store, str(folder))  # its own name is no other study's
    assert reasons(folder) == {STRANGE: UNNEEDED}
    sign(store, "/somewhere/else")
    assert waste(str(folder)).rows == [] and waste(str(folder)).notes == [SHARED]


def test_a_store_behind_a_link_may_be_anybodys(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "stages").rename(tmp_path / "large-disk")
    (folder / "stages").symlink_to(tmp_path / "large-disk")
    write(LocalFolder(folder / "stages"), Manifest(STRANGE, "dense", "done"))
    with pytest.raises(Refusal, match="a link leads out of the study folder"):
        waste(str(folder))
    monkeypatch.setattr(trust, "_trusted", True)
    listing = waste(str(folder))
    assert listing.rows == [] and "is a link, and studies may share this store" in listing.notes[0]


def test_a_study_folder_behind_a_link_has_a_store_of_its_own(folder: Path, tmp_path: Path) -> None:
    write(LocalFolder(folder / "stages"), Manifest(STRANGE, "dense", "done"))
    (tmp_path / "link").symlink_to(folder)
    assert reasons(tmp_path / "link") == {STRANGE: UNNEEDED}


def test_stages_of_another_version_stay_where_trials_go_through_them(folder: Path) -> None:
    stage = StudyFolder(str(folder)).records().records[0].stages[-1]
    path = folder / "stages" / stage / "stage.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    listing = waste(str(folder))
    assert listing.rows == []
    assert "got 99" in listing.notes[0] and listing.notes[0].endswith("it stays")


def test_stages_of_a_settled_trial_stay_though_its_record_names_none(folder: Path) -> None:
    records = StudyFolder(str(folder)).records().records
    (wanted,) = (r for r in records if r.config["prune"]["sparsity"] != 0.5)
    path = folder / "records" / f"{wanted.fingerprint}.json"
    StudyFolder(str(folder)).write_record(replace(wanted, stages=[]))
    assert path.exists() and reasons(folder) == {}


def test_files_that_killed_writers_left_go_once_they_are_old(folder: Path) -> None:
    stage = StudyFolder(str(folder)).records().records[0].stages[-1]
    file = folder / "stages" / stage / f"{TEMPORARY}abc"
    file.write_bytes(b"12345")
    assert reasons(folder) == {}  # its writer may be at work
    os.utime(file, (time.time() - 4000,) * 2)
    (row,) = waste(str(folder)).rows
    assert (row.why, row.files) == (LEFT_OVER, {file.name: 5})
    prune(str(folder))
    assert not file.exists() and (file.parent / "stage.json").exists()


@pytest.fixture
def earlier_look(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stage in the making, which `prune` takes for waste as far as its first look goes."""
    store = LocalFolder(folder / "stages")
    dense = StudyFolder(str(folder)).records().records[0].stages[0]
    (folder / "stages" / dense / "stage.json").rename(folder / "stages" / dense / "aside")
    (folder / "stages" / dense / PIECE).write_bytes(b"1234")
    write(store, Manifest(STRANGE, "dense", "done"))
    look = waste(str(folder))
    assert {row.stage: row.why for row in look.rows} == {dense: LEFT_OVER, STRANGE: UNNEEDED}
    monkeypatch.setattr(stage_waste, "waste", lambda _location: look)
    return folder / "stages" / dense


def test_a_stage_that_was_finished_since_it_was_looked_at_stays(
    earlier_look: Path, folder: Path
) -> None:
    (earlier_look / "aside").rename(earlier_look / "stage.json")
    before = {path.name for path in earlier_look.iterdir()}
    rows = {row.stage: row.files for row in prune(str(folder)).rows}
    assert rows == {STRANGE: rows[STRANGE], earlier_look.name: {PIECE: 4}}
    assert {path.name for path in earlier_look.iterdir()} == before - {PIECE}


def test_a_stage_that_was_taken_up_since_it_was_looked_at_stays(
    earlier_look: Path, folder: Path
) -> None:
    Leases(LocalFolder(folder / "stages"), "somebody").beat(earlier_look.name)
    Leases(LocalFolder(folder / "stages"), "somebody").beat(STRANGE)
    before = sorted(path.name for path in earlier_look.iterdir())
    gone = prune(str(folder))
    assert gone.rows == [] and gone.faults == []
    assert sorted(path.name for path in earlier_look.iterdir()) == before


def test_nothing_goes_any_more_once_a_run_has_begun(
    earlier_look: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = stage_waste.waste(str(folder))

    def beginning(_location: str) -> StoreWaste:
        Leases(LocalFolder(folder), "driver").beat(RUN_LEASE)
        return look

    monkeypatch.setattr(stage_waste, "waste", beginning)
    gone = prune(str(folder))
    assert gone.rows == [] and len(gone.faults) == 2
    assert all("left alone, a run has begun in" in fault for fault in gone.faults)
    assert (folder / "stages" / STRANGE / "stage.json").exists()


def test_no_run_begins_while_a_store_is_pruned(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(LocalFolder(folder / "stages"), Manifest(STRANGE, "dense", "done"))
    original, refusals = LocalFolder.delete, []

    def delete(self: LocalFolder, name: str) -> None:
        if name == STRANGE:
            with pytest.raises(Refusal, match="must not be in use by another run") as refusal:
                refuse_another_run(LocalFolder(folder), Leases(LocalFolder(folder), "driver"))
            refusals.append(refusal)
        original(self, name)

    monkeypatch.setattr(LocalFolder, "delete", delete)
    assert [row.stage for row in prune(str(folder)).rows] == [STRANGE] and refusals
    refuse_another_run(LocalFolder(folder), Leases(LocalFolder(folder), "driver"))


def test_what_cannot_be_removed_is_named_and_not_counted(
    folder: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(LocalFolder(folder / "stages"), Manifest(STRANGE, "dense", "done"))
    other = "f" * 16
    write(LocalFolder(folder / "stages"), Manifest(other, "dense", "done"))
    original = LocalFolder.delete

    def delete(self: LocalFolder, name: str) -> None:
        if name.startswith(STRANGE):
            raise PermissionError(errno.EACCES, "Permission denied", name)
        original(self, name)

    monkeypatch.setattr(LocalFolder, "delete", delete)
    ended = bimp("stages", folder, "--prune", "--delete")
    assert ended.status == 1
    assert f"{STRANGE}: could not be removed (Permission denied)" in ended.err
    assert "1 whole stage: " in ended.out and other in ended.out and STRANGE not in ended.out


def test_a_manifest_that_cannot_be_read_is_named_and_its_stage_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = StudyFolder(str(folder)).records().records[0].stages[-1]
    original = LocalFolder.read

    def read(self: LocalFolder, name: str) -> bytes:
        if name == f"{stage}/stage.json":
            raise PermissionError(errno.EACCES, "Permission denied", name)
        return original(self, name)

    monkeypatch.setattr(LocalFolder, "read", read)
    listing = waste(str(folder))
    assert listing.rows == []
    assert listing.notes == [f"{stage}/stage.json: cannot be read (Permission denied): it stays"]


def test_a_table_of_waste_is_no_wider_than_its_terminal_and_its_counts_add_up() -> None:
    long = "faulty: 0123456789abcdef/stage.json: not a whole JSON manifest (Expecting value)"
    rows = [Waste("a" * 16, long, {"x": 700}, True), Waste("b" * 16, LEFT_OVER, {"y": 300}, False)]
    listing = StoreWaste("s3://bucket/study/stages", rows, 4000, [f"{SHARED}, {SHARED}"])
    text = table(listing, removed=False, width=80)
    assert max(map(len, text.splitlines())) <= 80
    assert " ".join(text.split()).endswith(
        "1 whole stage and pieces of 1 stage that stay: 1 kB of the 4 kB in"
        " s3://bucket/study/stages can go; --delete removes them"
    )
    assert long in table(listing, removed=False)


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
        prune(str(folder))


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_234_567, "1.23 MB"), (5e9, "5 GB")],
)
def test_sizes_in_words(n_bytes: float, words: str) -> None:
    assert size_words(n_bytes) == words
