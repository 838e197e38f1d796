"""Which weights of a model may be pruned, in module order, and how each is cut into layers.

A rule `(name, parameter, module) -> bool` decides; a weight that stands at several places is
prunable where the rule says so at all of them, and appears once, under its first name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from torch import nn

from trainables.pruning.layers import Layer

Rule = Callable[[str, nn.Parameter, nn.Module], bool]

Blocks = Callable[[str, nn.Module], tuple[str, str] | None]
"""Which two layers in a module of that name are a feed-forward block, by their names in it: one
that makes hidden units and the only one that reads them. None where there is no such block."""

Place = tuple[str, nn.Parameter, nn.Module]
"""A parameter under one of its names, and the module that holds it there."""

_PROJECTIONS = ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight")
_PACKED = "in_proj_weight"
_PACKED_LAYERS = ("[q]", "[k]", "[v]")


def layer_weights(name: str, _parameter: nn.Parameter, module: nn.Module) -> bool:
    """The weights of convolutions and linear layers: the prunable set of the built-in tasks."""
    return isinstance(module, Layer) and name.rpartition(".")[2] == "weight"


def trained_weights(name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
    """`layer_weights` and attention's projections, frozen weights left out: a task's default.

    Embeddings are no layers, so a linear layer that shares an embedding's weight keeps it dense.
    """
    if not parameter.requires_grad:
        return False
    return weights_of_products(name, parameter, module)


def weights_of_products(name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
    """The weights of convolutions and linear layers and attention's projections, frozen or not."""
    if isinstance(module, nn.MultiheadAttention):
        return name.rpartition(".")[2] in _PROJECTIONS
    return layer_weights(name, parameter, module)


def feed_forward(_name: str, module: nn.Module) -> tuple[str, str] | None:
    """The blocks of torch's Transformer layers: a task's default."""
    if isinstance(module, nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return "linear1", "linear2"
    return None


@dataclass(frozen=True)
class Part:
    """A layer's share of a parameter: entries `start` to `stop` of it, flat, row by row.

    A parameter is one layer, save attention's packed projections, which are three: `layer` is then
    `attention.in_proj_weight[q]`, `[k]` or `[v]`, else the parameter's name.
    """

    name: str
    layer: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many weights it has."""
        return self.stop - self.start


@dataclass(frozen=True, eq=False)
class Prunable(Mapping[str, nn.Parameter]):
    """The prunable weights of `model`, by name in module order, each with the module that holds it.

    `excluded` are weights that the rule allows and the study keeps dense (`prune.exclude`);
    `blocks` tells feed-forward blocks.
    """

    model: nn.Module
    parameters: dict[str, nn.Parameter]
    modules: dict[str, nn.Module]
    excluded: tuple[str, ...] = ()
    blocks: Blocks = feed_forward

    def __getitem__(self, name: str) -> nn.Parameter:
        return self.parameters[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    @property
    def kinds(self) -> dict[str, str]:
        """By name the type of the module that holds a weight."""
        return {name: type(module).__name__ for name, module in self.modules.items()}

    @property
    def layers(self) -> dict[str, Layer]:
        """Those that are the weight of a convolution or linear layer, by name."""
        return {name: m for name, m in self.modules.items() if isinstance(m, Layer)}

    def parts(self, name: str) -> list[Part]:
        """The layers that a parameter holds, in order."""
        size = self.parameters[name].numel()
        attention = isinstance(self.modules[name], nn.MultiheadAttention)
        packed = attention and name.rpartition(".")[2] == _PACKED
        endings = _PACKED_LAYERS if packed else ("",)
        n = len(endings)
        return [
            Part(name, f"{name}{ending}", size * k // n, size * (k + 1) // n)
            for k, ending in enumerate(endings)
        ]

    def without(self, excluded: Sequence[str]) -> Prunable:
        """The same less some names, which are kept as `excluded`."""
        left = {n: p for n, p in self.parameters.items() if n not in excluded}
        modules = {n: self.modules[n] for n in left}
        return Prunable(self.model, left, modules, (*self.excluded, *excluded), self.blocks)


def prunable(
    target: nn.Module | Prunable, rule: Rule = layer_weights, blocks: Blocks = feed_forward
) -> Prunable:
    """Return the prunable weights of a model under a rule; what is one already stays as it is."""
    if isinstance(target, Prunable):
        return target
    chosen = [group[0] for group in places(target) if all(rule(*place) for place in group)]
    return Prunable(
        target, {n: p for n, p, _ in chosen}, {n: m for n, _, m in chosen}, blocks=blocks
    )


def places(model: nn.Module) -> list[list[Place]]:
    """Return for each parameter of a model, in module order, all the places where it stands."""
    by_parameter: dict[int, list[Place]] = {}
    for prefix, module in model.named_modules():
        for leaf, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            name = f"{prefix}.{leaf}" if prefix else leaf
            by_parameter.setdefault(id(parameter), []).append((name, parameter, module))
    return list(by_parameter.values())
