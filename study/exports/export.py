"""A trial's pruned network as a file with its card, in any format; nothing is written here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from study.definition.locations import existing, readable_store_of
from study.definition.own_code import kept_code
from study.definition.studyfile import StudyFile
from study.exports.card import Evidence, Written, card
from study.exports.card_text import markdown
from study.exports.front import front_choices
from study.exports.order import Order
from study.exports.places import beside
from study.exports.siblings import siblings
from study.views.choice import Choice, chosen
from study.views.network import network_of
from trainables.code.copies import copy_name
from trainables.config.datasets import folder as folder_dataset
from trainables.config.datasets import known
from trainables.files.deployments import FOLDER, Deployment, write_deployment
from trainables.files.records import StudyFolder
from trainables.files.storage import is_remote
from trainables.files.trial_record import Record

if TYPE_CHECKING:
    import pandas as pd

    from trainables.deploy.loading import Form, GraphInput
    from trainables.deploy.smaller import Smaller
    from trainables.deploy.trained import Trained
    from trainables.deploy.weights import MaskedWeights


@dataclass(frozen=True)
class Export:
    """An exported file, the trial that it comes from, and its card as plain data.

    `n_tensors` and `zeros` of `prunable` weights are those of the network; `deployment` is what was
    found of it for the study folder, None where that is nothing.
    """

    data: bytes = field(repr=False)
    choice: Choice
    n_tensors: int
    zeros: int
    prunable: int
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    deployment: Deployment | None = field(default=None, repr=False)

    @property
    def record(self) -> Record:
        """The record of the trial."""
        return self.choice.record

    def files(self, path: str) -> dict[str, bytes]:
        """Return what is written: the file at a path, and its card beside it twice."""
        text = json.dumps(self.card, indent=1, allow_nan=False)
        contents = (self.data, f"{text}\n".encode(), markdown(self.card).encode())
        return dict(zip(beside(path), contents, strict=True))

    def sentence(self, output: str) -> str:
        """Return in words what was written."""
        record = self.record
        task = record.config["task"]
        model = task["use"] if "use" in task else task["model"]["name"]
        sparsity = self.zeros / self.prunable if self.prunable else 0.0
        return (
            f"wrote {output}: {len(self.data)} bytes, {self.n_tensors} tensors of {model}, trial"
            f" {record.fingerprint} (seed {record.seed}){self.choice.words}; {self.zeros} of"
            f" {self.prunable} prunable weights are zero ({sparsity:.4f})"
        )


def export(
    location: str,
    *,
    trial: str | None = None,
    metric: str | None = None,
    order: Order | None = None,
    name: str = "weights.safetensors",
) -> Export:
    """Return the network of a trial, or of the best by a metric, as a file called `name`.

    Its weights are those at the end of the last stage, masks applied. Of equally good trials it is
    the one with the lowest fingerprint. Imports the user's code where the order needs the network.
    Refusal when there is no such trial, its last stage is gone, or it cannot be exported so.
    """
    source = _Source.of(location, order or Order())
    return source.export(chosen(source.records, trial=trial, metric=metric), name)


def front(location: str, order: Order | None = None) -> dict[str, Export]:
    """Return the networks on the front of accuracy against sparsity, by the name of each file.

    One for each configuration on it, see `front.front_choices`. Refusal as `export`.
    """
    source = _Source.of(location, order or Order())
    exports = {}
    for choice in front_choices(source.trials, source.records):
        sparsity = choice.record.metrics["sparsity"]
        stem = f"sparsity-{sparsity:.4f}-{choice.record.fingerprint[:8]}"
        name = f"{stem}{source.order.suffix}"
        exports[name] = source.export(choice, name)
    return exports


@dataclass(frozen=True)
class _Source:
    """A study folder that networks are exported from, in one form."""

    location: str
    order: Order

    @classmethod
    def of(cls, location: str, order: Order) -> _Source:
        order.check()
        return cls(location, order)

    @cached_property
    def _opened(self) -> tuple[StudyFolder, StudyFile]:
        return existing(self.location)

    @cached_property
    def records(self) -> list[Record]:
        folder, _ = self._opened
        return folder.records().records

    @cached_property
    def trials(self) -> pd.DataFrame:
        from analysis.frames.study_frames import read

        return read(self._opened[0].location).trials

    def export(self, choice: Choice, name: str) -> Export:
        """The file of one trial with its card."""
        from trainables.deploy.smaller import smaller as without_filters
        from trainables.deploy.weights import masked_weights

        folder, study = self._opened
        record = choice.record
        weights = masked_weights(record, readable_store_of(study, folder))
        network = None
        if self.order.needs_network:
            network = network_of(folder, study, record, weights)
        smaller = None
        if self.order.remove:
            assert network is not None
            smaller = without_filters(network)
            network, weights = smaller.network, smaller.weights
        texts = {**header(record), **({} if smaller is None else smaller.header)}
        made = self._made(weights, network, texts)
        evidence = self._evidence(weights, network, made, texts)
        if smaller is not None:
            evidence = replace(evidence, removal=smaller.plain())
        written = Written(name, made.data, *self._form)
        content = card(
            choice,
            written,
            siblings(self.trials, record),
            evidence,
            zeros=weights.zeros,
            prunable=weights.prunable,
            form=asdict(self._shape(record, network)),
            lines=self._lines(record, name, network, made.inputs, smaller),
        )
        return Export(
            made.data,
            choice,
            len(weights.tensors),
            weights.zeros,
            weights.prunable,
            content,
            _deployment(record, evidence),
        )

    @property
    def _form(self) -> tuple[str, str, str]:
        return self.order.format, self.order.precision, self.order.encoding

    def _made(
        self, weights: MaskedWeights, network: Trained | None, texts: Mapping[str, str]
    ) -> _Made:
        from trainables.deploy.package import graph_package, state_file
        from trainables.deploy.sizes import file_of

        if self.order.is_graph:
            assert network is not None
            package = graph_package(network, self.order.format)
            agreements = [agreement.plain() for agreement in package.agreements]
            return _Made(package.data, package.inputs, agreements)
        if self.order.format == "torch":
            return _Made(state_file(weights.tensors))
        precision: Any = self.order.precision
        encoding: Any = self.order.encoding
        return _Made(file_of(weights, precision, encoding, texts))

    def _evidence(
        self,
        weights: MaskedWeights,
        network: Trained | None,
        made: _Made,
        texts: Mapping[str, str],
    ) -> Evidence:
        """What is found of the network beside its file."""
        if network is None:
            return Evidence()
        from trainables.deploy.package import metrics_in, record_agreements
        from trainables.deploy.sizes import sizes_of
        from trainables.trials.precision import available

        agreements = made.agreements or [a.plain() for a in record_agreements(network)]
        own: Any = self.order.precision
        precisions = available() if self.order.sizes else (own,)
        alone = self.order.is_graph and not self.order.sizes
        deployed = {} if alone else metrics_in(network, weights, precisions)
        sizes = sizes_of(weights, texts) if self.order.sizes else []
        return Evidence(agreements, deployed, [size.plain() for size in sizes])

    def _shape(self, record: Record, network: Trained | None) -> Form:
        """Shape of an input and number of classes, as far as data, or what is kept, tell them."""
        from trainables.deploy.loading import Form

        task = record.config["task"]
        if network is not None or "use" in task:
            return Form() if network is None else _form_of(network)
        name = task["dataset"]["name"]
        if (dataset := known(name)) is not None:
            return Form(dataset.in_shape, dataset.n_classes)
        facts = self._facts(record)
        if (images := folder_dataset(name)) is not None:
            return Form(images.image_shape(task["dataset"]), facts.get("n_classes"))
        return Form(facts.get("in_shape"), facts.get("n_classes"))

    def _facts(self, record: Record) -> dict[str, Any]:
        """What the study folder knows of the trial's data, by the identity that is hashed."""
        folder, _ = self._opened
        hashed = (
            record.provenance.get("listings", {}).get("task.dataset"),
            record.provenance.get("code", {}).get("task.dataset"),
        )
        for look in kept_code(folder.folder.read).looks.values():
            facts = look.facts
            here = (facts.listings.get("task.dataset"), facts.codes.get("task.dataset"))
            if here == hashed:
                return facts.model_dump()
        return {}

    def _lines(
        self,
        record: Record,
        name: str,
        network: Trained | None,
        inputs: Sequence[GraphInput],
        smaller: Smaller | None,
    ) -> list[str]:
        from trainables.deploy.loading import Package, loading_lines

        plain = self.order.precision != "int8" and self.order.encoding == "dense"
        return loading_lines(
            Package(
                name,
                self.order.format,
                record.config["task"],
                self._shape(record, network),
                self._copy(record),
                plain,
                inputs,
                smaller is not None,
                smaller is not None and bool(smaller.removal.plan.heads),
            )
        )

    def _copy(self, record: Record) -> str | None:
        """Where the study folder keeps the user's code of a trial."""
        digest = record.provenance.get("code", {}).get("copy")
        if digest is None:
            return None
        location = self._opened[0].location
        return copy_name(digest) if is_remote(location) else f"{location}/{copy_name(digest)}"


@dataclass(frozen=True)
class _Made:
    data: bytes = field(repr=False)
    inputs: Sequence[GraphInput] = ()
    agreements: Sequence[Mapping[str, Any]] = ()


def _form_of(network: Trained) -> Form:
    """The shape of the task's example where it is one tensor, and of the catalog's its classes."""
    from trainables.deploy.loading import form_of

    return form_of(network)


def _deployment(record: Record, evidence: Evidence) -> Deployment | None:
    if (not evidence.deployed and not evidence.sizes) or evidence.removal:
        return None  # the study folder keeps what is found of the network as it was pruned
    from trainables.jobs.provenance import versions

    return Deployment(record.fingerprint, evidence.deployed, evidence.sizes, versions())


def header(record: Record) -> dict[str, str]:
    """Return what safetensors keeps as text beside the tensors.

    `fingerprint`, `study`, `seed`, and as JSON `config`, `metrics` and `provenance`.
    """
    plain: dict[str, Any] = {
        "config": record.config,
        "metrics": record.metrics,
        "provenance": record.provenance,
    }
    texts = {key: json.dumps(value, sort_keys=True) for key, value in plain.items()}
    identity = {"fingerprint": record.fingerprint, "study": record.study, "seed": str(record.seed)}
    return {"format": "pt", **identity, **texts}


def keep(location: str, exports: Sequence[Export]) -> list[str]:
    """Write what was found of the networks into the study folder; return what could not be."""
    folder, _ = existing(location)
    notes = []
    for one in exports:
        if one.deployment is None:
            continue
        try:
            write_deployment(folder.folder, one.deployment)
        except OSError as error:
            name = f"{FOLDER}/{one.record.fingerprint}.json"
            notes.append(f"{name} could not be written into {location}: {error}")
    return notes
