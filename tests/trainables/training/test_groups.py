"""Batches that a task forms once: an epoch takes all of them, in an order of its own."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from tests.trainables.training.loading import Given, loaded
from trainables.data.in_memory import InMemory
from trainables.data.parts import Items, Splits
from trainables.training.batches import augmented_in_order, training_batches
from trainables.training.epochs import Epochs
from trainables.training.loaded import LoadedTask, Loading

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")

GROUPS = [[3, 0], [4], [6, 1, 5], [2, 7]]
N, STEPS = 8, 10


class Numbers:
    """Items that are their own index."""

    def __len__(self) -> int:
        return N

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return torch.tensor([float(index)]), index


class Shift:
    """Adds what was drawn for each example; draws count up in the order of the epoch."""

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.arange(n, dtype=torch.float32)[:, None] / 100

    def apply(self, inputs: Tensor, draws: Tensor) -> Tensor:
        return inputs + draws


def in_memory(augment: Shift | None = None) -> InMemory:
    index = torch.arange(N)
    return InMemory.of(index.float()[:, None], index, augment=augment)


def task(items: Items, processes: int = 0) -> LoadedTask:
    splits, model = Splits(items, items), nn.Linear(1, 2)
    return loaded(model, splits, Given(model, splits), loading=Loading(processes), groups=GROUPS)


def steps(
    items: Items, first: int = 0, micro: int | None = None, processes: int = 0
) -> list[list[list[int]]]:
    """By step and micro-batch the examples of a stage, from a step on."""
    batches = training_batches(task(items, processes), 64, 0, "dense", STEPS, micro)
    epoch, start = divmod(first, batches.per_epoch)
    every: list[list[list[int]]] = []
    while len(every) < STEPS - first:
        every += [[part[1].tolist() for part in parts] for parts in batches.of_epoch(epoch, start)]
        epoch, start = epoch + 1, 0
    return every[: STEPS - first]


def test_an_epoch_takes_every_group_once_and_the_next_in_another_order() -> None:
    whole = steps(in_memory())
    epochs = [[parts[0] for parts in whole[at : at + 4]] for at in (0, 4)]
    for epoch in epochs:
        assert sorted(epoch) == sorted(GROUPS)
    assert epochs[0] != epochs[1]
    assert Epochs(N, 64, 0, "dense", GROUPS).steps == 4


def test_bounds_are_those_of_the_order() -> None:
    epochs = Epochs(N, 3, 0, "dense")
    assert epochs.bounds(0) == [(0, 3), (3, 6), (6, 8)]
    assert Epochs(6, 3, 0, "dense").bounds(0) == [(0, 3), (3, 6)]
    grouped = Epochs(N, 3, 0, "dense", GROUPS)
    order = grouped.order(1).tolist()
    assert [order[a:b] for a, b in grouped.bounds(1)] == [p[0] for p in steps(in_memory())[4:8]]


@pytest.mark.parametrize("first", range(STEPS))
def test_from_any_step_on_in_memory_and_through_a_loader(first: int) -> None:
    whole = steps(in_memory())
    assert steps(in_memory(), first) == steps(Numbers(), first) == whole[first:]


def test_by_any_number_of_processes() -> None:
    whole = steps(Numbers())
    assert [steps(Numbers(), processes=n) for n in (1, 4)] == [whole, whole]


@pytest.mark.parametrize("items", [in_memory(), Numbers()])
def test_micro_batches_split_a_group(items: Items) -> None:
    split = steps(items, micro=2)
    assert [[i for part in parts for i in part] for parts in split] == [
        parts[0] for parts in steps(items)
    ]
    assert {tuple(map(len, parts)) for parts in split} == {(2,), (1,), (2, 1)}


@pytest.mark.parametrize("items", [in_memory(), Numbers()])
def test_a_pass_in_order_takes_the_groups_as_they_are(items: Items) -> None:
    batches = augmented_in_order(task(items), 3, 0, "dense")
    assert [batch[1].tolist() for batch in batches] == GROUPS


def test_draws_follow_the_examples() -> None:
    on = task(in_memory(Shift()))
    batches = training_batches(on, 64, 0, "dense", STEPS)
    whole = torch.cat([parts[0][0] for parts in batches.of_epoch(0, 0)])[:, 0]
    order = Epochs(N, 64, 0, "dense", GROUPS).order(0)
    torch.testing.assert_close(whole, order + torch.arange(N) / 100)
    passed = torch.cat([batch[0] for batch in augmented_in_order(on, 3, 0, "dense")])[:, 0]
    flat = torch.tensor([i for group in GROUPS for i in group])
    torch.testing.assert_close(passed, flat + torch.arange(N) / 100)
