"""Whether a task builds its network anew every time, from the seed alone, and can keep it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from trainables.networks.models import seeded
from trainables.tasks.sentences import Sentences
from trainables.tasks.task import Task

_SEED = 0


@dataclass(frozen=True)
class Shared:
    """An object that two tasks have in common, as it stood before the task was tried."""

    value: Any
    before: Any


@dataclass(frozen=True)
class Building:
    """Checks of the networks that one task builds."""

    say: Sentences
    task: Task

    def build(self, task: Task | None = None) -> nn.Module:
        """Return a network of the task, or of another one; Refusal where it cannot be kept."""
        with self.say.naming("model", "build a network"):
            model = seeded((task or self.task).model, _SEED)
        if not isinstance(model, nn.Module):
            raise self.say.refusal("model", "return a torch.nn.Module", type(model).__name__)
        if not any(True for _ in model.parameters()):
            raise self.say.refusal("model", "have parameters", "none")
        for name, value in (*model.named_parameters(), *model.named_buffers()):
            if nn.parameter.is_lazy(value):
                rule = "have the shapes of all its layers at once"
                raise self.say.refusal("model", rule, f"the lazy {name}")
        for name, value in model.state_dict().items():
            if not isinstance(value, Tensor):
                rule = "keep tensors alone in its state dict"
                raise self.say.refusal("model", rule, f"{type(value).__name__} as {name}")
        return model

    def equal_builds(self, other: Task) -> nn.Module:
        """Return a network; Refusal where a second one, or one of another instance of the task,
        shares tensors with it, or differs though the seed does not."""
        model = self.build()
        for again in (self.build(), self.build(other)):
            if _storages(model) & _storages(again):
                got = "one that shares tensors with an earlier one"
                raise self.say.refusal("model", "build a new network at every call", got)
            self._require_same_start(model.state_dict(), again.state_dict())
        return model

    def _require_same_start(self, a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> None:
        if differing := sorted(a.keys() ^ b.keys()):
            got = f"{differing[0]} in one of two"
            raise self.say.refusal("model", "build the same network every time", got)
        for name, value in a.items():
            if not _equal(value, b[name]):
                rule = "start from weights that torch's seed decides alone"
                raise self.say.refusal("model", rule, f"others in {name} at a second build")

    def require_round_trip(self, model: nn.Module, batch: Any) -> None:
        """Refuse a network that is not kept by its state: a copy with that state must score alike.

        A tie that is made by hand after building is lost in the copy, and so is whatever the
        network remembers outside its parameters and buffers.
        """
        state = {name: value.clone() for name, value in model.state_dict().items()}
        other = self.build()
        if ties := _ties(model) ^ _ties(other):
            names = " and ".join(sorted(sorted(ties)[0]))
            raise self.say.refusal("model", "tie the same weights at every build", names)
        with self.say.naming("model", "load its own state"):
            other.load_state_dict(state)
        for name, value in other.state_dict().items():
            if not _equal(value, state[name]):
                raise self.say.refusal("model", "load what was saved", f"another {name}")
        if not _alike(self._scores(model, batch), self._scores(other, batch)):
            rule = "keep all that it learns in its state dict"
            raise self.say.refusal("model", rule, "other scores from a copy with the same state")

    def _scores(self, model: nn.Module, batch: Any) -> Mapping[str, Any]:
        model.eval()
        torch.manual_seed(_SEED)
        with torch.inference_mode(), self.say.naming("score", "judge a batch"):
            scores: Mapping[str, Any] = self.task.score(model, batch)
        return scores

    def shared_state(self, other: Task) -> dict[str, Shared]:
        """Return what two instances of the task have in common and could change."""
        mine, theirs = vars(self.task), vars(other)
        common = {name: value for name, value in mine.items() if theirs.get(name) is value}
        for name, value in common.items():
            if isinstance(value, nn.Module):
                rule = "share no network between two tasks"
                raise self.say.refusal("__init__", rule, f"the same {name} in both")
        return {name: Shared(value, _outline(value)) for name, value in common.items()}

    def require_unchanged(self, shared: Mapping[str, Shared]) -> None:
        """Refuse state that tasks share: what is common to two and was changed by one."""
        for name, held in shared.items():
            if _outline(held.value) != held.before:
                rule = "share no state between two tasks"
                got = f"the same {name} in both, which one has changed"
                raise self.say.refusal("__init__", rule, got)


def _storages(model: nn.Module) -> set[int]:
    tensors = (*model.parameters(), *model.buffers())
    return {t.untyped_storage().data_ptr() for t in tensors if t.numel()}


def _equal(a: Tensor, b: Tensor) -> bool:
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    same = a == b
    if a.is_floating_point() or a.is_complex():
        same |= a.isnan() & b.isnan()
    return bool(same.all())


def _ties(model: nn.Module) -> set[tuple[str, ...]]:
    """Names of parameters that are one tensor."""
    places: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        places.setdefault(id(parameter), []).append(name)
    return {tuple(names) for names in places.values() if len(names) > 1}


def _alike(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two scores of one batch are equal, save for what memory's layout does to rounding."""
    return a.keys() == b.keys() and all(_close(a[name], b[name]) for name in a)


def _close(a: Any, b: Any) -> bool:
    try:
        one, two = (torch.as_tensor(value, dtype=torch.float64) for value in (a, b))
    except (TypeError, ValueError):  # a list of words, say
        return repr(a) == repr(b)
    return one.shape == two.shape and torch.allclose(one, two, rtol=1e-5, equal_nan=True)


def _outline(value: Any) -> Any:
    """What tells whether an object was changed: a tensor's count of changes, entries of others."""
    if isinstance(value, Tensor):
        return value._version
    if isinstance(value, dict):
        return [(repr(key), id(held)) for key, held in value.items()]
    if isinstance(value, list | set):
        return [len(value), *map(id, value)]
    return None
