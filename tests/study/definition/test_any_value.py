"""Values that no study can hold, at every key of its file: one sentence with key, rule and value,
quickly, and whatever is accepted comes back from every file that it goes to.
"""

from __future__ import annotations

import copy
import io
import json
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from ruamel.yaml import YAML

from study.definition.studyfile import StudyFile, read_yaml
from study.points.resolve import resolve
from tests.study.cli.test_any_study import KEYS, put, refusal_of
from tests.study.cli.test_wrong_studies import OPTUNA, UNDER_BIMP, edited
from trainables.config.settings import FactsMissing
from trainables.files.parquet import parquet
from trainables.files.tables import record_table
from trainables.files.trial_record import Record, decode, encode
from trainables.vocabulary.refusal import Refusal

SEARCH = {"search": OPTUNA, "retrain.discount": {"uniform": [0.1, 1.0]}}
BASES: tuple[dict[str, Any], ...] = ({}, UNDER_BIMP, SEARCH)

NEVER = (
    ".nan", ".NaN", ".inf", "-.Inf", "1e400", "-1e400", "9223372036854775808",
    "-9223372036854775809", "123456789012345678901234567890", "2020-01-01",
    "2020-01-01T10:00:00Z", "!!set {a, b}", "!!binary aGVsbG8=", "!!omap [a: 1]",
    '"\\0"', '"\\ud800"', '["\\udfff"]', "{1: 2}", "{null: 2}", "{true: 2}", '{"\\ud800": 2}',
    "{grid: []}", "{grid: null}", "{grid: {a: 1}}", "{grid: [1, 1.0]}", "{grid: [1, true]}",
    "{grid: [.nan]}", "{grid: [[1], [1]]}", "{grid: [1], choice: [2]}", "{choice: []}",
    "{uniform: [1, 0]}", "{uniform: [1, 1]}", "{uniform: [0, .inf]}", "{uniform: ['0', '1']}",
    "{uniform: [0, 1, 0.1]}", "{uniform: [-1.0e+308, 1.0e+308]}", "{uniform: [null, 1]}",
    "{loguniform: [0, 1]}", "{loguniform: [-1, 1]}", "{int: [1.5, 3]}", "{int: [true, 3]}",
)  # fmt: skip
"""What no key takes."""

SELDOM = (
    "null", "true", "[]", "{}", "[null]", "{a: 1}", "-1", "-0.0", "5.0e-324", "1.0e+300", "0",
    "1.5", "'nan'", "'inf'", "'1'", '"\\u0661"', "''", "'..'", "'con'", "'-x'", "'x.'",
    '"\\u202ea"', '"\\U0001f600"', '"\\ud83d\\ude00"', '"a\\nb"', "n" * 300,
    "{grid: [0.5, '0.5']}", "{int: [0, 9223372036854775807]}",
    "{loguniform: [5.0e-324, 1.0e+308]}", "[18446744073709551615]", "[[[]]]", "a:b:c",
)  # fmt: skip
"""What some keys take and others do not."""


def check(raw: dict[str, Any]) -> None:
    resolve(StudyFile.of(raw)).check()


def studies(value: str, keys: tuple[str, ...] = KEYS) -> Iterator[tuple[str, dict[str, Any]]]:
    """Studies with a value at each key in turn, under one base after the other."""
    plain = read_yaml(value, "value")
    for at, key in enumerate(keys):
        raw = copy.deepcopy(edited(BASES[at % len(BASES)]))
        put(raw, key, plain)
        yield key, raw


@pytest.mark.parametrize("value", NEVER)
def test_what_no_key_takes_is_refused_at_every_key(value: str) -> None:
    started = time.process_time()
    for key, raw in studies(value):
        sentence = refusal_of(partial(check, raw))
        assert sentence is not None, key
        assert "\n" not in sentence and len(sentence) < 600, sentence
        assert " must " in sentence and "must be valid" not in sentence, sentence
        assert key.split(".")[0] in sentence or "search.strategy" in sentence, (key, sentence)
    assert time.process_time() - started < 10


def accepted(raw: dict[str, Any]) -> tuple[StudyFile | None, str]:
    """The study, or why it is none; files of weights are looked at by the command."""
    try:
        study = StudyFile.of(raw)
        resolve(study).check()
    except Refusal as refusal:
        return None, str(refusal)
    except FactsMissing:
        return None, ""
    return study, ""


@pytest.mark.parametrize("value", SELDOM)
def test_what_some_keys_take_can_be_kept_by_every_file(value: str) -> None:
    for key, raw in studies(value):
        study, sentence = accepted(raw)
        if study is None:
            assert "\n" not in sentence and "must be valid" not in sentence, (key, sentence)
            continue
        resolved = resolve(study)
        text = io.BytesIO()
        YAML(typ="safe", pure=True).dump(study.raw(), text)
        again = StudyFile.of(read_yaml(text.getvalue().decode(), "study.yaml"))
        assert again.raw() == study.raw(), key
        json.dumps(study.raw(), allow_nan=False)
        for trial in (resolved.trials or ())[:1]:
            record = Record(trial.fingerprint, study.name, trial.config.resolved(), trial.seed,
                            "done", metrics={"val_accuracy": 0.5})  # fmt: skip
            back = decode(encode(record), "record")
            assert back == record, key
            assert parquet(record_table([back]))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("resources.gpus", "inf", "resources.gpus must be a finite number, got "),
        ("resources.gpus", True, "resources.gpus must be a number, got True"),
        ("resources.gpus", 2**62, "resources.gpus must be <= 1024"),
        ("data.processes", 10**18, "data.processes must be <= 1024"),
        ("data.root", "", "data.root must not be empty"),
        ("stage_store", "", "stage_store must not be empty"),
        ("search.measure_on", "", "search.measure_on must not be empty"),
        ("dense.batch_size", 1e300, "dense.batch_size must be a whole number below 2^63"),
        ("seeds", [0, 2**64], "seeds.1 must be a number of at most"),
        ("dense.lr", {"grid": [0.1, 0.2, 0.1]}, "dense.lr.grid must not repeat a value"),
        ("dense.groups", {"grid": [[{"match": ["a"]}]] * 2}, "dense.groups.grid must not repeat"),
    ],
)
def test_key_rule_and_value(key: str, value: Any, message: str) -> None:
    raw = edited({})
    put(raw, key, value)
    sentence = refusal_of(partial(check, raw))
    assert sentence is not None and sentence.startswith(message), sentence


@pytest.mark.parametrize(
    ("key", "value"),
    [("data.memory", None), ("dense.schedule", None), ("retrain.schedule", 3), ("prune.scope", [])],
)
def test_what_is_no_word_is_near_none(key: str, value: Any) -> None:
    raw = edited({})
    put(raw, key, value)
    sentence = refusal_of(partial(check, raw))
    assert sentence is not None and "did you mean" not in sentence


def grid(n: int) -> dict[str, list[float]]:
    return {"grid": [0.1 + 0.8 * i / n for i in range(n)]}


def test_a_million_cells_are_counted_and_not_made() -> None:
    started = time.process_time()
    for n in (100, 1000):
        raw = edited({"dense.lr": grid(n), "dense.momentum": grid(n), "prune.sparsity": grid(n)})
        sentence = refusal_of(partial(check, raw))
        assert sentence == f"the grids must make at most 100000 trials, got {n**3}"
    choices = {"choice": [1 + i / 1e6 for i in range(20_000)]}
    resolve(StudyFile.of(edited({**SEARCH, "dense.momentum": 0.9, "dense.lr": choices})))
    assert time.process_time() - started < 5


def test_characters_may_be_written_as_json_writes_them() -> None:
    raw = edited({})
    raw["data"] = {"root": "\U0001f600/\u00fc"}
    assert StudyFile.of(read_yaml(json.dumps(raw), "study.json")).data.root == raw["data"]["root"]
