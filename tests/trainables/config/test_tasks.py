"""Tasks of the catalog by name: what a configuration says of them, and what of it is hashed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trainables.config import tasks
from trainables.config.chain import fingerprint, stage_chain
from trainables.config.sections import TaskChoice
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal

NAME = "segmentation-small"
DEFAULTS = {"width": 8, "size": 48}


def configured(facts: dict[str, Any] | None = None, **keywords: Any) -> TrialConfig:
    return TrialConfig.of(
        {
            "task": {"use": NAME, **DEFAULTS, **keywords},
            "dense": {"epochs": 1, "batch_size": 8},
            "prune": {"sparsity": 0.5},
            "retrain": {"schedule": "llr", "epochs": 1},
            "facts": {"n_train": 64, "defaults": DEFAULTS, **(facts or {})},
        }
    )


def hashes(config: TrialConfig) -> list[str]:
    return [fingerprint(config, 0), *(stage.hash for stage in stage_chain(config, 0))]


def test_it_is_none_of_the_users_code() -> None:
    config = configured()
    assert config.own_code == {}
    assert config.task.keywords == DEFAULTS
    assert config.resolved()["task"] == {"use": NAME, **DEFAULTS}


def test_a_keyword_at_its_default_is_not_hashed() -> None:
    """So one that comes later leaves older trials alone."""
    more = {"defaults": {**DEFAULTS, "later": 1}}
    assert hashes(configured(more, later=1)) == hashes(configured())
    changed = configured(more, later=2)
    assert not set(hashes(changed)) & set(hashes(configured()))
    assert stage_chain(changed, 0)[0].content["task"] == {"use": NAME, "keywords": {"later": 2}}


def test_a_keyword_without_a_default_is_hashed() -> None:
    needed = configured(needed=1)
    assert stage_chain(needed, 0)[0].content["task"]["keywords"] == {"needed": 1}


def test_a_revision_above_one_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    before = configured()
    assert stage_chain(before, 0)[0].content["task"] == {"use": NAME}
    monkeypatch.setitem(tasks.TASKS, NAME, replace(tasks.TASKS[NAME], revision=2))
    assert stage_chain(before, 0)[0].content["task"] == {"use": NAME, "revision": 2}
    assert fingerprint(configured(), 0) != "" and len(set(hashes(configured()))) == 3


@pytest.mark.parametrize("use", [NAME, "my_task:Mine"])
def test_what_its_files_are_is_hashed_and_recorded(use: str) -> None:
    plain = configured({"listings": {}}, use=use)
    listed = configured({"listings": {"task.use": "ab12"}}, use=use)
    assert stage_chain(listed, 0)[0].content["task"]["files"] == "ab12"
    assert not set(hashes(listed)) & set(hashes(plain))
    assert listed.resolved()["task"]["listing"] == "ab12"
    assert "listing" not in plain.resolved()["task"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"use": "segmentation-smal"},
         "task.use must be a known name, got 'segmentation-smal'; did you mean segmentation-small"
         " or voc-segmentation or translation-small?, or module:attribute for a task of your own"),
        ({"use": "my_task"},
         "task.use must be of the form module:attribute, got 'my_task'"),
        ({"use": NAME, "files": ["*.txt"]},
         "task.files must be absent for segmentation-small, which is none of your own code, got"
         " ['*.txt']"),
        ({"use": NAME, "version": "2"},
         "task.version must be absent for segmentation-small, which is none of your own code, got"
         " '2'"),
        ({"use": NAME, "dataset": "digits"},
         "task.dataset must be absent beside task.use, which names the whole task, got 'digits'"),
    ],
)  # fmt: skip
def test_what_is_refused(task: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        TaskChoice.of(task)
    assert str(refusal.value) == message


@pytest.mark.parametrize("record", tasks.TASKS.values(), ids=lambda record: record.name)
def test_records_name_what_there_is(record: tasks.BuiltInTask) -> None:
    assert tasks.built_in(record.name) is record
    assert record.title and record.source and record.revision >= 1
    module, _, attribute = record.target.partition(":")
    assert module.startswith("trainables.") and attribute.isidentifier()
    assert tasks.built_in(record.target) is None and tasks.built_in(None) is None
