"""Parts of a network that lie in several weights: heads of attention, hidden units of a block.

Heads are those of torch's attention; which layers are a feed-forward block is the task's to say
(`Task.feed_forward`). A part counts where all of its weights are prunable.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from trainables.formulas.structures import Bundle, Structure, whole_bundles
from trainables.pruning.prunable import Blocks, Prunable


@dataclass(frozen=True)
class _Parts:
    """A module's `n` parts: names in it of what makes them, with what bias, and what reads them."""

    makers: tuple[str, ...]
    bias: str
    reader: str
    n: int


def bundles_of(weights: Prunable, structure: Structure) -> list[Bundle]:
    """Return what a structure cuts together, in module order; none where it cuts single weights."""
    return [bundle for bundle, _ in _bundles_and_biases(weights, structure.kind)]


def every_bundle(weights: Prunable) -> dict[str, list[Bundle]]:
    """Return by kind of structure what it cuts together."""
    return {kind: [b for b, _ in _bundles_and_biases(weights, kind)] for kind in _PARTS}


def bundle_companions(weights: Prunable, structure: Structure) -> dict[str, tuple[str, ...]]:
    """Return by name of each bias that goes with units the weights whose rows it is added to."""
    parameters = dict(weights.model.named_parameters(remove_duplicate=False))
    return {
        bias: bundle.weights[:-1]
        for bundle, bias in _bundles_and_biases(weights, structure.kind)
        if bias in parameters
    }


def _bundles_and_biases(weights: Prunable, kind: str) -> Iterator[tuple[Bundle, str]]:
    parts_of = _PARTS.get(kind)
    if parts_of is None:
        return
    for prefix, module in weights.model.named_modules():
        if (parts := parts_of(prefix, module, weights.blocks)) is None:
            continue
        at = f"{prefix}." if prefix else ""
        names = tuple(f"{at}{leaf}" for leaf in (*parts.makers, parts.reader))
        for bundle in whole_bundles([Bundle(names, parts.n)], weights):
            yield bundle, f"{at}{parts.bias}"


def _heads(_name: str, module: nn.Module, _blocks: Blocks) -> _Parts | None:
    if not isinstance(module, nn.MultiheadAttention):
        return None
    packed = isinstance(module.in_proj_weight, Tensor)
    apart = ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    makers = ("in_proj_weight",) if packed else apart
    return _Parts(makers, "in_proj_bias", "out_proj.weight", module.num_heads)


def _hidden(name: str, module: nn.Module, blocks: Blocks) -> _Parts | None:
    if (block := blocks(name, module)) is None:
        return None
    maker, reader = (module.get_submodule(leaf) for leaf in block)
    if not (isinstance(maker, nn.Linear) and isinstance(reader, nn.Linear)):
        kinds = f"{type(maker).__name__} and {type(reader).__name__}"
        raise ValueError(f"a feed-forward block must be two linear layers, got {kinds} in {name}")
    if reader.in_features != maker.out_features:
        sizes = f"{reader.in_features} inputs of {maker.out_features} units"
        raise ValueError(f"a feed-forward block must read all that it makes, got {sizes} in {name}")
    one, other = block
    return _Parts((f"{one}.weight",), f"{one}.bias", f"{other}.weight", maker.out_features)


_PartsOf = Callable[[str, nn.Module, Blocks], _Parts | None]
_PARTS: Mapping[str, _PartsOf] = {"heads": _heads, "hidden": _hidden}
"""By kind of structure the parts of a module, where it has any."""
