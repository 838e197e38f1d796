"""Checks of the batches that a task forms itself."""

from __future__ import annotations

from trainables.tasks.sentences import Sentences
from trainables.tasks.task import Task


def check_groups(say: Sentences, task: Task, n: int) -> int | None:
    """Return how many batches a task forms of `n` training items; None where it forms none.

    Refuses no batch at all, an empty one, and an item that is not in exactly one.
    """
    with say.naming("groups", "form batches"):
        groups = task.groups()
        if groups is None:
            return None
        sizes = [len(group) for group in groups]
        members = [int(index) for group in groups for index in group]
    if not sizes or min(sizes) == 0:
        got = "none" if not sizes else f"batch {sizes.index(0)} without any"
        raise say.refusal("groups", "give batches of one training item or more", got)
    if sorted(members) != list(range(n)):
        rule = f"have each of the {n} training items in one batch"
        raise say.refusal("groups", rule, _fault(members, n))
    return len(sizes)


def _fault(members: list[int], n: int) -> str:
    seen: set[int] = set()
    for index in members:
        if not 0 <= index < n:
            return f"item {index}"
        if index in seen:
            return f"item {index} twice"
        seen.add(index)
    return f"no item {next(i for i in range(n) if i not in seen)}"
