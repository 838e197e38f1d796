"""The studies that compare BIMP with the methods from scratch: all of them, on equal terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.definition.space import Block
from study.definition.studyfile import load
from study.driver.launch import run
from study.points.resolve import resolve
from study.views.plan import plan
from trainables.config.catalog import METHODS
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal

PRESETS = [
    "digits-table2", "fashion-mnist-table2", "table2-cifar10-resnet56", "table2-imagenet-resnet50",
]  # fmt: skip
SPARSITIES = {
    "digits-table2": (0.8, 0.9, 0.95),
    "fashion-mnist-table2": (0.9, 0.95, 0.98),
    "table2-cifar10-resnet56": (0.9, 0.95, 0.99),
    "table2-imagenet-resnet50": (0.7, 0.8, 0.9),
}


def corners(block: Block) -> list[TrialConfig]:
    """The configurations at the first and at the last value of every domain."""
    ends: list[dict[str, Any]] = [
        {key: domain.values[at] for key, domain in block.space.sampled.items()} for at in (0, -1)
    ]
    return [block.space.config({**block.cell, **values}) for values in ends]


@pytest.mark.parametrize("name", PRESETS)
def test_every_method_but_imp_is_searched_at_every_sparsity(name: str, tmp_path: Path) -> None:
    study = load(name)
    found = [corners(block)[0] for block in resolve(study).blocks]
    pairs = [(c.method.name, c.prune.sparsity) for c in found]
    wanted = {(m, s) for m in METHODS if m != "imp" for s in SPARSITIES[name]}
    assert set(pairs) == wanted
    assert len(pairs) == len(wanted) == 27
    assert study.search.trials is not None
    assert plan(resolve(study), str(tmp_path)).trials == 27 * study.trials_per_block(True)


@pytest.mark.parametrize("name", PRESETS)
def test_all_have_the_same_task_and_budget(name: str) -> None:
    found = [config for block in resolve(load(name)).blocks for config in corners(block)]
    assert len({c.task.model_dump_json() for c in found}) == 1
    assert len({(c.total_steps, c.dense.batch_size, c.dense.schedule) for c in found}) == 1


@pytest.mark.parametrize("name", PRESETS)
def test_methods_that_do_not_control_their_sparsity_are_topped_up(name: str) -> None:
    for block in resolve(load(name)).blocks:
        for config in corners(block):
            assert config.info.controls_sparsity or config.method.parameters["top_up"]


def test_imagenet_runs_where_its_folder_is(tmp_path: Path) -> None:
    here = ["resources.gpus=0", "resources.cpus=1", f"data.root={tmp_path}"]
    study = load("table2-imagenet-resnet50", here)
    message = rf"data\.root must hold imagenet, got {tmp_path}: .*{tmp_path}/imagenet$"
    with pytest.raises(Refusal, match=message):
        run(resolve(study), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
