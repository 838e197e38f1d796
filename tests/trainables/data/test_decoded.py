"""Decoded items in memory: as they were, in copies, made in order by any processes."""

from __future__ import annotations

import os
import pickle
import signal
from collections import namedtuple
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import Subset

from trainables.data import decoded
from trainables.data.decoded import Kept, Packed, decoded_in_order, separated
from trainables.data.in_memory import InMemory
from trainables.data.parts import Part
from trainables.tasks.decoding import equal

Pair = namedtuple("Pair", ["image", "note"])

ITEMS: list[Any] = [
    (torch.arange(12, dtype=torch.uint8).view(3, 2, 2), 7),
    torch.tensor([1.5, -0.0, float("nan")], dtype=torch.float64),
    torch.tensor(3, dtype=torch.int16),
    torch.empty(0, 4),
    torch.tensor([True, False]),
    torch.tensor([1 + 2j]),
    torch.tensor([1.5], dtype=torch.bfloat16),
    np.arange(6, dtype=np.int32).reshape(2, 3),
    np.asfortranarray(np.arange(6).reshape(2, 3)),
    {"text": "a\0b", "tensor": torch.ones(2), "none": None, "list": [1, (2.5, b"x")]},
    Pair(torch.ones(1), "named"),
    [],
]


@pytest.mark.parametrize("chunk", [1, 64, 2**25])
def test_items_come_out_as_they_went_in(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "CHUNK", chunk)
    packed = Packed.of(ITEMS)
    assert len(packed) == len(ITEMS)
    for index, item in enumerate(ITEMS):
        if isinstance(item, torch.Tensor) and item.dtype == torch.bfloat16:
            assert torch.equal(packed[index], item)
        else:
            assert equal(packed[index], item), index


def test_the_layout_of_a_tensor_stays() -> None:
    image = torch.arange(24, dtype=torch.uint8).view(2, 4, 3).permute(2, 0, 1)
    (out,) = (Packed.of([image])[0],)
    assert torch.equal(out, image)
    assert out.stride() == image.stride()


def test_every_item_is_a_copy_that_may_be_changed() -> None:
    packed = Packed.of([(torch.zeros(3), np.zeros(2))])
    tensor, array = packed[0]
    tensor += 1
    array += 1
    assert equal(packed[0], (torch.zeros(3), np.zeros(2)))


def test_what_is_kept_is_about_the_bytes_of_the_items() -> None:
    packed = Packed.of(torch.zeros(3, 40, 40, dtype=torch.uint8) for _ in range(10))
    assert 48_000 <= packed.n_bytes < 52_000


def test_packed_items_travel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoded, "CHUNK", 64)
    packed = pickle.loads(pickle.dumps(Packed.of(ITEMS[:4])))
    assert all(equal(packed[n], ITEMS[n]) for n in range(4))


def test_no_items_and_places_that_are_none() -> None:
    packed = Packed.of([])
    assert (len(packed), packed.n_bytes) == (0, 0)
    with pytest.raises(IndexError, match=r"index must be in \[0, 0\), got 0"):
        packed[0]


# data sets in two steps


@dataclass
class Squares:
    """Decodes n * n and adds a random number; notes in a file what was decoded."""

    n: int
    log: Path | None = None

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.decode(index))

    def decode(self, index: int) -> Any:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{index}\n")
        return torch.tensor([index * index])

    def transform(self, item: Any) -> Any:
        return item + torch.rand(1)


def drawn(items: Any, index: int) -> Any:
    torch.manual_seed(index)
    return items[index]


@pytest.mark.parametrize("processes", [0, 2])
def test_kept_items_are_the_same_to_the_bit(processes: int) -> None:
    items = Squares(5)
    two_steps = separated(items)
    assert two_steps is not None
    kept = two_steps.kept(decoded_in_order(two_steps, processes))
    assert isinstance(kept, Kept)
    assert len(kept) == 5
    assert [float(drawn(kept, i)) for i in range(5)] == [float(drawn(items, i)) for i in range(5)]


def test_kept_items_are_decoded_once(tmp_path: Path) -> None:
    items = Squares(3, tmp_path / "log")
    two_steps = separated(items)
    assert two_steps is not None
    kept = two_steps.kept(decoded_in_order(two_steps, 0))
    for _ in range(2):
        assert [int(kept[i]) for i in range(3)] == [0, 1, 4]
    assert (tmp_path / "log").read_text().splitlines() == ["0", "1", "2"]


def places(part: Any) -> Sequence[int]:
    two_steps = separated(part)
    assert two_steps is not None
    kept = two_steps.kept(decoded_in_order(two_steps, 0))
    return [int(kept[i]) for i in range(len(kept))]


def test_parts_and_subsets_keep_their_own_items() -> None:
    items = Squares(5)
    assert places(Part(items, [4, 1])) == [16, 1]
    assert places(Part(items, [4, 1], lambda x: x + 100)) == [116, 101]
    assert places(Subset(items, [3])) == [9]  # type: ignore[arg-type]


def test_what_has_one_step_cannot_be_separated() -> None:
    plain = [1, 2, 3]
    assert separated(InMemory.of(torch.zeros(2))) is None
    assert separated(plain) is None
    assert separated(Part(plain, [0], float)) is None
    assert separated(Subset(plain, [0])) is None  # type: ignore[arg-type]


@dataclass
class Deadly(Squares):
    """Ends the process that decodes the item 3, as often as there are files to say so."""

    folder: Path = Path()

    def decode(self, index: int) -> Any:
        lives = sorted(self.folder.iterdir())
        if index == 3 and lives and torch.utils.data.get_worker_info() is not None:
            lives[0].unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().decode(index)


def dying(folder: Path, deaths: int) -> Iterator[Any]:
    """Six items, and so many deaths on the way."""
    for number in range(deaths):
        (folder / str(number)).touch()
    two_steps = separated(Deadly(6, folder=folder))
    assert two_steps is not None
    return decoded_in_order(two_steps, 2)


@pytest.mark.slow
def test_a_lost_process_is_made_up_for(tmp_path: Path) -> None:
    assert [int(item) for item in dying(tmp_path, 1)] == [0, 1, 4, 9, 16, 25]


@pytest.mark.slow
def test_processes_that_are_lost_again_and_again_are_a_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoded, "RESTARTS", 1)
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        list(dying(tmp_path, 2))
