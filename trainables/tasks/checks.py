"""What a user's task must do, tried on two examples before anything starts.

Each check either passes or raises a `Refusal`: one sentence with the rule, what was got, and the
file and line of the user's code that is at fault.
"""

from __future__ import annotations

import inspect
import math
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from trainables.data.in_memory import InMemory
from trainables.data.parts import Items, Part, Splits
from trainables.networks.models import seeded
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.work import call, work_of
from trainables.tasks.task import Task
from trainables.vocabulary.declarations import LOSS
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import FIXED_NAMES

Words = Callable[[BaseException], str]
"""Puts a fault of the user's code into words, with their innermost file and line."""

_RATE = 1e-3


@dataclass(frozen=True)
class Findings:
    """What the checks learnt: lengths of the parts, sizes, and which weights may be pruned.

    `weights` and `dense` are numbers of weights by name, prunable ones and those that a rule keeps
    dense; `kinds` the types of the modules that hold the prunable ones; `unmet` are prunable
    weights that a forward of the example does not use.
    """

    lengths: dict[str, int]
    n_parameters: int
    weights: dict[str, int]
    kinds: dict[str, str]
    dense: dict[str, int]
    order: tuple[str, ...]
    unmet: tuple[str, ...]


@dataclass(frozen=True)
class Checks:
    """The checks of one task; `make` builds it anew, `key` is where the study file names it."""

    make: Callable[[], Task]
    key: str
    words: Words

    def run(self) -> Findings:
        """Run every check in order; Refusal for the first that fails."""
        task, other = self._made(), self._made()
        self._declares(task)
        splits = self._splits(task)
        model, twin = self._built(task), self._built(other)
        self._equal_builds(task, model, twin)
        self._shares_nothing((task, other), (model, twin))
        batch = self._batch(task, splits)
        weights = self._prunable(task, model)
        self._trains(task, model, batch, weights)
        self._scores(task, model, batch)
        self._state_round_trip(task, model)
        self._pickles(task, splits)
        return self._findings(task, splits, self._built(task))

    def _made(self) -> Task:
        with self._naming(self.key, "must be made without a fault"):
            return self.make()

    @contextmanager
    def _naming(self, what: str, rule: str) -> Iterator[None]:
        """Within this context a fault of the user's code becomes one sentence."""
        try:
            yield
        except Refusal:
            raise
        except Exception as error:
            raise Refusal(f"{what} {rule}, got {self.words(error)}") from error

    def _refusal(self, task: Task, method: str, rule: str, got: object) -> Refusal:
        return Refusal(f"{self.key}: {method} must {rule}, got {got} ({_place(task, method)})")

    def _declares(self, task: Task) -> None:
        with self._naming(
            f"{self.key}: metrics", "must be declared by names that columns can have"
        ):
            declared = task.declarations()
        names = {f"{part}_{name}" for part in ("val", "test") for name in declared.metrics}
        if clash := names & FIXED_NAMES:
            raise self._refusal(task, "metrics", "not be names of the schema", min(clash))

    def _splits(self, task: Task) -> Splits:
        with self._naming(f"{self.key}: splits", "must return its data"):
            splits = task.splits()
        if not isinstance(splits, Splits):
            raise self._refusal(task, "splits", "return Splits", type(splits).__name__)
        for name, part in splits.in_order.items():
            with self._naming(f"{self.key}: the {name} part", "must have a length"):
                n = len(part)
            if n == 0:
                raise self._refusal(task, "splits", f"give {name} an item or more", 0)
        for (one, a), (two, b) in combinations(splits.in_order.items(), 2):
            if shared := _shared_items(a, b):
                rule = f"keep {one} and {two} apart"
                raise self._refusal(task, "splits", rule, f"{shared} shared items")
        return splits

    def _built(self, task: Task) -> nn.Module:
        with self._naming(f"{self.key}: model", "must build a network"):
            model = seeded(task.model, 0)
        if not isinstance(model, nn.Module):
            raise self._refusal(task, "model", "return a torch.nn.Module", type(model).__name__)
        if not any(True for _ in model.parameters()):
            raise self._refusal(task, "model", "have parameters", "none")
        return model

    def _equal_builds(self, task: Task, model: nn.Module, twin: nn.Module) -> None:
        a, b = model.state_dict(), twin.state_dict()
        if a.keys() != b.keys():
            differs = sorted(a.keys() ^ b.keys())[0]
            raise self._refusal(task, "model", "build the same network every time", differs)
        for name, value in a.items():
            if value.shape != b[name].shape or not torch.equal(value, b[name]):
                rule = "start from weights that torch's seed decides alone"
                raise self._refusal(task, "model", rule, f"others in {name} at a second build")

    def _shares_nothing(
        self, tasks: tuple[Task, Task], models: tuple[nn.Module, nn.Module]
    ) -> None:
        task, other = tasks
        storages = [
            {t.untyped_storage().data_ptr() for t in model.state_dict().values() if t.numel()}
            for model in models
        ]
        if storages[0] & storages[1]:
            rule = "build a network of its own at every call"
            raise self._refusal(task, "model", rule, "one that shares tensors with another")
        for name, value in vars(task).items():
            if _is_mutable(value) and vars(other).get(name) is value:
                rule = "share no state between two tasks"
                raise self._refusal(task, "__init__", rule, f"the same {name} in both")

    def _batch(self, task: Task, splits: Splits) -> Any:
        train = splits.train
        places = [0, min(1, len(train) - 1)]
        if isinstance(train, InMemory):
            return train.take(torch.tensor(places))
        with self._naming(f"{self.key}: the first training items", "must make a batch"):
            return task.collate([train[place] for place in places])

    def _prunable(self, task: Task, model: nn.Module) -> Prunable:
        with self._naming(f"{self.key}: prunable", "must judge every weight"):
            weights = prunable(model, task.prunable)
        if not weights:
            raise self._refusal(task, "prunable", "leave a weight that may be pruned", "none")
        return weights

    def _trains(self, task: Task, model: nn.Module, batch: Any, weights: Prunable) -> None:
        """One forward, backward and step, on two examples, in training mode."""
        model.train()
        optimiser = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=_RATE)
        with self._naming(f"{self.key}: loss", "must be a scalar with a gradient"):
            torch.manual_seed(0)
            loss = task.loss(model, batch)
        if not isinstance(loss, Tensor) or loss.numel() != 1:
            shape = list(loss.shape) if isinstance(loss, Tensor) else type(loss).__name__
            raise self._refusal(task, "loss", "return a scalar tensor", shape)
        if not math.isfinite(float(loss)):
            raise self._refusal(task, "loss", "be finite on the first two examples", float(loss))
        with self._naming(f"{self.key}: loss", "must have a gradient"):
            loss.reshape(()).backward()  # type: ignore[no-untyped-call]
        for name, weight in weights.items():
            if weight.grad is None:
                rule = f"reach every prunable weight: {name} gets no gradient"
                raise self._refusal(task, "loss", rule, "None; let prunable leave it out")
        optimiser.step()
        with self._naming(f"{self.key}: weight", "must count the batch"):
            weight_of_batch = float(task.weight(batch))
        if not (math.isfinite(weight_of_batch) and weight_of_batch > 0):
            raise self._refusal(task, "weight", "be > 0", weight_of_batch)

    def _scores(self, task: Task, model: nn.Module, batch: Any) -> None:
        model.eval()
        with torch.inference_mode():
            with self._naming(f"{self.key}: score", "must judge a batch"):
                scores = task.score(model, batch)
            if not isinstance(scores, Mapping):
                raise self._refusal(task, "score", "return a mapping", type(scores).__name__)
            sums = {**scores, "weight": int(task.weight(batch))}
            with self._naming(f"{self.key}: finish", "must make metrics of the sums"):
                numbers = task.finish(sums)
        for name in (*task.metrics, LOSS):
            value = numbers.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                rule = f"give {name} as a number"
                raise self._refusal(task, "finish", rule, value if value is not None else "nothing")
        if extra := sorted(numbers.keys() - {*task.metrics, LOSS}):
            rule = "give declared metrics and the loss alone"
            raise self._refusal(task, "finish", rule, ", ".join(extra))

    def _state_round_trip(self, task: Task, model: nn.Module) -> None:
        """A network is kept by its state: what is loaded must be what was saved."""
        state = {name: value.clone() for name, value in model.state_dict().items()}
        other = self._built(task)
        with self._naming(f"{self.key}: model", "must load its own state"):
            other.load_state_dict(state)
        for name, value in other.state_dict().items():
            if not torch.equal(value, state[name]):
                raise self._refusal(task, "model", "load what was saved", f"another {name}")
        if _ties(model) != _ties(other):
            rule = "tie the same weights at every build"
            raise self._refusal(task, "model", rule, sorted(_ties(model) ^ _ties(other))[0])

    def _pickles(self, task: Task, splits: Splits) -> None:
        if isinstance(splits.train, InMemory):
            return
        what = f"{self.key}: the training items"
        with self._naming(what, "must be picklable, for loader processes"):
            pickle.dumps(splits.train)
            pickle.dumps(splits.train[0])
            pickle.dumps(task.collate)

    def _findings(self, task: Task, splits: Splits, model: nn.Module) -> Findings:
        weights = prunable(model, task.prunable)
        with self._naming(f"{self.key}: example", "must be one input of the network"):
            example = task.example()
            model.eval()
            with torch.no_grad():
                call(model, example)
            work = work_of(weights, example)
        counts = {name: p.numel() for name, p in model.named_parameters()}
        names = {name for name in counts if name in weights}
        return Findings(
            {name: len(part) for name, part in splits.in_order.items()},
            sum(counts.values()),
            {name: counts[name] for name in weights if name in counts},
            weights.kinds,
            {name: n for name, n in counts.items() if name not in names},
            work.order,
            tuple(name for name in weights if work.counts.get(name, 0) == 0),
        )


def _place(task: Task, method: str) -> str:
    """File and line of the user's method, or of their class where it is inherited."""
    target = getattr(type(task), method, None)
    for candidate in (target, type(task)):
        try:
            lines, first = inspect.getsourcelines(candidate)  # type: ignore[arg-type]
            path = inspect.getsourcefile(candidate)  # type: ignore[arg-type]
        except (TypeError, OSError):
            continue
        if lines and path and f"{__package__.replace('.', '/')}/" not in path:
            return f"{path.rpartition('/')[2]}, line {first}"
    return type(task).__qualname__


def _shared_items(a: Items, b: Items) -> int:
    """How many items two parts have in common, as far as it can be seen."""
    if a is b:
        return len(a)
    if isinstance(a, Part) and isinstance(b, Part) and a.items is b.items:
        return len(set(map(int, a.indices)) & set(map(int, b.indices)))
    one, two = _subset(a), _subset(b)
    if one is not None and two is not None and one[0] is two[0]:
        return len(set(one[1]) & set(two[1]))
    return 0


def _subset(items: Items) -> tuple[Any, Sequence[int]] | None:
    """Data set and indices of torch's `Subset`."""
    if isinstance(items, torch.utils.data.Subset):
        return items.dataset, items.indices
    return None


def _is_mutable(value: object) -> bool:
    return isinstance(value, list | dict | set | Tensor | nn.Module)


def _ties(model: nn.Module) -> set[tuple[str, ...]]:
    """Names of parameters that are one tensor."""
    places: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        places.setdefault(id(parameter), []).append(name)
    return {tuple(names) for names in places.values() if len(names) > 1}
