"""Which filters and heads can be taken out of a masked network so that its outputs stay the same.

A filter goes if the channel that it makes adds nothing, or a constant that a bias can take over,
wherever a layer sums over it, and if every tensor that shares the channel (normalisation, a
depthwise convolution, what is added to it) may lose it too. What stays although its weights are
zero is named with the reason. Heads of attention layers are in `attention`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from trainables.removal.attention import heads_left, packed_rows, with_heads
from trainables.removal.channels import Flags, Places, Reading, Verdict
from trainables.removal.flow import Flow
from trainables.removal.step import layer
from trainables.removal.traced import Trace
from trainables.removal.walk import Trust, Walk

May = Callable[[str, nn.Module], bool]
"""Whether filters of a layer may go, by the layer's name and module."""

_Keep = dict[str, dict[int, list[int]]]


@dataclass(frozen=True)
class Kept:
    """Zero filters, or masked heads, of a layer that stay, and why."""

    layer: str
    n: int
    reason: str
    what: str = "zero filter"

    def __str__(self) -> str:
        what = self.what if self.n == 1 else f"{self.what}s"
        return f"{self.layer} keeps {self.n} {what}: {self.reason}"


@dataclass(frozen=True)
class Plan:
    """What `shrink` takes out of a network.

    `keep`: by tensor and dimension the places that stay, in order. `sizes`: by module the
    attributes that then have another value. `shift`: by module what is added to its bias, which it
    gets if it has none. `removed`: filters that go, by layer. `kept`: zero filters that stay.
    `heads`: by attention layer the heads that stay, where some go, and `removed_heads` how many do.
    """

    keep: dict[str, dict[int, list[int]]]
    sizes: dict[str, dict[str, int]]
    shift: dict[str, list[float]]
    removed: dict[str, int]
    kept: tuple[Kept, ...] = ()
    heads: dict[str, list[int]] = field(default_factory=dict)
    removed_heads: dict[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether nothing goes."""
        return not self.removed and not self.heads

    def as_json(self) -> dict[str, Any]:
        """Return what `shrink` needs, as JSON holds it: keys are texts."""
        keep = {n: {str(axis): at for axis, at in dims.items()} for n, dims in self.keep.items()}
        heads = {"heads": self.heads} if self.heads else {}
        return {"keep": keep, "sizes": self.sizes, "shift": self.shift, **heads}


def shrink(model: nn.Module, plan: Mapping[str, Any]) -> nn.Module:
    """Take out of a network what a plan's JSON says, in place, and return it.

    The same lines stand in the card of an export: save for heads, they need torch and nothing of
    this project.
    """
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    for name, axes in plan["keep"].items():
        for axis, places in axes.items():
            tensors[name].data = tensors[name].data.index_select(int(axis), torch.tensor(places))
    for name, sizes in plan["sizes"].items():
        for attribute, size in sizes.items():
            setattr(model.get_submodule(name), attribute, size)
    for name, added in plan["shift"].items():
        module: Any = model.get_submodule(name)
        shift = torch.tensor(added)
        module.bias = torch.nn.Parameter(shift if module.bias is None else module.bias.data + shift)
    return with_heads(model, plan.get("heads", {}))


def _any_layer(_name: str, _module: nn.Module) -> bool:
    return True


def plan_of(
    model: nn.Module, trace: Trace, may: May = _any_layer, trust: Trust | None = None
) -> Plan:
    """Return what can be taken out of a network with its masks applied.

    Args:
        model: the network, on the CPU; it stays as it is.
        trace: its forward.
        may: which layers may lose filters at all.
        trust: what may be relied on; all of `Trust` by default.
    """
    trust = trust or Trust()
    walk = Walk(model, trace, trust)
    for name, places in walk.layers.items():
        if not may(layer(name), model.get_submodule(name.rpartition(".")[0])):
            walk.channels.keep(places, "the task keeps its width")
    verdict = walk.channels.verdict()
    going = _going(walk.layers, verdict)
    keep = _places_left(walk, going)
    removed = {layer(n): int(_gone(walk, places, going).sum()) for n, places in walk.layers.items()}
    heads, stuck = heads_left(model, may)
    removed_heads = {name: _n_heads(model, name) - len(left) for name, left in heads.items()}
    if not trust.heads:
        stuck += [
            (name, n, "outputs would differ without them") for name, n in removed_heads.items()
        ]
        heads, removed_heads = {}, {}
    kept = [Kept(name, n, reason, "masked head") for name, n, reason in stuck]
    return Plan(
        keep,
        _sizes(model, keep),
        _shifts(walk, going, keep),
        {name: n for name, n in removed.items() if n},
        (*_beside_heads(_stuck(walk, verdict, going), model, heads), *kept),
        heads,
        removed_heads,
    )


def _beside_heads(
    stuck: Sequence[Kept], model: nn.Module, heads: Mapping[str, Sequence[int]]
) -> list[Kept]:
    """What stays once heads are gone: their rows of a packed projection go with them."""
    left = []
    for kept in stuck:
        owner = kept.layer.removesuffix("in_proj_weight").removesuffix(".")
        n = kept.n
        if owner in heads and kept.layer.endswith("in_proj_weight"):
            attention: Any = model.get_submodule(owner)
            gone = [head for head in range(attention.num_heads) if head not in heads[owner]]
            rows = packed_rows(gone, attention.num_heads, attention.head_dim)
            n -= int((attention.in_proj_weight[rows] == 0).all(1).sum())
        if n:
            left.append(replace(kept, n=n))
    return left


def _n_heads(model: nn.Module, name: str) -> int:
    return int(model.get_submodule(name).num_heads)  # type: ignore[arg-type]


def _going(layers: Mapping[str, Places], verdict: Verdict) -> set[int]:
    """The classes that go, by root; of a layer that would lose every filter the first stays."""
    going: set[int] = set()
    for places in layers.values():
        flags = verdict.may_go(places)
        going |= set(verdict.channels.roots(places[flags]).tolist())
    for places in layers.values():
        roots = verdict.channels.roots(places).tolist()
        if set(roots) <= going:
            going.discard(roots[0])
    return going


def _gone(walk: Walk, places: Places, going: set[int]) -> Flags:
    roots = walk.channels.roots(places).tolist()
    return np.array([root in going for root in roots], dtype=np.bool_)


def _places_left(walk: Walk, going: set[int]) -> _Keep:
    keep: _Keep = {}
    for name, flow in walk.parameters.items():
        for axis, places in enumerate(flow.places):
            if places is None:
                continue
            gone = _gone(walk, places, going)
            if gone.any():
                keep.setdefault(name, {})[axis] = np.flatnonzero(~gone).tolist()
    return keep


def _shifts(walk: Walk, going: set[int], keep: _Keep) -> dict[str, list[float]]:
    """What constants that go have added to layers, by layer, for the outputs that stay."""
    shifts = {}
    for reading in walk.channels.readings:
        taken = _gone(walk, reading.places, going) & ~np.isnan(reading.added)
        if taken.any():
            shift = _constants(walk.parameters[reading.reader], reading, taken)
            left = keep.get(reading.reader, {}).get(0)
            shifts[layer(reading.reader)] = (shift if left is None else shift[left]).tolist()
    return shifts


def _constants(weight: Flow, reading: Reading, taken: Flags) -> Any:
    assert weight.tensor is not None
    kernels = weight.tensor[:, torch.from_numpy(taken)].double()
    columns = kernels.reshape(*kernels.shape[:2], -1).sum(2)
    return (columns @ torch.from_numpy(reading.added[taken])).float().numpy()


def _sizes(model: nn.Module, keep: Mapping[str, Mapping[int, Sequence[int]]]) -> dict[str, Any]:
    """What modules say of their own sizes, once tensors have lost places."""
    sizes: dict[str, dict[str, int]] = {}
    for tensor, axes in keep.items():
        name, _, leaf = tensor.rpartition(".")
        module = model.get_submodule(name)
        left = {axis: len(places) for axis, places in axes.items()}
        if leaf == "weight" and (changed := _attributes(module, left)):
            sizes.setdefault(name, {}).update(changed)
        elif isinstance(module, nn.modules.batchnorm._NormBase):
            sizes[name] = {"num_features": left[0]}
    return sizes


def _attributes(module: nn.Module, left: Mapping[int, int]) -> dict[str, int]:
    if isinstance(module, nn.Linear):
        return _named(left, "out_features", "in_features")
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return _named(left, "in_channels", "out_channels")
    if isinstance(module, nn.modules.conv._ConvNd):
        if module.groups == 1:
            return _named(left, "out_channels", "in_channels")
        each = module.out_channels // module.in_channels
        inputs = left[0] // each
        return {"out_channels": left[0], "in_channels": inputs, "groups": inputs}
    if isinstance(module, nn.modules.batchnorm._NormBase):
        return {"num_features": left[0]}
    if isinstance(module, nn.PReLU):
        return {"num_parameters": left[0]}
    return {}


def _named(left: Mapping[int, int], first: str, second: str) -> dict[str, int]:
    return {name: left[axis] for axis, name in enumerate((first, second)) if axis in left}


def _stuck(walk: Walk, verdict: Verdict, going: set[int]) -> list[Kept]:
    """Filters without a weight that stay, by layer and reason."""
    makers: dict[int, set[str]] = {}
    for name, places in walk.layers.items():
        for root in walk.channels.roots(places).tolist():
            makers.setdefault(root, set()).add(layer(name))
    result = []
    for name, places in walk.layers.items():
        stay = _without_weights(walk.parameters[name], places) & ~_gone(walk, places, going)
        roots = walk.channels.roots(places[stay]).tolist()
        reasons = Counter(_reason(layer(name), root, verdict, makers[root]) for root in roots)
        result += [Kept(layer(name), n, reason) for reason, n in reasons.items()]
    return result


def _without_weights(weight: Flow, made: Places) -> Flags:
    """Which of the channels that a layer makes have zero weights."""
    axis = next(a for a, p in enumerate(weight.places) if p is made)
    return weight.zeros_at(axis)


def _reason(own: str, root: int, verdict: Verdict, makers: set[str]) -> str:
    if root in verdict.reasons:
        return verdict.reasons[root]
    others = sorted(makers - {own})
    if others and root in verdict.readers:
        return f"its channels are shared with {_listed(others)}, where they are not zero"
    if root in verdict.readers:
        reader = layer(verdict.readers[root])
        return f"{reader} reads what its bias or normalisation still gives"
    return "one filter of a layer stays"


def _listed(names: Sequence[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
