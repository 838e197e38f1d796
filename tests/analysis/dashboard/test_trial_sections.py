"""Ticks, siblings, exports and notes on the pages, and that a reader's notes reach the folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from analysis.dashboard import trial_sections
from analysis.dashboard.address import Address, trial_link
from analysis.dashboard.pages import PANELS
from analysis.dashboard.plots import MOST_TICKED, one_trial, panel_table
from analysis.dashboard.sections import FOLLOWED, SECTIONS
from analysis.dashboard.watch import Watch
from study.views.status import status
from tests.analysis.small import record, write_small
from trainables.files.leases import Leases
from trainables.files.notes import STUDY, read_notes
from trainables.files.storage import LocalFolder

STUDY_FILE = """name: small
task: {dataset: digits, model: mlp}
dense: {epochs: 3}
prune: {sparsity: 0.9}
retrain: {epochs: 2}
"""


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    return Watch([write_small(str(tmp_path / "a b")).location], notable=True)


def text_of(parts: list[Any]) -> str:
    return json.dumps(
        [part.to_plotly_json() for part in parts], default=lambda e: e.to_plotly_json()
    )


def test_two_ticks_lead_to_the_page_side_by_side(watch: Watch) -> None:
    none = text_of(trial_sections.ticked(watch.snapshot, Address({})))
    assert "Tick two or more" in none
    one = text_of(trial_sections.ticked(watch.snapshot, Address.of("?tick=ft0&tick=nobody")))
    assert "1 trial ticked" in one and "/side" not in one
    two = text_of(
        trial_sections.ticked(watch.snapshot, Address.of("?sparsity=0.9&tick=ft0&tick=ft1"))
    )
    assert "2 trials ticked" in two and "/side?sparsity=0.9&tick=ft0&tick=ft1" in two
    assert '"/trials?sparsity=0.9"' in two


def test_ticked_trials_are_shown_whatever_the_filters(watch: Watch) -> None:
    address = Address.of("?schedule=allr&tick=ft0&tick=wild")
    shown = text_of(trial_sections.side(watch.snapshot, address))
    assert "seed 0" in shown and "seed 1" in shown and "diverged" in shown
    assert "bimp export '" in shown and "a b' --trial ft0 -o ft0.safetensors" in shown
    table, _ = panel_table(PANELS["side_curves"], watch.snapshot, address)
    assert set(table.frame["fingerprint"]) == {"ft0", "wild"}
    assert PANELS["side_curves"].address(address).all("tick") == ("ft0", "wild")
    assert PANELS["gains"].address(address).all("tick") == ()
    assert FOLLOWED["answer"] == ("trial",) and set(FOLLOWED) == set(SECTIONS)


def test_nothing_ticked_is_said(watch: Watch) -> None:
    assert "No trial is ticked" in text_of(trial_sections.side(watch.snapshot, Address({})))
    table, _ = panel_table(PANELS["side_curves"], watch.snapshot, Address({}))
    assert table.notes == ("No trial is ticked. Tick two or more on the page Trials.",)


def test_of_very_many_ticks_the_first_are_shown(tmp_path: Path) -> None:
    folder = write_small(str(tmp_path))
    for seed in range(20):
        folder.write_record(record(f"t{seed:02}", seed))
    address = Address({"tick": tuple(f"t{seed:02}" for seed in range(20))})
    shown = text_of(trial_sections.side(Watch([folder.location]).snapshot, address))
    assert f"The first {MOST_TICKED} of 20 ticked trials are shown." in shown


def test_a_trial_leads_to_its_siblings_and_out(watch: Watch) -> None:
    address = Address.of("?trial=ft1&budget=3")
    row = one_trial(watch.snapshot, address).iloc[0]
    shown = text_of(trial_sections.further(watch.snapshot, row, address))
    assert trial_link(address, "small", "ft0") in shown
    assert "/side?tick=broken&tick=ft0&tick=ft1&tick=wild" in shown
    failed = one_trial(watch.snapshot, Address.of("?trial=broken")).iloc[0]
    assert "bimp export" not in text_of(trial_sections.further(watch.snapshot, failed, address))


def test_a_link_to_a_trial_keeps_filters_and_ticks() -> None:
    address = Address.of("?study=x&schedule=ft&trial=a&tick=b&gains.of=ft")
    assert trial_link(address, "s", "f") == "/trial?schedule=ft&tick=b&trial=f&study=s"


def test_a_note_is_written_seen_and_taken_away(watch: Watch) -> None:
    folder = LocalFolder(watch.locations[0])
    version = watch.snapshot.version
    assert watch.note("small", "ft0", " odd ") == "Saved."
    assert watch.note("small", STUDY, "all of it") == "Saved."
    assert {n.about: n.text for n in read_notes(folder)[0].values()} == {
        "ft0": "odd", "study": "all of it",
    }  # fmt: skip
    assert watch.refresh().version != version
    shown = text_of(trial_sections.notes(watch.snapshot, Address.of("?trial=ft0")))
    assert '"odd"' in shown and "Save note" in shown
    assert "all of it" in text_of(trial_sections.notes(watch.snapshot, Address({})))
    assert watch.note("small", "ft0", "") == "Taken away."
    assert set(read_notes(folder)[0]) == {STUDY}


def test_notes_are_on_what_is_there(watch: Watch) -> None:
    assert watch.note("small", "nobody", "x") == "There is no such trial any more."
    assert watch.note("other", "ft0", "x") == "Notes cannot be written here."
    assert "Not saved" in watch.note("small", "ft0", "x" * 10_001)
    assert read_notes(LocalFolder(watch.locations[0]))[0] == {}


def test_others_read_notes_and_write_none(watch: Watch) -> None:
    """Served to other machines, whoever reaches the port can read, and nobody write."""
    watch.note("small", "ft0", "line one\nline two")
    public = Watch(watch.locations)
    assert public.note("small", "ft0", "mine") == "Notes cannot be written here."
    shown = text_of(trial_sections.notes(public.snapshot, Address.of("?trial=ft0")))
    assert "line one" in shown and "Save note" not in shown


def test_status_and_dashboard_know_a_live_run_alike(watch: Watch) -> None:
    """Both ask whether a process that is alive holds the folder."""
    location = watch.locations[0]
    (Path(location) / "study.yaml").write_text(STUDY_FILE)
    assert watch.runs() == [] and status(location).running is None
    other = Leases(LocalFolder(location), "another-driver")
    other.beat("run")
    (run,) = watch.runs()
    assert run == status(location).running
    lease = Path(location) / "run" / "lease-another-driver.json"
    gone = {**json.loads(lease.read_text()), "pid": 2**22 + 1}
    lease.write_text(json.dumps(gone))
    assert watch.runs() == [] and status(location).running is None
