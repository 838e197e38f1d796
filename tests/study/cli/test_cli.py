"""The command as a whole: its verbs, what it costs to ask, and the verbs that only read."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest

from study.cli import VERBS, group
from study.views.method_list import methods, ranged
from tests.study.conftest import Command
from tests.trainables.files.damage import damaged
from trainables.config.catalog import METHODS
from trainables.files.parquet import parquet
from trainables.files.records import StudyFolder
from trainables.files.tables import record_table
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal

HEAVY = ("torch", "ray", "pandas", "plotly", "scipy", "optuna", "pyarrow", "numpy")


def imported_by(*arguments: str, status: int) -> list[str]:
    """Which heavy packages a call of the command, in a process of its own, has imported."""
    code = (
        "import sys\n"
        "from study.cli import main\n"
        f"sys.argv = ['bimp', *{list(arguments)!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n"
        f"    print('status', ended.code, [m for m in {HEAVY!r} if m in sys.modules])\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=280, check=True
    )
    line = found.stdout.splitlines()[-1]
    assert line.startswith(f"status {status} "), found
    return list(json.loads(line.removeprefix(f"status {status} ").replace("'", '"')))


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--help",), 0),
        (("run", "--help"), 0),
        (("plan", "digits", "--set", "prune.sparsity=1"), 2),
        (("run", "digits", "--set", "prune.sparsty=0.5"), 2),
        (("run", "digits-discount", "--set", "search.trials=0"), 2),
        (("methods",), 0),
        (("schedule", "ft", "--dense-schedule", "linear", "--lr", "1", "--dense-epochs", "1",
          "--steps-per-epoch", "2", "--epochs", "1"), 0),
    ],
)  # fmt: skip
def test_help_refusals_and_what_needs_no_data_import_nothing_heavy(
    arguments: tuple[str, ...], status: int
) -> None:
    assert imported_by(*arguments, status=status) == []


@pytest.mark.parametrize("arguments", [("status",), ("plan", "digits", "--out")])
def test_status_and_plan_need_no_pandas(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Arrow imports it at the first use of many of its functions."""
    write_study(tmp_path)
    StudyFolder(str(tmp_path)).compact()
    assert imported_by(*arguments, str(tmp_path), status=0) == ["pyarrow", "numpy"]


def test_help_lists_every_verb(bimp: Command) -> None:
    shown = bimp("--help")
    assert shown.status == 0
    for verb in VERBS:
        assert f"\n  {verb} " in shown.out
    assert bimp("-h").out == shown.out


def test_the_version(bimp: Command) -> None:
    assert bimp("--version").out.rstrip().endswith("bimp, version " + version("bimp-study"))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_module_and_help(verb: str, bimp: Command) -> None:
    command = import_module(f"study.cli.{verb}").command
    assert isinstance(command, click.Command)
    assert command.name == verb
    shown = bimp(verb, "--help")
    assert shown.status == 0
    assert " ".join(str(command.help).split("\n\n")[0].split()) in " ".join(shown.out.split())


def test_no_module_is_left_out_of_the_verbs() -> None:
    folder = Path(import_module("study.cli").__file__ or "").parent
    shared = {"__init__", "terminal"}  # the group, and what several verbs have
    assert {p.stem for p in folder.glob("*.py")} - shared == set(VERBS)


@pytest.mark.parametrize(
    ("given", "hint"),
    [("stauts", "did you mean status?"), ("zzz", f"known are {', '.join(VERBS)}")],
)
def test_an_unknown_verb_is_answered(given: str, hint: str, bimp: Command) -> None:
    ended = bimp(given)
    assert ended.status == 2
    assert f"the command must be a known one, got '{given}'; {hint}" in ended.err


def test_a_fault_that_is_no_refusal_is_not_hidden(
    bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(import_module("study.cli.methods").command, "callback", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        bimp("methods")


def test_a_refusal_is_one_line_and_status_2(bimp: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(**_: Any) -> None:
        raise Refusal("key must be so, got otherwise")

    monkeypatch.setattr(import_module("study.cli.methods").command, "callback", refused)
    ended = bimp("methods")
    assert (ended.status, ended.out, ended.err) == (2, "", "bimp: key must be so, got otherwise\n")


def test_a_table_that_a_disk_has_damaged_is_named_and_the_loose_files_are_read(
    tmp_path: Path, bimp: Command
) -> None:
    table = parquet(record_table([Record("aa", "digits", {"prune": {}}, 0, "done")]))
    StudyFolder(str(tmp_path)).folder.write("tables/records.parquet", damaged(table, "config"))
    ended = bimp("plan", "digits", "--out", tmp_path)
    assert ended.status == 0 and ended.err == ""
    rule = "must have the content that its checksum was taken of"
    warnings = [line for line in ended.out.splitlines() if line.startswith("warning: ")]
    assert warnings == [
        f"warning: tables/records.parquet: cannot be read ({rule}, got another: it was edited or"
        " damaged)"
    ]


def test_the_group_is_what_pyproject_installs() -> None:
    assert isinstance(group, click.Group)
    assert group.list_commands(click.Context(group)) == list(VERBS)


# bimp results


def write_study(folder: Path) -> None:
    """Three trials: accuracies .8 and .9 for two schedules, and one that failed."""
    study = StudyFolder(str(folder))
    text = (
        "name: small\ntask: {dataset: digits, model: mlp}\ndense: {epochs: 2}\n"
        "prune: {sparsity: 0.9}\nretrain: {epochs: 1, schedule: {grid: [ft, llr]}}\n"
        "seeds: [0, 1]\n"
    )
    study.folder.write("study.yaml", text.encode())
    for name, schedule, seed, accuracy in (("a", "ft", 0, 0.8), ("b", "llr", 0, 0.9)):
        study.write_record(_record(name, schedule, seed, {"val_accuracy": accuracy}))
    study.write_record(_record("c", "ft", 1, {}, state="failed", message="ValueError: no | luck"))


def _record(
    name: str, schedule: str, seed: int, metrics: dict[str, float], state: str = "done", **more: Any
) -> Record:
    config = {
        "task": {"dataset": {"name": "digits"}, "model": {"name": "mlp"}},
        "prune": {"sparsity": 0.9},
        "retrain": {"schedule": schedule},
        "method": {"name": "imp"},
    }
    return Record(name, "small", config, seed, state, metrics=metrics, **more)


def test_results_as_csv(tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path)
    ended = bimp("results", tmp_path, "--columns", "retrain.schedule,seed", "--columns",
                 "val_accuracy", "--sort", "-val_accuracy", "--format", "csv")  # fmt: skip
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == "retrain.schedule,seed,val_accuracy\nllr,0,0.9\nft,0,0.8\nft,1,\n"


def test_results_with_a_condition_as_json(tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path)
    ended = bimp("results", tmp_path, "--where", "val_accuracy > 0.85", "--format", "json")
    (row,) = json.loads(ended.out)
    assert (row["fingerprint"], row["retrain.schedule"], row["val_accuracy"]) == ("b", "llr", 0.9)


def test_results_grouped(tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path)
    ended = bimp("results", tmp_path, "--group-by", "method", "--columns", "val_accuracy",
                 "--format", "json")  # fmt: skip
    (row,) = json.loads(ended.out)
    assert (row["method"], row["n"], row["n_failed"]) == ("imp", 2, 1)
    assert row["mean"] == pytest.approx(0.85)


@pytest.mark.parametrize("shape", ["table", "markdown", "latex"])
def test_results_for_people(shape: str, tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path)
    ended = bimp("results", tmp_path, "--format", shape)
    assert ended.status == 0
    assert "llr" in ended.out
    assert ended.out.endswith("\n")


def test_results_to_a_file(tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path / "study")
    file = tmp_path / "new" / "out.parquet"
    ended = bimp("results", tmp_path / "study", "--format", "parquet", "-o", file)
    assert (ended.status, ended.out, ended.err) == (0, "", f"wrote {file}\n")
    assert file.read_bytes().startswith(b"PAR1")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--where", "prune.sparcity > 0.5"), "--where must fit the table's columns, got a fault: "
         "unknown column 'prune.sparcity'"),
        (("--where", "prune.sparsity >"), "--where must fit the table's columns, got a fault: "
         "cannot read the expression"),
        (("--columns", "nothing"), "--columns must fit the table's columns, got a fault: "),
        (("--sort", "-nothing"), "--sort must fit the table's columns, got a fault: "),
        (("--columns", "seed", "--sort", "nothing"), "--columns or --sort must fit "),
        (("--group-by", "method", "--columns", "seed"), "--columns must be metrics under "),
        (("-o", "study.yaml/x", "--format", "csv"), "-o must be a file that can be written, got "),
    ],
)  # fmt: skip
def test_wrong_questions(
    options: tuple[str, ...], message: str, tmp_path: Path, bimp: Command,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    write_study(tmp_path)
    monkeypatch.chdir(tmp_path)
    ended = bimp("results", tmp_path, *options)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"bimp: {message}")
    assert ended.err.count("\n") == 1


@pytest.mark.parametrize("verb", ["results", "status", "answer", "stages", "export"])
def test_a_folder_that_is_no_study(verb: str, tmp_path: Path, bimp: Command) -> None:
    more = ("--best", "val_accuracy", "-o", "x") if verb == "export" else ()
    ended = bimp(verb, tmp_path / "nothing", *more)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith("bimp: DIR must be a study folder")
    assert f"got {tmp_path / 'nothing'}" in ended.err
    assert list(tmp_path.iterdir()) == []


# bimp answer


def test_the_answer_in_words_and_as_data(tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path)
    ended = bimp("answer", tmp_path)
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("What was studied\n- digits with mlp. Two schedules (FT and LLR)")
    assert "LLR is first on validation; both lie between 80.0 and 90.0 %" in ended.out
    content = json.loads(bimp("answer", tmp_path, "--json").out)
    assert content["counts"]["states"] == {"done": 2, "failed": 1}
    assert content["advice"][0]["first"] == ["llr"]


# bimp methods


def test_methods_are_all_listed_with_what_they_are(bimp: Command) -> None:
    ended = bimp("methods")
    paragraphs = ended.out.rstrip("\n").split("\n\n")
    assert [p.partition(":")[0] for p in paragraphs] == list(METHODS)
    for paragraph, method in zip(paragraphs, METHODS.values(), strict=True):
        assert method.title in paragraph
        assert f"source      {method.source}" in paragraph
        for name in method.parameters.model_fields:
            assert f"{name}: " in paragraph


def test_methods_as_data(bimp: Command) -> None:
    assert json.loads(bimp("methods", "--format", "json").out) == methods()
    found = {m["name"]: m for m in methods()}
    assert found["gmp"]["parameters"] == {
        "interval": {"range": "a whole number >= 1", "default": 2},
        "recover": {"range": "true or false", "default": False},
    }
    assert found["bimp"]["domains"]["prune.cycles"] == {"int": [1, 4]}
    assert found["str"]["controls_sparsity"] is False


@pytest.mark.parametrize(
    ("method", "parameter", "words"),
    [
        ("cs", "beta_final", "a number > 1"),
        ("str", "s_initial", "a number"),
        ("cs", "s_initial", "a number >= -80"),
        ("dst", "penalty", "a number >= 0"),
    ],
)
def test_ranges_in_words(method: str, parameter: str, words: str) -> None:
    field = METHODS[method].parameters.model_fields[parameter]
    assert ranged(field.annotation, tuple(field.metadata)) == words


def test_ranges_of_other_kinds() -> None:
    from trainables.config.catalog import MODELS

    def of(model: str, name: str) -> str:
        field = MODELS[model].parameters.model_fields[name]
        return ranged(field.annotation, tuple(field.metadata))

    assert of("mlp", "hidden") == "a list, each a whole number >= 1"
    assert of("mlp", "dropout") == "a number >= 0 and < 1"
    assert of("wrn28-10", "variant") == '"standard" or "biased"'
    assert ranged(int | None) == "a whole number or null"


def test_a_text_of_another_s_steers_no_terminal(tmp_path: Path, bimp: Command) -> None:
    write_study(tmp_path)
    steering = "\x1b]0;owned\x07\x1b[2Jno\rluck\x9b1m\u202e\u2028end"
    study = StudyFolder(str(tmp_path))
    study.write_record(_record("c", "ft", 1, {}, state="failed", message=steering))
    study.folder.write("records/\x1b[2J.json", b"{}")
    for verb in ("status", "results", "answer", "note"):
        ended = bimp(verb, tmp_path)
        assert ended.status == 0
        assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(ended.out + ended.err)
    assert "\\x1b]0;owned\\x07" in bimp("results", tmp_path).out
