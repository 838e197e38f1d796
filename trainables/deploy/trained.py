"""The trained network of a record, built again: on the CPU, in evaluation mode, masks applied.

Runs the user's code where the record's task is theirs: from the copy that the study folder keeps,
never from where it is being edited.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainables.code.import_path import ImportPath
from trainables.code.importing import importing_from
from trainables.code.loading import fault, load
from trainables.code.reference import parse
from trainables.config.sections import TaskChoice
from trainables.config.tasks import built_in
from trainables.config.trial import LISTING
from trainables.data.parts import Splits
from trainables.deploy.weights import MaskedWeights
from trainables.files.trial_record import Record
from trainables.networks.models import seeded
from trainables.pruning.masks import Masks
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.work import Inputs, work_of
from trainables.tasks.making import make_task
from trainables.tasks.task import Forward, Task, example_of
from trainables.training.evaluation import evaluate, evaluation_batches
from trainables.training.loaded import LoadedTask
from trainables.trials.task_cache import load_weights_
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.wording import in_one_line

_CPU = torch.device("cpu")


@dataclass(frozen=True, eq=False)
class Trained:
    """A network as its trial measured it, in full precision, with its task and data.

    `masks` name the pruned weights as `loaded.weights` holds them, in module order.
    """

    record: Record
    loaded: LoadedTask = field(repr=False)
    masks: Masks = field(repr=False)

    @property
    def model(self) -> nn.Module:
        """The network; in evaluation mode."""
        return self.loaded.model

    @property
    def task(self) -> Task:
        """The task that it was trained on."""
        return self.loaded.task

    @property
    def example(self) -> Inputs:
        """The task's example, a batch of one input without its label."""
        return example_of(self.task, self.loaded.splits)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that are evaluated: val and, if there is one, test."""
        return tuple(self.loaded.parts)

    def batches(self, part: str) -> Iterator[Any]:
        """Yield the batches of an evaluation of a part, in the order of the data."""
        return evaluation_batches(self.loaded, part)

    def evaluate(self, part: str, forward: Forward | None = None) -> dict[str, float]:
        """Return the task's metrics and loss on a part by their plain names.

        `forward` stands in the network's place: whatever takes the same inputs.
        """
        return evaluate(self.loaded, part, forward)


def needs_code(record: Record) -> str | None:
    """Return the digest of the copy of the user's code that a record's network is built with.

    None where task and network are the catalog's. Refusal where the record does not name its copy.
    """
    choice = TaskChoice.model_validate(_task_section(record))
    use = None if built_in(choice.use) is not None else choice.use
    named = [use, *(n.name for n in (choice.dataset, choice.model) if n and n.is_own)]
    own = [name for name in named if name]
    if not own:
        return None
    digest = record.provenance.get("code", {}).get("copy")
    if not digest:
        raise Refusal(f"the record must name the copy of {own[0]} that it ran, got none")
    return str(digest)


def trained(
    record: Record,
    weights: MaskedWeights,
    data_root: Path,
    copy: Path | None = None,
    paths: Mapping[str, str] | None = None,
) -> Trained:
    """Return the network of a finished trial.

    Args:
        record: of the trial.
        weights: those that it ended with.
        data_root: below which data sets lie.
        copy: the folder with the copy of the user's code that `needs_code` names.
        paths: by its name where a folder of images lies; a record keeps the name alone.

    Raises:
        Refusal: the data are not there, or are others than the trial's; the network does not take
            the weights.
    """
    if copy is not None:
        importing_from(copy)
    search = ImportPath([] if copy is None else [copy])
    choice = TaskChoice.model_validate(_task_section(record, paths or {}))
    try:
        task = make_task(choice, data_root, lambda key, name: load(parse(name, key), search))
        splits = task.splits()
        model = seeded(task.model, record.seed)
    except Refusal:
        raise
    except Exception as error:  # data that are gone, and whatever the user's code raises
        raise Refusal(f"task must be there as in the trial, got {fault(error, search)}") from error
    _require_same_files(record, splits)
    _load(model, weights)
    chosen = _pruned(prunable(model, task.prunable, task.feed_forward), weights.masks)
    loaded = LoadedTask(
        task=task,
        splits=splits,
        model=model.eval(),
        forward=model,
        device=_CPU,
        weights=chosen,
        work=work_of(chosen, example_of(task, splits)),
    )
    return Trained(record, loaded, {n: weights.masks[n] for n in chosen if n in weights.masks})


def _task_section(record: Record, paths: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The record's task; a folder of images by where it lies, if that is known."""
    section = {key: v for key, v in record.config["task"].items() if key != LISTING}
    dataset = section.get("dataset")
    if isinstance(dataset, dict) and "files" in dataset:
        known = {key: value for key, value in dataset.items() if key != "files"}
        name = known["path"]
        section["dataset"] = {**known, "path": (paths or {}).get(name, name)}
    return section


def _require_same_files(record: Record, splits: Splits) -> None:
    section = record.config["task"]
    dataset = section.get("dataset")
    key, recorded = "task.use", section.get(LISTING)
    if isinstance(dataset, dict):
        key, recorded = "task.dataset.path", dataset.get("files")
    if recorded is not None and splits.listing != recorded:
        raise Refusal(
            f"{key} must hold what the trial was trained on ({recorded}), got other"
            f" files ({splits.listing})"
        )


def _load(model: nn.Module, weights: MaskedWeights) -> None:
    try:
        load_weights_(model, weights.tensors)
    except RuntimeError as error:
        lines = in_one_line(error)
        raise Refusal(f"the network must take the weights of its trial, got {lines}") from error


def _pruned(weights: Prunable, masks: Masks) -> Prunable:
    """The weights that the trial pruned; what it kept dense stands as excluded."""
    if not masks:
        return weights
    return weights.without([name for name in weights if name not in masks])
