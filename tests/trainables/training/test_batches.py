"""Batches: the same bits from any number of processes, from any step on, whatever is lost."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.trainables.training.loading import Given, loaded
from trainables.data.freshness import freshness
from trainables.data.in_memory import InMemory
from trainables.data.isolation import reseed, restoring_generators
from trainables.data.parts import Splits
from trainables.networks.models import seeded
from trainables.training.batches import augmented_in_order, in_order, training_batches
from trainables.training.evaluation import evaluate
from trainables.training.loaded import LoadedTask, Loading
from trainables.training.loader import Draw

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")
"""Three processes are more than some machines have cores; torch warns of it."""

N, SIZE, STEPS = 10, 4, 8  # steps of 4, 4, 2 items; the last epoch is cut short


class Drawing:
    """Items that draw from torch, NumPy, `random` and a random transform of torchvision."""

    def __init__(self, n: int = N) -> None:
        from torchvision.transforms import v2

        self.n = n
        self.transform = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomCrop(4, padding=1)])

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.transform(torch.arange(16.0).reshape(1, 4, 4) + 100 * index)
        noise = [random.random(), np.random.rand(), float(torch.rand(())), np.random.randn()]
        return image + sum(noise), index % 3


class Seldom(Drawing):
    """Items of which two draw from more than torch."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image = self.transform(torch.full((1, 4, 4), float(index)))
        more = {3: np.random.rand, 8: random.random}.get(index, lambda: 0.0)()
        return image + more + torch.rand(()), index % 3


class Watched(Drawing):
    """Items that tell how many threads they are made by, and in which process."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.tensor([torch.get_num_threads(), os.getpid(), index]), 0


class Mixing(Given):
    """A task whose collation draws too, as mixing two examples does."""

    def collate(self, items: Any) -> Any:
        images, labels = super().collate(items)
        share = np.random.beta(0.4, 0.4) + random.random() + torch.rand(())
        return images + share, labels


Steps = list[list[tuple[Tensor, ...]]]
"""By step and micro-batch."""


def task(items: Any, processes: int = 0, kind: type[Given] = Mixing) -> LoadedTask:
    splits = Splits(items, items, items)
    model = seeded(lambda: nn.Sequential(nn.Flatten(), nn.Linear(16, 3)), 0)
    return loaded(model, splits, kind(model, splits), loading=Loading(processes))


def stage(
    items: Any,
    processes: int = 0,
    first: int = 0,
    micro: int | None = None,
    seed: int = 0,
    kind: type[Given] = Mixing,
    rank: int = 0,
    ranks: int = 1,
) -> Steps:
    """What every step of a stage trains on, from a step on; or a rank's share of it."""
    on = task(items, processes, kind)
    if ranks > 1:
        on = replace(on, ranks=SimpleNamespace(rank=rank, size=ranks))  # type: ignore[arg-type]
    batches = training_batches(on, SIZE, seed, "cycle 1", STEPS, micro)
    per_epoch = batches.per_epoch
    steps: Steps = []
    for epoch in range(first // per_epoch, -(-STEPS // per_epoch)):
        start = first % per_epoch if epoch == first // per_epoch else 0
        steps += [[tuple(part) for part in parts] for parts in batches.of_epoch(epoch, start)]
    return steps[: STEPS - first]


def same(a: Steps, b: Steps) -> bool:
    flat = [[t for parts in steps for part in parts for t in part] for steps in (a, b)]
    return len(flat[0]) == len(flat[1]) and all(map(torch.equal, *flat))


@pytest.fixture(scope="module")
def undisturbed() -> Steps:
    return stage(Drawing())


def test_a_stage_has_its_steps_and_the_last_smaller_batch_of_each_epoch(
    undisturbed: Steps,
) -> None:
    assert [len(parts[0][1]) for parts in undisturbed] == [4, 4, 2, 4, 4, 2, 4, 4]
    first, second = (
        torch.cat([parts[0][1] for parts in undisturbed[k : k + 3]]).sort().values for k in (0, 3)
    )
    assert torch.equal(first, second)
    assert torch.equal(first, (torch.arange(N) % 3).sort().values)


@pytest.mark.parametrize("processes", [1, 3])
def test_any_number_of_processes_gives_the_same_bits(undisturbed: Steps, processes: int) -> None:
    assert same(stage(Drawing(), processes), undisturbed)


@pytest.mark.parametrize("first", range(1, STEPS))
def test_a_stage_goes_on_at_any_step(undisturbed: Steps, first: int) -> None:
    reseed(first)
    assert same(stage(Drawing(), first=first), undisturbed[first:])


def test_draws_are_those_of_seed_stage_epoch_and_index(
    undisturbed: Steps,
) -> None:
    assert not same(stage(Drawing(), seed=1), undisturbed)


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize("micro", [1, 3, 4])
def test_micro_batches_are_the_same_items_in_the_same_order(processes: int, micro: int) -> None:
    whole = stage(Drawing(), kind=Given)
    parts = stage(Drawing(), processes, micro=micro, kind=Given)
    sizes = {1: [1, 1, 1, 1], 3: [3, 1], 4: [4]}[micro]
    assert [len(part[1]) for part in parts[0]] == sizes
    joined = [[tuple(map(torch.cat, zip(*step, strict=True)))] for step in parts]
    assert same(joined, whole)


def test_memory_and_loader_train_on_the_same_batches() -> None:
    draw = torch.Generator().manual_seed(0)
    data = InMemory.of(torch.randn(N, 1, 4, 4, generator=draw), torch.arange(N) % 3)

    as_items = [data[i] for i in range(N)]
    for micro in (None, 3):
        held = stage(data, micro=micro, kind=Given)
        assert same(held, stage(as_items, micro=micro, kind=Given))
        assert same(held, stage(as_items, 2, micro=micro, kind=Given))


@pytest.mark.parametrize("items", ["in memory", "loaded"])
@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("first", [0, 4])
def test_ranks_share_out_the_same_items_in_the_same_order(
    items: str, ranks: int, first: int
) -> None:
    """Also with micro-batches, and of a last batch that leaves a rank nothing."""
    draw = torch.Generator().manual_seed(0)
    data = InMemory.of(torch.randn(N, 1, 4, 4, generator=draw), torch.arange(N) % 3)
    given: Any = data if items == "in memory" else Drawing()
    whole = stage(given, first=first, kind=Given)
    shares = [
        stage(given, first=first, kind=Given, micro=micro, rank=rank, ranks=ranks)
        for rank, micro in zip(range(ranks), (1, None, 2), strict=False)
    ]
    steps = list(zip(*shares, strict=True))
    joined = [
        [tuple(map(torch.cat, zip(*(part for share in step for part in share), strict=True)))]
        for step in steps
    ]
    assert same(joined, whole)
    sizes = [[sum(len(part[1]) for part in share) for share in step] for step in steps]
    last = 2 if first == 0 else 1
    assert [sizes[0], sizes[last]] == {2: [[2, 2], [1, 1]], 3: [[2, 1, 1], [1, 1, 0]]}[ranks]


@pytest.mark.parametrize("first", [0, 1, 2])
def test_ranks_take_turns_at_the_batches_of_an_evaluation(first: int) -> None:
    items, draw = Drawing(), Draw(0, "evaluation of val")
    held = InMemory.of(torch.arange(N), torch.arange(N))
    for data in (items, held):
        on: Any = task(data, kind=Given)
        whole = [list(batch) for batch in in_order(on, data, 3, draw)]
        shares = [list(batch) for batch in in_order(on, data, 3, draw, first, 3)]
        assert len(whole) == 4 and len(shares) == (2 if first == 0 else 1)
        assert same([shares], [whole[first::3]])


@pytest.mark.parametrize("processes", [0, 1, 3])
def test_items_that_seldom_draw_from_more_than_torch_are_seeded_all_the_same(
    processes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = stage(Seldom(), processes)
    monkeypatch.setattr(freshness(), "known", False)  # every item is seeded with all three
    assert same(found, stage(Seldom()))
    assert same(stage(Drawing(), processes), stage(Drawing()))


# --- what an item finds, and leaves ---


@pytest.mark.parametrize("processes", [0, 1, 2])
def test_items_are_made_by_one_thread_beside_the_training(processes: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        steps = stage(Watched(), processes, kind=Given)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    made = torch.cat([parts[0][0] for parts in steps])
    assert set(made[:, 0].tolist()) == {1}
    here = set(made[:, 1].tolist()) == {os.getpid()}
    assert here == (processes == 0)
    assert len(set(made[:, 1].tolist())) == max(processes, 1)


def generators() -> list[Any]:
    return [torch.rand(3).tolist(), np.random.rand(3).tolist(), [random.random() for _ in range(3)]]


@pytest.mark.parametrize("processes", [0, 2])
def test_what_items_draw_is_not_seen_outside(processes: int) -> None:
    reseed(5)
    expected = generators()
    reseed(5)
    batches = augmented_in_order(task(Drawing(), processes), SIZE, 0, "cycle 1")
    next(iter(batches))
    assert generators() == expected
    reseed(5)
    with restoring_generators():
        generators()
    assert generators() == expected


def test_a_fault_in_an_item_leaves_the_generators_alone_and_is_not_tried_again() -> None:
    class Broken(Drawing):
        asked = 0

        def __getitem__(self, index: int) -> tuple[Tensor, int]:
            torch.rand(3)
            Broken.asked += 1
            raise RuntimeError("a broken file")

    reseed(5)
    expected = generators()
    reseed(5)
    with pytest.raises(RuntimeError, match="a broken file"):
        stage(Broken())
    assert (generators(), Broken.asked) == (expected, 1)
    with pytest.raises(RuntimeError, match=r"a broken file"):
        stage(Broken(), processes=1)


# --- processes that are lost ---


class Slow(Drawing):
    """Items that take a while, so that processes are at work when they are killed."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        time.sleep(0.005)
        return super().__getitem__(index)


def children() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid]


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "n"), [(1, 1), (3, 1), (3, 3)])
def test_a_stage_survives_the_loss_of_loader_processes(processes: int, n: int) -> None:
    batches = training_batches(task(Slow(40), processes), SIZE, 0, "dense", 30)
    calm = training_batches(task(Slow(40)), SIZE, 0, "dense", 30)
    expected = [[tuple(p) for p in parts] for e in range(3) for parts in calm.of_epoch(e, 0)]
    steps, before = [], children()
    for epoch in range(3):
        for place, parts in enumerate(batches.of_epoch(epoch, 0)):
            steps.append([tuple(part) for part in parts])
            if (epoch, place) == (1, 3):
                for pid in [child for child in children() if child not in before][:n]:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)  # no handler of signals may raise meanwhile
    assert same(steps, expected)
    assert not set(children()) - set(before)


class Deadly(Drawing):
    """An item that ends the process that asks for it."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 7 and multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.slow
def test_an_item_that_always_ends_its_process_is_given_up(monkeypatch: Any) -> None:
    from trainables.training import loader

    monkeypatch.setattr(loader, "RESTARTS", 1)
    with pytest.raises(RuntimeError, match="DataLoader worker"):
        stage(Deadly(), processes=1)


class Mortal(Slow):
    """Items of which one ends the first loader process that asks for it."""

    def __init__(self, n: int, mark: Path) -> None:
        super().__init__(n)
        self._mark = mark

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        if index == 17 and not self._mark.exists():
            self._mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__getitem__(index)


@pytest.mark.slow
def test_an_evaluation_survives_the_loss_of_a_loader_process(tmp_path: Path) -> None:
    mark = tmp_path / "killed"
    assert evaluate(task(Mortal(40, mark), 2), "val") == evaluate(task(Slow(40)), "val")
    assert mark.exists()


def test_processes_are_let_go_at_the_end_of_a_stage() -> None:
    before = children()
    steps = stage(Drawing(), processes=2)
    assert len(steps) == STEPS
    assert not set(children()) - set(before)


def test_torchs_handler_of_signals_does_not_stay() -> None:
    before = signal.getsignal(signal.SIGCHLD)
    next(iter(augmented_in_order(task(Drawing(), 1), SIZE, 0, "cycle 1")))
    assert signal.getsignal(signal.SIGCHLD) in (before, signal.SIG_DFL)


class Collecting(Drawing):
    """Items that say whether an object that their process inherited as garbage is still there."""

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        gc.collect()
        return torch.tensor([float(gc.get_freeze_count() > 0), float(len(ENDS))]), 0


ENDS: list[int] = []


class Cycle:
    """Garbage that notes its end."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        ENDS.append(1)


def test_loader_processes_leave_the_garbage_that_they_inherit() -> None:
    ENDS.clear()
    gc.disable()
    try:
        Cycle()
        steps = stage(Collecting(), processes=1, kind=Given)
    finally:
        gc.enable()
    images = [parts[0][0] for parts in steps]
    assert all(torch.equal(rows, torch.tensor([[1.0, 0.0]] * len(rows))) for rows in images)
    gc.collect()
    assert ENDS == [1], "the parent ends it"
