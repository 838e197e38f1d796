"""Parameters of a model by pattern, and those that a study keeps as they are."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

Norm = nn.modules.batchnorm._BatchNorm


def fits(model: nn.Module, name: str, pattern: str) -> bool:
    """Whether a pattern fits a parameter: its name, its layer's, or the type of that layer."""
    layer = name.rpartition(".")[0]
    kind = type(model.get_submodule(layer)).__name__
    return any(fnmatchcase(text, pattern) for text in (name, layer, kind))


def matches(
    model: nn.Module, names: Sequence[str], patterns: Sequence[str], key: str
) -> dict[str, list[str]]:
    """Return which of some parameters each pattern fits; ValueError for one that fits none."""
    found = {p: [name for name in names if fits(model, name, p)] for p in patterns}
    for pattern, chosen in found.items():
        if not chosen:
            known = f"such as {names[0]}" if names else "of which there is none"
            raise ValueError(
                f"{key} must fit a parameter that is trained, {known}, got {pattern!r}"
            )
    return found


def freeze_(model: nn.Module, patterns: Sequence[str]) -> tuple[nn.Module, ...]:
    """Freeze what the patterns fit, in place; return the layers whose statistics stand still too.

    These are BatchNorm layers that a pattern fits, or all of whose parameters are frozen by some:
    else a frozen layer would still drift with the batches that it sees. ValueError for a pattern
    that fits no parameter that is trained.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    chosen = matches(model, list(trained), patterns, "dense.freeze")
    frozen = {name for names in chosen.values() for name in names}
    for name in frozen:
        trained[name].requires_grad_(False)
    return tuple(
        module
        for layer, module in model.named_modules()
        if isinstance(module, Norm) and _stands_still(layer, module, patterns, frozen)
    )


def _stands_still(layer: str, module: nn.Module, patterns: Sequence[str], frozen: set[str]) -> bool:
    texts = (layer, type(module).__name__)
    own = {f"{layer}.{leaf}" if layer else leaf for leaf, _ in module.named_parameters()}
    by_name = any(fnmatchcase(text, pattern) for text in texts for pattern in patterns)
    return by_name or bool(own and own <= frozen)
