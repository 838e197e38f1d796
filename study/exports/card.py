"""The card of an exported network, as plain data: what it is, measured, made of, and loaded by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from study.exports.siblings import Siblings
from study.views.choice import Choice
from trainables.config.datasets import DATASETS
from trainables.config.tasks import built_in
from trainables.files.trial_record import Record
from trainables.vocabulary.schema import SCHEMA_VERSION

UNSTRUCTURED: Final = (
    "Zeros that lie anywhere in a tensor make no dense kernel faster: the theoretical speedup is"
    " not a measured one. What they save is bytes, in a sparse or compressed encoding."
)


@dataclass(frozen=True)
class Written:
    """The file beside the card: its name, bytes, format, precision and encoding."""

    name: str
    data: bytes = field(repr=False)
    format: str
    precision: str = "fp32"
    encoding: str = "dense"

    def plain(self) -> dict[str, Any]:
        """Return what the card says of it."""
        return {
            "file": self.name,
            "format": self.format,
            "precision": self.precision,
            "encoding": self.encoding,
            "bytes": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
        }


@dataclass(frozen=True)
class Evidence:
    """What was found of the network when it was exported.

    `agreements`: how the exported file agrees with the network, by part. `deployed`: metrics of the
    network in other precisions, by precision and full name. `sizes`: bytes of each encoding.
    `removal`: what was taken out of it.
    """

    agreements: Sequence[Mapping[str, Any]] = ()
    deployed: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sizes: Sequence[Mapping[str, Any]] = ()
    removal: Mapping[str, Any] = field(default_factory=dict)


def card(
    choice: Choice,
    written: Written,
    measured: Siblings,
    evidence: Evidence,
    *,
    zeros: int,
    prunable: int,
    form: Mapping[str, Any],
    lines: Sequence[str],
) -> dict[str, Any]:
    """Return the card of an exported file as plain data; what is not known is absent.

    `zeros` of `prunable` weights are zero; `form` has the shape of an input and the number of
    classes; `lines` load the file.
    """
    record = choice.record
    content = {
        "schema": SCHEMA_VERSION,
        **written.plain(),
        "name": name_of(record),
        "study": record.study,
        "fingerprint": record.fingerprint,
        "seed": record.seed,
        "chosen": choice.words.removeprefix(", ") or "named by its fingerprint",
        "configuration": record.config,
        **{key: value for key, value in form.items() if value is not None},
        "data": data_of(record),
        "declared": record.declared,
        "results": measured.plain(),
        "pruned": {"zeros": zeros, "prunable": prunable, "layers": record.layers},
        "code": record.provenance.get("code", {}),
        "provenance": {k: v for k, v in record.provenance.items() if k != "code"},
        "agreements": list(evidence.agreements),
        "deployed": {key: dict(value) for key, value in evidence.deployed.items()},
        "sizes": list(evidence.sizes),
        "removal": dict(evidence.removal),
        "loading": list(lines),
        "notes": [*choice_notes(choice), *notes_of(record)],
    }
    return {key: value for key, value in content.items() if value not in ({}, [], None)}


def name_of(record: Record) -> str:
    """Return a short name: network, data and the beginning of the fingerprint."""
    task = record.config["task"]
    if "use" in task:
        words = [task["use"].rpartition(":")[2]]
    else:
        words = [task[key]["name"].rpartition(":")[2] for key in ("model", "dataset")]
    return "-".join([*(word.replace("/", "-") for word in words), record.fingerprint[:8]])


def data_of(record: Record) -> dict[str, Any]:
    """Return what a record says of its data: name, parameters, where they are from."""
    task = record.config["task"]
    if "use" in task:
        record_of = built_in(task["use"])
        return {"name": task["use"], **({"source": record_of.source} if record_of else {})}
    given = dict(task["dataset"])
    known = DATASETS.get(given["name"])
    source = {} if known is None else {"source": known.source}
    listings = record.provenance.get("listings", {})
    return {**given, **source, **({"listings": listings} if listings else {})}


def choice_notes(choice: Choice) -> list[str]:
    """Return what a choice does to the number that it was made by."""
    if choice.metric is None:
        return []
    tested = any(name.startswith("test_") for name in choice.record.metrics)
    rest = ", and what was measured on test alone tells how good it is" if tested else ""
    return [f"It was chosen by its {choice.metric}: that value flatters it{rest}."]


def notes_of(record: Record) -> list[str]:
    """Return what a reader of the card must know beside its numbers."""
    notes = []
    if record.config.get("prune", {}).get("structure", "weights") == "weights":
        notes.append(UNSTRUCTURED)
    if record.metrics.get("collapsed_layers"):
        n = int(record.metrics["collapsed_layers"])
        notes.append(f"Collapsed: {n} of its layers have no weight left.")
    compute = record.config.get("compute", {})
    if compute.get("precision", "fp32") != "fp32":
        notes.append(
            f"It was trained and measured under {compute['precision']}; the file runs in fp32."
        )
    return notes
