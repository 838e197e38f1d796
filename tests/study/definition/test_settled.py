"""What is settled stays settled: fingerprints and stage hashes of the presets, held by value.

`settled.json` was written once and is never written again: a change that alters one of its hashes
would have every settled trial of that kind trained anew.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from study.definition import studyfile
from study.definition.space import Block
from study.points.resolve import resolve
from trainables.config.chain import digest, fingerprint, stage_chain
from trainables.config.trial import TrialConfig

SETTLED: dict[str, Any] = json.loads(Path(__file__).with_name("settled.json").read_text())


@pytest.mark.parametrize(
    "trial", SETTLED["trials"], ids=[f"{t['preset']}-{t['fingerprint']}" for t in SETTLED["trials"]]
)
def test_a_trial_keeps_its_fingerprint_and_its_stages(trial: dict[str, Any]) -> None:
    config = TrialConfig.of(trial["config"])
    assert fingerprint(config, trial["seed"]) == trial["fingerprint"]
    assert [spec.hash for spec in stage_chain(config, trial["seed"])] == trial["stages"]


WITHOUT_DPF = {
    "digits-table2": "f585bd4932e3bce7",
    "fashion-mnist-table2": "2f8f7e47f75911ac",
    "table2-cifar10-resnet56": "7fc813b0b74f8648",
    "table2-imagenet-resnet50": "170355be09cd35dc",
}
"""Presets that search DPF too, which was mended: what their other blocks were before and are."""


@pytest.mark.parametrize("preset", sorted(SETTLED["studies"]))
def test_a_preset_asks_for_the_same_trials(preset: str) -> None:
    """All fingerprints of a grid; of a search the keys of its blocks, which its records carry."""
    resolved = resolve(studyfile.load(preset))
    if resolved.trials is None:
        names = [block.key for block in resolved.blocks if _method(block) != "dpf"]
    else:
        names = [trial.fingerprint for trial in resolved.trials]
    assert digest(names) == WITHOUT_DPF.get(preset, SETTLED["studies"][preset])


def _method(block: Block) -> str:
    method = block.space.raw(block.cell).get("method", "imp")
    return str(method if isinstance(method, str) else method["name"])
