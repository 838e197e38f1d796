"""Which weights of the user's own network are pruned and which stay dense, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from study.points.resolved_study import ResolvedStudy
from study.views.told_apart import Entry, settings, told_apart
from trainables.config.exclusions import excluded, left_trained
from trainables.config.trial import TrialConfig
from trainables.formulas.structures import bundles_in, misfits

MOST_NAMED = 12


def weights_in_words(resolved: ResolvedStudy) -> list[tuple[str, str]]:
    """Return lines of a plan on the prunable weights; none where every network is the catalog's.

    Studies of several networks, of several `prune.exclude` or `dense.freeze`, have lines for each,
    and of which network and choice they are.
    """
    entries: list[Entry] = []
    for config in resolved.representatives:
        look = resolved.code.look_of(config.model_dump(mode="json"))
        if look is not None and look.findings:
            setting = settings(config.task) | _choice(config)
            entries.append((setting, tuple(_lines(look.findings, config))))
    return told_apart(entries)


def _choice(config: TrialConfig) -> dict[str, Any]:
    """What else decides which weights are pruned."""
    return {
        "prune.structure": config.prune.form.name,
        "prune.exclude": ", ".join(config.prune.exclude or ()) or "nothing",
        "dense.freeze": ", ".join(config.dense.freeze or ()) or "nothing",
    }


def _lines(findings: Mapping[str, Any], config: TrialConfig) -> list[tuple[str, str]]:
    counts: Mapping[str, int] = findings["weights"]
    kinds, order = left_trained(findings["kinds"], findings["order"], config.dense.freeze)
    dense = excluded(kinds, config.prune.exclude, order)
    uncut = _uncut(findings, config, [name for name in kinds if name not in dense])
    pruned = {name: counts[name] for name in kinds if name not in dense and name not in uncut}
    n, whole = sum(pruned.values()), findings["n_parameters"]
    lines = [("pruned weights", f"{n:,} of {whole:,} parameters: {_named(pruned)}")]
    if dense:
        lines.append(("kept dense", _named({name: counts[name] for name in dense})))
    if frozen := {name: n for name, n in counts.items() if name not in kinds}:
        lines.append(("frozen", _named(frozen)))
    rule = {name: n for name, n in findings["dense"].items() if name.rpartition(".")[2] == "weight"}
    if rule:
        lines.append(("dense by rule", _named(rule)))
    if findings["unmet"]:
        lines.append(("not met", f"{', '.join(findings['unmet'])}: no operation uses them"))
    return lines


def _uncut(
    findings: Mapping[str, Any], config: TrialConfig, left: Sequence[str]
) -> Mapping[str, str]:
    """What the structure leaves dense; nothing where an older look does not tell."""
    form, matrices = config.prune.form, findings.get("matrices", {})
    if form.record.parts and "bundles" not in findings:
        return {}
    known = {name: matrices[name] for name in left if name in matrices}
    return misfits(form, known, bundles_in(findings.get("bundles", {}), form))


def _named(counts: Mapping[str, int]) -> str:
    texts = [f"{name} {n:,}" for name, n in list(counts.items())[:MOST_NAMED]]
    more = len(counts) - MOST_NAMED
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")
