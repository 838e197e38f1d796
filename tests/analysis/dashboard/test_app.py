"""The dashboard without a browser: addresses, filters, watching, pages, CSV, headers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import Client

from analysis.dashboard import address_in_words, elements, make_app
from analysis.dashboard.address import NOT_SET, Address, token
from analysis.dashboard.cache import Cache
from analysis.dashboard.facts import (
    MANY_ALONE,
    by_study,
    comparison,
    counts,
    run_words,
    trained_epochs,
)
from analysis.dashboard.filters import FILTERS, filter_index
from analysis.dashboard.grid import column_defs, columns_of, rows_of
from analysis.dashboard.pages import PAGES, PANELS, page_of
from analysis.dashboard.plots import ONE_STUDY, Panel, one_trial, panel_table, plot
from analysis.dashboard.sections import SECTIONS
from analysis.dashboard.server import is_loopback
from analysis.dashboard.watch import Snapshot, Watch
from analysis.figures import FIGURES
from analysis.tables.layout import TextTable
from tests.analysis import synthetic
from tests.analysis.small import record
from trainables.files import progress
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE, RunProgress
from trainables.files.records import StudyFolder

HOSTILE = '<script>window.hacked = 1</script><img src="http://evil.invalid/x">'


@pytest.fixture(scope="module")
def watch(schedules_folder: Path) -> Watch:
    return Watch([str(schedules_folder)])


@pytest.fixture(scope="module")
def snapshot(watch: Watch) -> Snapshot:
    return watch.snapshot


@pytest.fixture(scope="module")
def client(watch: Watch) -> Iterator[Client]:
    app = make_app(watch)
    app.server.config["TRUSTED_HOSTS"] = ["localhost"]
    with app.server.test_client() as found:
        yield found


# --- the address -----------------------------------------------------------------------------

KEYS = st.text("abcxyz._", min_size=1, max_size=8)
VALUES = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=3, unique=True)


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_an_address_says_what_it_was_made_of(values: dict[str, list[str]]) -> None:
    address = Address({key: tuple(found) for key, found in values.items()})
    assert Address.of(address.search()) == address


def test_an_address_that_cannot_be_read_says_nothing() -> None:
    assert Address.of("?" + "&".join(["a=1"] * 1000)).values == {}
    assert Address.of(None).values == {} and Address.of("?").search() == ""


def test_of_several_values_the_last_is_the_one() -> None:
    address = Address.of("?schedule=allr&schedule=ft&metric=val_loss")
    assert (address.all("schedule"), address.one("schedule")) == (("allr", "ft"), "ft")
    assert address.within(["metric"]).search() == "?metric=val_loss"


def test_a_panel_sees_the_filters_and_its_own_choices_alone() -> None:
    address = Address.of("?sparsity=0.9&gains.of=ft&ranks.by=method&other=1").of_panel("gains")
    assert set(address.values) == {"sparsity", "gains.of"}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.9, "0.9"), (3.0, "3"), (3, "3"), ("3", "3"), (None, NOT_SET), (float("nan"), NOT_SET)],
)
def test_values_stand_in_addresses_as_people_write_them(value: object, text: str) -> None:
    assert token(value) == text


# --- filters ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "n"),
    [
        ("", 108),
        ("?schedule=allr", 18),
        ("?schedule=allr&schedule=ft&sparsity=0.9", 12),
        ("?state=failed", 1),
        ("?budget=3&sparsity=0.95", 18),
        ("?sparsity=0.123", 0),
        ("?gains.of=ft", 108),
    ],
)
def test_filters_let_through(snapshot: Snapshot, search: str, n: int) -> None:
    assert len(snapshot.chosen(Address.of(search))) == n


def test_options_are_in_reading_order_and_shown_with_units(snapshot: Snapshot) -> None:
    options = snapshot.filters.options
    assert [o["label"] for o in options["sparsity"]] == ["80 %", "90 %", "95 %"]
    assert [o["value"] for o in options["schedule"]][:2] == ["ft", "lrw"]
    assert [o["label"] for o in options["budget"]] == ["1 epoch", "3 epochs"]


def test_a_value_that_no_trial_has_stays_offered_so_that_it_can_be_taken_away(
    snapshot: Snapshot,
) -> None:
    offered = snapshot.filters.offered("sparsity", Address.of("?sparsity=0.5&sparsity=0.9"))
    assert offered[-1] == {"label": "50 % (no trial)", "value": "0.5"}
    assert len(offered) == 4


def test_the_budget_of_methods_from_scratch_is_all_of_their_training(tmp_path: Path) -> None:
    synthetic.write(tmp_path, synthetic.methods(seeds=(0,)))
    found = filter_index(Watch([str(tmp_path)]).snapshot.trials)
    assert [o["value"] for o in found.options["budget"]] == ["23"]
    assert NOT_SET in found.tokens["schedule"]


def test_the_filters_are_named_one_by_one(snapshot: Snapshot) -> None:
    """As the bar shows their values, whether or not some trial has them."""

    def words(search: str) -> str:
        return snapshot.filters.words(Address.of(search))

    assert words("?schedule=ft&schedule=x&sparsity=0.9") == "schedule FT or x and sparsity 90 %"
    assert words("?sparsity=0.5&budget=7") == "sparsity 50 % and budget 7 epochs"
    assert words("?metric=val_loss") == ""
    assert list(FILTERS) == ["study", "method", "schedule", "sparsity", "budget", "state"]


# --- figures ---------------------------------------------------------------------------------


def test_every_figure_has_a_place() -> None:
    own = {"side_curves", "side_layers", "timeline"}  # of single trials, in no report
    assert {panel.figure.name for panel in PANELS.values()} == {*FIGURES, *own}
    assert len(PANELS) == sum(len(page.panels) for page in PAGES.values())


@pytest.mark.parametrize("key", sorted(PANELS))
def test_every_panel_draws_or_says_why_not(snapshot: Snapshot, key: str) -> None:
    trial = snapshot.trials[snapshot.trials["state"] == "done"]["fingerprint"].iloc[0]
    found = plot(PANELS[key], snapshot, Address.of(f"?trial={trial}")).drawing
    assert found.data or found.layout["annotations"][0]["text"]
    assert "template" not in found.layout and "title" not in found.layout
    json.dumps(found.data)


def test_a_panel_uses_what_the_address_says(snapshot: Snapshot) -> None:
    address = Address.of("?gains.of=llr&sparsity=0.9&metric=val_accuracy")
    table, picks = panel_table(PANELS["gains"], snapshot, address)
    assert "llr" not in set(table.frame["rival"]) and "ft" in set(table.frame["rival"])
    assert set(table.frame["prune.sparsity"]) == {0.9}
    assert table.metric == "val_accuracy"
    assert {pick.name: pick.value for pick in picks}["of"] == "llr"


def test_what_an_address_asks_for_and_cannot_be_had_is_left_at_its_default(
    snapshot: Snapshot,
) -> None:
    default, _ = panel_table(PANELS["gains"], snapshot, Address({}))
    address = Address.of("?gains.of=nobody&gains.by=no.column")
    other, _ = panel_table(PANELS["gains"], snapshot, address)
    pd.testing.assert_frame_equal(default.frame, other.frame)


def test_a_figure_that_chooses_says_that_it_does_not_use_a_test_metric(snapshot: Snapshot) -> None:
    table, _ = panel_table(PANELS["ranks"], snapshot, Address.of("?metric=test_accuracy"))
    assert (
        "This figure chooses, so it shows validation accuracy and not test accuracy." in table.notes
    )
    front, _ = panel_table(PANELS["pareto"], snapshot, Address.of("?metric=test_accuracy"))
    assert "This figure chooses, so it does not show test accuracy." in front.notes
    assert front.facts.axes.y == "val_accuracy"
    by_loss, picks = panel_table(PANELS["pareto"], snapshot, Address.of("?metric=val_loss"))
    assert by_loss.facts.axes.y == "val_loss"
    assert {pick.name: pick.value for pick in picks}["y"] == "val_loss"


def test_filters_that_leave_nothing_are_named(snapshot: Snapshot) -> None:
    found = plot(PANELS["gains"], snapshot, Address.of("?sparsity=0.123")).drawing
    assert found.notes == ("None of 108 trials passes the filters: sparsity 12.3 %.",)
    assert found.data == []


def test_one_colour_per_schedule_on_every_page(snapshot: Snapshot) -> None:
    colours: dict[str, set[str]] = {}
    for key in ("accuracy_by_sparsity", "accuracy_by_budget", "cost", "learning_curves"):
        for trace in plot(PANELS[key], snapshot, Address({})).drawing.data:
            colour = trace.get("line", {}).get("color")
            if colour and trace.get("name") in ("FT", "LRW", "SLR", "CLR", "LLR", "ALLR"):
                colours.setdefault(trace["name"], set()).add(colour)
    assert len(colours) == 6 and all(len(found) == 1 for found in colours.values())


def test_many_epochs_are_cut_to_the_block_without_changing_the_curve(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = panel_table(PANELS["learning_curves"], snapshot, Address({}))
    monkeypatch.setattr("analysis.panels.drawings.MANY_EPOCHS", 10)
    cut, _ = panel_table(PANELS["learning_curves"], snapshot, Address({}))
    pd.testing.assert_frame_equal(whole.frame, cut.frame)


def test_a_trial_that_diverged_shows_its_curve(tmp_path: Path) -> None:
    point = synthetic.Point(seed=4)
    synthetic.write(tmp_path, [point])
    folder = StudyFolder(str(tmp_path))
    done = folder.records().records[0]
    folder.write_record(replace(done, state="diverged"))
    snapshot = Watch([str(tmp_path)]).snapshot
    address = Address.of(f"?trial={done.fingerprint}")
    assert one_trial(snapshot, address)["state"].tolist() == ["diverged"]
    table, _ = panel_table(PANELS["trial_curve"], snapshot, address)
    assert table.frame["n"].max() == 1 and len(table.frame) == 23


def test_studies_are_compared_also_where_they_share_trials(tmp_path: Path) -> None:
    for name in ("one", "two"):
        synthetic.write(
            tmp_path / name, [synthetic.Point(seed=seed, study=name) for seed in (0, 1)]
        )
    snapshot = Watch([str(tmp_path / "one"), str(tmp_path / "two")]).snapshot
    table, _ = panel_table(PANELS["studies_accuracy_by_budget"], snapshot, Address({}))
    rows = table.frame[~table.frame["reference"].astype(bool)]
    assert dict(zip(rows["series"], rows["n"], strict=True)) == {"one": 2, "two": 2}
    grid = by_study(snapshot.trials)
    assert grid.headers[-1] == ("shared trials",)
    assert [row[-1].text for row in grid.rows] == ["2", "2"]


# --- the table of trials ---------------------------------------------------------------------


def test_rows_hold_shown_values_and_missing_ones(snapshot: Snapshot) -> None:
    trials = snapshot.chosen(Address.of("?schedule=allr&state=failed"))
    columns = columns_of(trials, Address({}))
    row = rows_of(trials, columns)[0]
    assert row["state"] == "failed" and row["message"] == "failed at epoch 2"
    assert "val_accuracy" not in columns  # no trial here has one
    everyone = rows_of(snapshot.trials, ["fingerprint", "val_accuracy"])
    by_name = {one["fingerprint"]: one["val_accuracy"] for one in everyone}
    assert by_name[row["fingerprint"]] is None
    other = snapshot.trials[snapshot.trials["state"] == "done"].iloc[0]
    assert by_name[other["fingerprint"]] == pytest.approx(100 * other["val_accuracy"])


def test_columns_follow_what_differs_and_the_metric(snapshot: Snapshot) -> None:
    columns = columns_of(snapshot.trials, Address.of("?metric=val_loss"))
    assert columns[:3] == ["fingerprint", "state", "seed"] and "val_loss" in columns
    assert "prune.sparsity" in columns and "dense.lr" not in columns
    defs = {c.get("field"): c for c in column_defs(snapshot.trials, columns)}
    assert defs["prune/sparsity"]["headerName"] == "sparsity (%)"
    assert defs["val_loss"]["headerName"] == "validation loss (nats)"


# --- facts -----------------------------------------------------------------------------------


def test_counts_and_epochs_count_a_shared_dense_run_once(snapshot: Snapshot) -> None:
    told = {fact.label: fact.value for fact in counts(snapshot.trials)}
    assert (told["trials"], told["done"], told["failed"], told["diverged"]) == (
        "108", "106", "1", "1",
    )  # fmt: skip
    # 53 trials with one epoch, 53 with three (one fell out of each), and three dense runs.
    assert trained_epochs(snapshot.trials) == 53 + 3 * 53 + 3 * 20
    twice = pd.concat([snapshot.trials, snapshot.trials.assign(study="again")], ignore_index=True)
    assert trained_epochs(twice) == trained_epochs(snapshot.trials)


def test_a_large_comparison_is_not_shown_but_explained(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("analysis.dashboard.facts.MANY_CELLS", 3)
    (said_there,) = SECTIONS["comparison"](snapshot, Address({}))
    assert "36 cells" in said_there.children


def test_the_answer_is_that_of_the_trials_that_pass_the_filters(snapshot: Snapshot) -> None:
    (box,) = SECTIONS["answer"](snapshot, Address({}))
    text = str(box)
    assert (
        "Six schedules (FT, LRW, SLR, CLR, LLR and ALLR)" in text and "Over all 6 settings" in text
    )
    (one,) = SECTIONS["answer"](snapshot, Address.of("?schedule=llr"))
    assert "IMP with LLR" in str(one) and "What sparsity costs" in str(one)
    assert SECTIONS["answer"](snapshot, Address.of("?schedule=nobody")) == []


def _parted(text: str) -> str:
    """Text whose numbers may be parted at the end of a line, as they may not be on a page."""
    assert "1 293" not in text
    return text.replace("\\xa0", " ").replace("\N{NO-BREAK SPACE}", " ")


def test_numbers_are_not_parted_from_their_sign_nor_their_thousands() -> None:
    glued = elements.glued("3 seeds: 99.4 % of 14 458 at 80, 90 and 95 % and 12 3456")
    assert glued == "3 seeds: 99.4~% of 14~458 at 80, 90 and 95~% and 12 3456".replace("~", "\xa0")


def test_one_series_at_many_sparsities_makes_no_table(snapshot: Snapshot) -> None:
    """A search of one method had a table of two rows and sixty columns."""
    alone = snapshot.chosen(Address.of("?schedule=llr"))
    assert isinstance(comparison(alone, None), TextTable)
    parts = [
        alone.assign(**{"prune.sparsity": 0.5 + place / 100, "fingerprint": f"t{place}"}).head(1)
        for place in range(MANY_ALONE + 1)
    ]
    said = comparison(pd.concat(parts, ignore_index=True), None)
    assert isinstance(said, str) and "one method" in said and "13 settings" in said


def test_a_task_is_named_whatever_kind_it_is(snapshot: Snapshot) -> None:
    """A task by name, which has no data set and no model, was a row of semicolons."""
    apart = ["task.dataset", "task.model", "task.use"]
    plain = snapshot.trials.drop(columns=apart, errors="ignore")
    at = by_study(snapshot.trials).headers.index(("task",))

    def task(trials: pd.DataFrame) -> str:
        (row,) = by_study(trials).rows
        return row[at].text

    assert task(snapshot.trials) == "digits, cnn"
    assert task(plain.assign(**{"task.use": "segmentation-small"})) == "segmentation-small"
    assert task(plain) == "–"


def test_one_study_is_compared_with_nothing(snapshot: Snapshot) -> None:
    for key in ("studies_gains", "studies_cost", "studies_accuracy_by_sparsity"):
        assert plot(PANELS[key], snapshot, Address({})).drawing.notes == (ONE_STUDY,)


def test_the_card_names_the_data_and_the_schedules_in_full(snapshot: Snapshot) -> None:
    studied, full = SECTIONS["card"](snapshot, Address({}))
    assert "1 293 training, 144 validation and 360 test images" in _parted(str(studied))
    assert "Adaptive linear learning rate restarting" in str(full)


def test_a_trial_that_is_not_there_is_named(snapshot: Snapshot) -> None:
    (found,) = SECTIONS["trial"](snapshot, Address.of("?trial=nobody"))
    assert "nobody" in found.children
    (unnamed,) = SECTIONS["trial"](snapshot, Address({}))
    assert "No trial is named" in unnamed.children


# --- watching --------------------------------------------------------------------------------


def test_new_trials_are_read_and_nothing_is_read_twice(tmp_path: Path) -> None:
    synthetic.write(tmp_path, synthetic.schedules(seeds=(0,)))
    watch = Watch([str(tmp_path)])
    first = watch.snapshot
    assert watch.refresh() is first
    StudyFolder(str(tmp_path)).write_record(record("new"))
    second = watch.refresh()
    assert second is not first and len(second.trials) == len(first.trials) + 1
    assert watch.refresh() is second


def test_a_retried_record_is_read_again(tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    folder.write_record(record("a", state="failed", metrics={}))
    watch = Watch([str(tmp_path)])
    folder.write_record(record("a", attempt=2))
    assert watch.refresh().trials["state"].tolist() == ["done"]


def test_a_heartbeat_is_no_change(tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    folder.write_record(record("a"))
    watch = Watch([str(tmp_path)])
    first = watch.snapshot
    folder.folder.write("run/lease-x.json", b"{}")
    folder.folder.write("progress.json", b"{}")
    assert watch.refresh() is first


def test_a_folder_that_cannot_be_read_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    StudyFolder(str(tmp_path / "good")).write_record(record("a"))
    watch = Watch([str(tmp_path / "good"), str(tmp_path / "gone")])
    assert len(watch.snapshot.trials) == 1
    assert any(str(tmp_path / "gone") in text for text in watch.snapshot.warnings)
    StudyFolder(str(tmp_path / "gone")).write_record(record("b"))
    assert len(watch.refresh().trials) == 2 and watch.snapshot.warnings == []


def test_no_folder_at_all_is_an_empty_state_in_words(tmp_path: Path) -> None:
    snapshot = Watch([str(tmp_path / "gone")]).snapshot
    assert snapshot.study is None and len(snapshot.warnings) == 1
    (said_there,) = SECTIONS["counts"](snapshot, Address({}))
    assert "No folder could be read" in said_there.children
    for panel in PANELS.values():
        assert plot(panel, snapshot, Address({})).drawing.notes


def test_a_study_without_trials_says_so(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: empty\n")
    snapshot = Watch([str(tmp_path)]).snapshot
    (said_there,) = SECTIONS["counts"](snapshot, Address({}))
    assert "no trial yet" in said_there.children
    for panel in PANELS.values():
        assert plot(panel, snapshot, Address({})).drawing.notes


NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def write_progress(folder: StudyFolder, age_s: float = 5.0) -> None:
    at = (NOW - timedelta(seconds=age_s)).isoformat()
    progress.write(folder.folder, RunProgress(at, 7, 8, 1, 0, 2, 5, 4.2, 100.0))


def test_a_run_is_at_work_while_it_holds_the_folder_and_speaks(tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    folder.write_record(record("a"))
    watch = Watch([str(tmp_path)])
    write_progress(folder)
    assert run_words(watch.runs(NOW)) == ["Not running."]
    Leases(folder.folder, "the driver").beat(RUN_LEASE)
    assert run_words(watch.runs(NOW)) == [
        "Running: 1 of 8 trials settled, 2 at work, 5 waiting, 4.2 epochs/s, about 1 min 40 s left."
    ]
    write_progress(folder, age_s=500.0)
    assert run_words(watch.runs(NOW)) == [
        "A run has said nothing lately: it is starting, or its process is lost."
    ]


def test_a_run_whose_process_is_gone_is_not_said_to_be_running(tmp_path: Path) -> None:
    """It spoke seconds ago and left its lease behind, as a killed process does."""
    folder = StudyFolder(str(tmp_path))
    folder.write_record(record("a"))
    write_progress(folder)
    Leases(folder.folder, "gone").beat(RUN_LEASE)
    lease = json.loads(folder.folder.read(f"{RUN_LEASE}/lease-gone.json"))
    lease["started"] = "1"  # another process has its id now
    folder.folder.write(f"{RUN_LEASE}/lease-gone.json", json.dumps(lease).encode())
    assert run_words(Watch([str(tmp_path)]).runs(NOW)) == ["Not running."]


def test_watching_writes_nothing(schedules_folder: Path) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in schedules_folder.rglob("*"))
    watch = Watch([str(schedules_folder)])
    for panel in PANELS.values():
        plot(panel, watch.snapshot, Address({}))
    watch.refresh()
    assert sorted((p, p.stat().st_mtime_ns) for p in schedules_folder.rglob("*")) == before


def test_kept_results_are_made_once_and_the_oldest_goes_first() -> None:
    cache, made = Cache(many=2), []

    def make(name: str) -> str:
        made.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        cache.get(name, lambda name=name: make(name))  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


# --- the server ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", sorted(set(PANELS) - {"trial_curve", "trial_layers"}))
def test_a_csv_equals_the_frame(client: Client, snapshot: Snapshot, key: str) -> None:
    search = "?sparsity=0.9&sparsity=0.95&metric=val_accuracy"
    table = panel_table(PANELS[key], snapshot, Address.of(search))[0].frame
    answer = client.get(f"/data/{key}.csv{search}")
    assert answer.mimetype == "text/csv"
    if table.empty:
        assert answer.text.strip() in ("", ",".join(map(str, table.columns)))
        return
    found = pd.read_csv(io.StringIO(answer.text), dtype=str, keep_default_na=False)
    wanted = pd.read_csv(io.StringIO(table.to_csv(index=False)), dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(found, wanted)
    for column in table.select_dtypes("float"):
        numbers = pd.to_numeric(found[column], errors="coerce").to_numpy()
        assert pd.Series(numbers).equals(pd.Series(table[column].to_numpy(dtype=float)))


def test_the_csv_of_trials_follows_the_filters(client: Client) -> None:
    answer = client.get("/data/trials.csv?schedule=allr&sparsity=0.9")
    found = pd.read_csv(io.StringIO(answer.text))
    assert len(found) == 6 and set(found["retrain.schedule"]) == {"allr"}


def test_an_unknown_csv_is_not_found(client: Client) -> None:
    assert client.get("/data/nothing.csv").status_code == 404


def test_every_answer_forbids_other_hosts(client: Client) -> None:
    answer = client.get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "connect-src 'self'" in policy
    assert "http" not in policy
    assert "https://" not in answer.text and "cdn" not in answer.text


def test_a_name_of_another_site_is_refused(client: Client) -> None:
    assert client.get("/", headers={"Host": "evil.invalid"}).status_code == 400


def test_the_address_is_given_and_its_reach_said() -> None:
    assert address_in_words("127.0.0.1", 8050) == [
        "dashboard at http://127.0.0.1:8050/ (Ctrl-C ends it)"
    ]
    open_words = " ".join(address_in_words("0.0.0.0", 81))
    assert "anyone who can reach port 81" in open_words and "no login" in open_words


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True),
     ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("node-a", False)],
)  # fmt: skip
def test_what_is_local(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_paths() -> None:
    assert page_of("/trials/") is PAGES["/trials"] and page_of(None) is PAGES["/"]
    assert page_of("/nowhere") is None


def test_hostile_text_stays_text_in_what_is_sent(tmp_path: Path) -> None:
    folder = StudyFolder(str(tmp_path))
    raw = synthetic.config(synthetic.Point())
    raw["task"]["model"]["name"] = HOSTILE
    folder.write_record(record("a", study=HOSTILE, config=raw, state="done"))
    folder.write_record(record("b", 1, study=HOSTILE, config=raw, state="failed", message=HOSTILE))
    snapshot = Watch([str(tmp_path)]).snapshot
    for panel in PANELS.values():
        found = plot(panel, snapshot, Address.of("?trial=a")).drawing
        assert "<script" not in json.dumps([found.data, found.layout])
    apart = Panel("p", FIGURES["accuracy_by_sparsity"], {"by": "study"}, apart=True)
    assert "<img" not in json.dumps(plot(apart, snapshot, Address({})).drawing.data)


@pytest.mark.slow
def test_it_imports_neither_torch_nor_ray() -> None:
    code = (
        "import sys, analysis.dashboard; "
        "print([m for m in ('torch', 'ray', 'torchvision') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


# --- requests that no page sends ---------------------------------------------------------------

PAGE = {"output": "page.children", "outputs": {"id": "page", "property": "children"}}


def asked(value: object, **more: object) -> bytes:
    inputs = [{"id": "address", "property": "pathname", "value": value}]
    return json.dumps({**PAGE, "inputs": inputs, "changedPropIds": [], **more}).encode()


def section(name: object, search: object = "") -> bytes:
    """What a page sends to have one of its sections made."""
    part = {"kind": "section", "panel": name}
    inputs = [
        {"id": "address", "property": "search", "value": search},
        {"id": "version", "property": "data", "value": ""},
    ]
    return json.dumps(
        {
            "output": '{"kind":"section","panel":["MATCH"]}.children',
            "outputs": {"id": part, "property": "children"},
            "inputs": inputs,
            "state": [{"id": part, "property": "id", "value": part}],
            "changedPropIds": [],
        }
    ).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"null", b"3", b'"x"', b"{}", b"[" * 100_000, b"\xff\xfe",
        b'{"output": "nope.children"}', b'{"output": 5}', asked(5), asked(["/"]), asked({"a": 1}),
        asked("/", inputs=[]), asked("/", inputs="x"), asked("/", outputs=[]), section("nope"),
        section(5), section(["x"]), section(next(iter(SECTIONS)), 5),
    ],
    ids=lambda body: body[:30],
)  # fmt: skip
def test_a_request_that_no_page_sends_is_refused_quietly(
    client: Client, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.post("/_dash-update-component", data=body, content_type="application/json")
    assert answer.status_code == 400
    assert "Traceback" not in answer.get_data(as_text=True) + caplog.text
    assert not caplog.records


def test_a_fault_of_the_pages_own_code_is_not_hidden(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a bug")

    name = next(iter(SECTIONS))
    monkeypatch.setitem(SECTIONS, name, broken)
    answer = client.post(
        "/_dash-update-component", data=section(name), content_type="application/json"
    )
    assert answer.status_code == 500
    assert "a bug" in caplog.text
