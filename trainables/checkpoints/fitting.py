"""Weights of a file, brought to the names and shapes of a network; what differs is refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import torch
from torch import Tensor, nn

from trainables.checkpoints.reading import read
from trainables.vocabulary.refusal import Refusal

PREFIXES = ("module.", "model.", "_orig_mod.")
"""What wrappers put before every name: data parallelism, training libraries, compilation."""

_COUNT = "num_batches_tracked"
"""BatchNorm's count, which older files lack and nothing here reads."""


@dataclass(frozen=True)
class Fitted:
    """Tensors by a network's own names, and sentences about how a file came to fit."""

    tensors: dict[str, Tensor] = field(repr=False)
    notes: tuple[str, ...] = ()


def fitted(
    path: Path, model: nn.Module, key: str, leave_out: Sequence[str] = (), called: str = ""
) -> Fitted:
    """Return the weights in a file by the names of the model, which stays as it is.

    Tensors of either side that a pattern of `leave_out` fits are passed over; all others must be
    on both. Prefixes that every name in the file has are taken away. `called` is the file's name
    for people, where it lies under another.

    Raises:
        Refusal: naming `key`: a file without weights, the first tensor in the order of the model
            that is missing or of another shape, one that is no number or not finite, one that the
            model does not have, or a pattern that fits nothing.
    """
    called = called or path.name
    checkpoint = read(path, key, called)
    own = dict(model.state_dict())
    tensors, prefix = _without_prefixes(checkpoint.tensors, own)
    notes = [*checkpoint.notes]
    if prefix:
        notes.append(f"{key}: names in {called} are read without their prefix {prefix}")
    for pattern in leave_out:
        if not any(fnmatchcase(name, pattern) for name in (*own, *tensors)):
            rule = "must fit a tensor of the network or of the file"
            raise Refusal(f"dense.leave_out {rule}, such as {next(iter(own))}, got {pattern!r}")
    theirs = {name: t for name, t in tensors.items() if not _left_out(name, leave_out)}
    wanted = {name: t for name, t in own.items() if not _left_out(name, leave_out)}
    result = _matched(theirs, wanted, f"{key} must fit the network", called)
    return Fitted(result, tuple(notes))


def _left_out(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _without_prefixes(
    tensors: Mapping[str, Tensor], own: Iterable[str]
) -> tuple[dict[str, Tensor], str]:
    """The tensors without what is before all of their names, and that prefix."""
    taken = ""
    result = dict(tensors)
    names = list(own)
    while prefix := _common(result, names):
        result = {name.removeprefix(prefix): tensor for name, tensor in result.items()}
        taken += prefix
    return result, taken


def _common(tensors: Mapping[str, Tensor], own: Sequence[str]) -> str | None:
    """A prefix of all names, unless the network's own names begin so too."""
    for prefix in PREFIXES:
        if all(n.startswith(prefix) for n in tensors) and not all(
            n.startswith(prefix) for n in own
        ):
            return prefix
    return None


def _matched(
    theirs: Mapping[str, Tensor], wanted: Mapping[str, Tensor], rule: str, file: str
) -> dict[str, Tensor]:
    """Their tensors for all that are wanted; Refusal for the first that differs."""
    result = {}
    twins = _twins(wanted)
    for name, like in wanted.items():
        found = next((theirs[twin] for twin in twins[name] if twin in theirs), None)
        if found is None and name.rpartition(".")[2] == _COUNT:
            continue
        if found is None:
            raise Refusal(f"{rule}: it has {name}, got no such tensor in {file}")
        if found.shape != like.shape:
            shapes = f"{list(like.shape)}, got {list(found.shape)} in {file}"
            raise Refusal(f"{rule}: {name} has the shape {shapes}")
        if found.is_floating_point() != like.is_floating_point():
            raise Refusal(f"{rule}: {name} is {like.dtype}, got {found.dtype} in {file}")
        if not bool(torch.isfinite(found).all()):
            raise Refusal(f"{rule}: {name} must be finite, got NaN or infinity in {file}")
        result[name] = found
    if extra := [name for name in theirs if name not in wanted]:
        raise Refusal(f"{rule}: it has no {extra[0]}, got one in {file}")
    return result


def _twins(tensors: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """For each name those of the same tensor, itself first: files keep tied weights once."""
    places: dict[tuple[int, torch.Size], list[str]] = {}
    for name, tensor in tensors.items():
        places.setdefault((tensor.data_ptr(), tensor.shape), []).append(name)
    return {
        name: [name, *(twin for twin in places[tensor.data_ptr(), tensor.shape] if twin != name)]
        for name, tensor in tensors.items()
    }
