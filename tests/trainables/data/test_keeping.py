"""Where decoded items are kept: by what a study says, and by what fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests.trainables.data.test_decoded import Squares
from trainables.data import keeping
from trainables.data.decoded import Kept
from trainables.data.in_memory import InMemory
from trainables.data.keeping import Keeping, free_bytes
from trainables.data.parts import Part, Splits

ONE_ITEM = Keeping(memory="on").placed(Splits(Squares(1), Squares(1)))[0].train.packed.n_bytes  # type: ignore[attr-defined]


def kept(splits: Splits) -> list[bool]:
    return [
        isinstance(part.items if isinstance(part, Part) else part, Kept)
        for part in splits.in_order.values()
    ]


@pytest.mark.parametrize(
    ("memory", "free", "expected"),
    [
        ("on", 0, True),
        ("off", 2**40, False),
        ("auto", 2**40, True),
        ("auto", 0, False),
        # 60 + 20 items may take half of what is free
        ("auto", 160 * ONE_ITEM, True),
        ("auto", 160 * ONE_ITEM - 1, False),
    ],
)
def test_memory(
    memory: Literal["auto", "on", "off"],
    free: int,
    expected: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keeping, "free_bytes", lambda: free)
    monkeypatch.setattr(keeping, "_cores", lambda: 1)
    splits = Splits(Part(Squares(80), range(60)), Part(Squares(80), range(60, 80)))
    placed, _ = Keeping(memory).placed(splits)
    assert kept(placed) == [expected, expected]


def test_a_trial_has_its_share_of_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "free_bytes", lambda: 40 * ONE_ITEM)
    monkeypatch.setattr(keeping, "_cores", lambda: 4)
    splits = Splits(Squares(8), Squares(2))
    assert kept(Keeping(cpus=1).placed(splits)[0]) == [False, False]
    assert kept(Keeping(cpus=2).placed(splits)[0]) == [True, True]


IN_MEMORY = InMemory.of(torch.zeros(2))


@pytest.mark.parametrize(
    ("keeping", "train", "processes"),
    [
        (Keeping("on", cpus=2), Squares(4), 0),
        (Keeping("off", cpus=8), Squares(4), 4),
        (Keeping("off", cpus=3), Squares(4), 3),
        (Keeping("off", 0, cpus=3), Squares(4), 0),
        (Keeping("off", 7), Squares(4), 7),
        (Keeping("on", 2), Squares(4), 2),
        (Keeping("on", cpus=2), [1, 2], 2),
        (Keeping("off", cpus=2), IN_MEMORY, 0),
    ],
)
def test_processes(keeping: Keeping, train: Any, processes: int) -> None:
    assert keeping.placed(Splits(train, IN_MEMORY))[1] == processes


def test_data_of_one_step_stay_as_they_are() -> None:
    splits = Splits([1, 2], IN_MEMORY)
    placed, _ = Keeping("on").placed(splits)
    assert placed.train is splits.train
    assert placed.val is IN_MEMORY


def test_free_memory_is_that_of_the_machine_or_of_the_container(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    assert free_bytes(tmp_path) > 2**20
    (tmp_path / "proc/meminfo").write_text("MemTotal: 900 kB\nMemAvailable:    500 kB\n")
    assert free_bytes(tmp_path) == 512_000
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("1000\n")
    assert free_bytes(tmp_path) == 512_000
    (group / "memory.max").write_text("300000\n")
    assert free_bytes(tmp_path) == 299_000
    (group / "memory.current").write_text("400000\n")
    assert free_bytes(tmp_path) == 0
