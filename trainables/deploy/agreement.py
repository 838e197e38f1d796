"""Whether what was exported computes what was measured: output by output, class by class.

A whole part of the data goes through the network and through what stands in its place, in the
task's own `score`, so that the metrics of both come out of one arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_unflatten

from trainables.deploy.trained import Trained
from trainables.tasks.classification import Classification
from trainables.vocabulary.refusal import Refusal

TOLERANCE: Final = 1e-4
"""The largest difference of an output, and how near two top logits lie that may change places."""

RELATIVE: Final = 1e-5
"""The same as a share of the largest output, where that is more."""


@dataclass(frozen=True)
class Tie:
    """An example whose two largest logits lie within `TOLERANCE`: its place in the part from 0."""

    index: int
    gap: float


@dataclass(frozen=True)
class Agreement:
    """How a network and what stands in its place agree on one part of the data.

    `network` and `other` are the metrics and the loss by their plain names; `recorded` are those of
    the trial. `largest` is the largest difference of an output, `allowed` what it may be, `scale`
    the largest output. `ties` are the examples that may be classified otherwise, `changed` those
    that are: classification alone has them.
    """

    part: str
    examples: int
    recorded: dict[str, float]
    network: dict[str, float]
    other: dict[str, float]
    largest: float
    allowed: float
    scale: float
    ties: tuple[Tie, ...] = ()
    changed: tuple[int, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return the agreement as plain data."""
        return {**asdict(self), "ties": [asdict(tie) for tie in self.ties]}


@dataclass
class _Comparison:
    """Runs a network and another, and notes how their outputs differ."""

    model: nn.Module
    other: Callable[..., list[Tensor]]
    logits: bool
    largest: float = 0.0
    scale: float = 0.0
    calls: int = 0
    seen: int = 0
    ties: list[Tie] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        leaves, spec = tree_flatten(self.model(*args, **kwargs))
        theirs = self.other(*args, **kwargs)
        mine = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        if [t.shape for t in mine] != [t.shape for t in theirs]:
            got = [tuple(t.shape) for t in theirs]
            rule = f"must give outputs of {[tuple(t.shape) for t in mine]}"
            raise Refusal(f"what is exported {rule}, got {got}")
        for one, two in zip(mine, theirs, strict=True):
            self._note(one, two)
        replacements = iter(theirs)
        return tree_unflatten(
            [next(replacements) if isinstance(leaf, Tensor) else leaf for leaf in leaves], spec
        )

    def _note(self, mine: Tensor, theirs: Tensor) -> None:
        if mine.numel():
            one, two = in_doubles(mine, theirs)
            difference = (one - two).abs().masked_fill(one == two, 0)  # of equal infinities too
            self.largest = max(
                self.largest, float(difference.max().nan_to_num(torch.inf, torch.inf))
            )
            self.scale = max(self.scale, float(one.abs().nan_to_num(0, posinf=0).max()))
        if self.logits and mine.ndim == 2 and mine.shape[1] > 1 and not mine.is_complex():
            top = mine.topk(2, dim=1).values
            gaps = (top[:, 0] - top[:, 1]).tolist()
            close = [(i, gap) for i, gap in enumerate(gaps) if gap <= TOLERANCE]
            self.ties += [Tie(self.seen + i, gap) for i, gap in close]
            other = (mine.argmax(1) != theirs.argmax(1)).nonzero().flatten().tolist()
            self.changed += [self.seen + i for i in other]
            self.seen += len(mine)


class _StandIn:
    """Stands in the network's place: called, it compares; all else is the network's own.

    It has one name of its own, so that no other hides one that a `score` reads of the network.
    """

    def __init__(self, comparison: _Comparison) -> None:
        self._comparison = comparison

    def __getattr__(self, name: str) -> Any:
        return getattr(self._comparison.model, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._comparison(*args, **kwargs)


def in_doubles(one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
    """Return two tensors in double precision; of complex ones both parts, as a last dimension."""
    if one.is_complex() or other.is_complex():
        first, second = (torch.view_as_real(t.to(torch.complex128)) for t in (one, other))
        return first, second
    return one.double(), other.double()


def agreement_on(
    network: Trained, part: str, other: Callable[..., list[Tensor]] | None = None
) -> Agreement:
    """Return how the network, and what stands in its place, do on a part of the data.

    Without `other` the network is compared with itself: what is left is its record.
    """
    stand_in = other or _outputs(network.model)
    comparison = _Comparison(network.model, stand_in, isinstance(network.task, Classification))
    measured = network.evaluate(part, _StandIn(comparison))
    if not comparison.calls:
        raise Refusal("score must call the network itself, for what is exported to be checked")
    prefix = f"{part}_"
    recorded = {
        name: network.record.metrics[f"{prefix}{name}"]
        for name in measured
        if f"{prefix}{name}" in network.record.metrics
    }
    return Agreement(
        part,
        len(network.loaded.parts[part]),
        recorded,
        network.evaluate(part),
        measured,
        comparison.largest,
        max(TOLERANCE, RELATIVE * comparison.scale),
        comparison.scale,
        tuple(comparison.ties),
        tuple(comparison.changed),
    )


def _outputs(model: nn.Module) -> Callable[..., list[Tensor]]:
    def run(*args: Any, **kwargs: Any) -> list[Tensor]:
        leaves, _ = tree_flatten(model(*args, **kwargs))
        return [leaf for leaf in leaves if isinstance(leaf, Tensor)]

    return run


def require_agreement(result: Agreement, what: str) -> None:
    """Refuse what does not compute the network's outputs, or classifies an example otherwise.

    Save examples whose two largest logits lie within the tolerance.
    """
    if not result.largest <= result.allowed:
        raise Refusal(
            f"{what} must give the network's outputs within {result.allowed:.2g} on {result.part},"
            f" got a difference of {result.largest:.3g}"
        )
    ties = {tie.index for tie in result.ties}
    if others := [index for index in result.changed if index not in ties]:
        raise Refusal(
            f"{what} must classify every example of {result.part} as the network does, got"
            f" {len(others)} otherwise, the first at {others[0]}"
        )


def require_record(network: Trained, result: Agreement) -> None:
    """Refuse a rebuilt network that does not classify as many examples rightly as its record says.

    Of a trial in full precision on a CPU, save examples whose two largest logits lie within the
    tolerance: other devices and formats of numbers round otherwise, and are reported alone.
    """
    if not same_arithmetic(network.record.config, network.record.provenance):
        return
    if "accuracy" not in result.recorded or not isinstance(network.task, Classification):
        return
    right = [
        round(result.examples * each["accuracy"]) for each in (result.recorded, result.network)
    ]
    if abs(right[0] - right[1]) > len(result.ties):
        raise Refusal(
            f"the network must classify {right[0]} of {result.examples} examples of {result.part}"
            f" rightly, as its trial did, got {right[1]}: the data or the libraries have changed"
        )


def same_arithmetic(config: Mapping[str, Any], provenance: Mapping[str, Any]) -> bool:
    """Whether a trial was measured in full precision on a CPU, as exports are checked."""
    precision = config.get("compute", {}).get("precision", "fp32")
    return precision == "fp32" and provenance.get("device") == "cpu"
