"""The sections of a trial's configuration: each key with its type, range and default.

What ties keys together is in `rules`. Domains, seeds and resources belong to the study.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)

from trainables.code.reference import is_reference, parse
from trainables.config import catalog
from trainables.config.datasets import DATASETS
from trainables.config.optimisers import Need
from trainables.config.tasks import TASKS, built_in
from trainables.formulas.schedules import RETRAIN_SCHEDULES
from trainables.vocabulary.refusal import (
    Refusal,
    first_refusal,
    hint,
    refuse_unknown,
    shown,
    unknown_key,
)


def _not_a_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


Number = Annotated[float, BeforeValidator(_not_a_bool), AfterValidator(_finite)]
Count = Annotated[int, BeforeValidator(_not_a_bool), Field(ge=1)]
WholeNumber = Annotated[int, BeforeValidator(_not_a_bool), Field(ge=0)]
PositiveNumber = Annotated[Number, Field(gt=0)]
Epochs = Annotated[PositiveNumber, Field(le=1e9)]
"""A length; its optimiser steps are a whole number that tables can hold."""
NonNegative = Annotated[Number, Field(ge=0)]
BelowOne = Annotated[Number, Field(ge=0, lt=1)]
UpToOne = Annotated[Number, Field(gt=0, le=1)]
InsideUnit = Annotated[Number, Field(gt=0, lt=1)]


class Section(BaseModel):
    """A section of the study file: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Named(Section):
    """A catalog entry with its parameters: `name`, or `{name: ..., parameter: value}`.

    A name "module:attribute" is the user's own, whose parameters are judged where it is imported.
    """

    judges_its_keys: ClassVar[bool] = True
    catalog: ClassVar[Mapping[str, Any]]
    what: ClassVar[str]
    name: str
    parameters: dict[str, Any] = Field(default_factory=dict)

    @classmethod
    def of(cls, raw: Any) -> Self:
        """Return the choice of a study file; Refusal names key, rule and value."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise first_refusal(error, at=cls.what) from None

    @model_validator(mode="before")
    @classmethod
    def _look_up(cls, given: Any) -> Any:
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, Mapping) or "name" not in given:
            raise ValueError("must be a name or a mapping with a name")
        if isinstance(given.get("parameters"), Mapping):
            given = {"name": given["name"], **given["parameters"]}
        name = given["name"]
        if is_reference(name):
            parse(name, cls.what)
            return {"name": name, "parameters": {k: v for k, v in given.items() if k != "name"}}
        if not isinstance(name, str):
            raise Refusal(f"{cls.what} must have text as its name, got {shown(name)}")
        if name not in cls.catalog:
            raise Refusal(catalog.unknown(cls.what, name, cls.catalog))
        rest = {key: value for key, value in given.items() if key != "name"}
        refuse_unknown(cls.catalog[name].parameters, rest, at=cls.what)
        try:
            parameters = cls.catalog[name].parameters.model_validate(rest)
        except ValidationError as error:
            raise first_refusal(error, at=cls.what) from None
        return {"name": name, "parameters": parameters.model_dump()}

    def at_default(self) -> frozenset[str]:
        """The parameters of a catalog entry that are at their default."""
        if self.is_own:
            return frozenset()
        defaults = self.catalog[self.name].parameters.defaults()
        return frozenset(k for k, v in defaults.items() if self.parameters[k] == v)

    @property
    def is_own(self) -> bool:
        """Whether it is the user's code rather than an entry of the catalog."""
        return is_reference(self.name)

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        later = frozenset() if self.is_own else self.catalog[self.name].parameters.LATER
        left_out = later & self.at_default() if later else later
        kept = {key: value for key, value in self.parameters.items() if key not in left_out}
        return {"name": self.name, **kept}


class DatasetChoice(Named):
    """`task.dataset`."""

    catalog = DATASETS
    what = "task.dataset"


class ModelChoice(Named):
    """`task.model`."""

    catalog = catalog.MODELS
    what = "task.model"


class MethodChoice(Named):
    """`method`."""

    catalog = catalog.METHODS
    what = "method"


class TaskChoice(Section):
    """What is learnt and by what: a data set with a model, or a whole task.

    `use` is the "module:attribute" of a `Task` of the user's, or the name of one of the catalog;
    every key beside `files` and `version` is then a keyword of its own. `files`: patterns of files
    that the user's code reads. `version`: stands for the code's content in hashes.
    """

    judges_its_keys: ClassVar[bool] = True
    dataset: DatasetChoice | None = None
    model: ModelChoice | None = None
    use: str | None = None
    keywords: dict[str, Any] = Field(default_factory=dict)
    files: tuple[str, ...] = ()
    version: str | None = None

    @classmethod
    def of(cls, raw: Any) -> Self:
        """Return the choice of a study file; Refusal names key, rule and value."""
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise first_refusal(error, at="task") from None

    @model_validator(mode="before")
    @classmethod
    def _sort(cls, given: Any) -> Any:
        if not isinstance(given, Mapping):
            raise ValueError("must be a mapping")
        if "use" not in given:
            return cls._catalogued(given)
        cls._require_use(given)
        for key in ("dataset", "model"):
            if key in given and not isinstance(given.get("keywords"), Mapping):
                rule = "must be absent beside task.use, which names the whole task"
                raise Refusal(f"task.{key} {rule}, got {shown(given[key])}")
        known = {key: given[key] for key in ("use", "files", "version") if key in given}
        own = {key: value for key, value in given.items() if key not in known}
        return {**known, "keywords": own}

    @staticmethod
    def _require_use(given: Mapping[str, Any]) -> None:
        use = given["use"]
        if built_in(use) is None:
            if isinstance(use, str) and use.isascii() and use.replace("-", "").isalnum():
                refusal = catalog.unknown("task.use", use, TASKS)
                raise Refusal(f"{refusal}, or module:attribute for a task of your own")
            parse(use, "task.use")
            return
        for key in ("files", "version"):
            if given.get(key):
                rule = f"must be absent for {use}, which is none of your own code"
                raise Refusal(f"task.{key} {rule}, got {shown(given[key])}")

    @classmethod
    def _catalogued(cls, given: Mapping[str, Any]) -> Mapping[str, Any]:
        known = ("dataset", "model", "files", "version", "use")
        for key, value in given.items():
            if key not in known:
                raise unknown_key(f"task.{key}", key, known, value)
        for key in ("dataset", "model"):
            if given.get(key) is None:
                raise Refusal(f"task.{key} must be given, got nothing")
        return given

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        extra: dict[str, Any] = {"files": list(self.files)} if self.files else {}
        if self.version is not None:
            extra["version"] = self.version
        if self.use is not None:
            return {"use": self.use, **self.keywords, **extra}
        assert self.dataset is not None and self.model is not None
        return {"dataset": self.dataset.model_dump(), "model": self.model.model_dump(), **extra}


class CheckpointFacts(Section):
    """A file of trained weights: where it lies, and the digest of its content."""

    path: str
    digest: str


class LeftOut(Section):
    """What stays out of the data since it cannot be used: how many, and the first of them by name
    with the reason."""

    MOST_NAMED: ClassVar[int] = 5

    n: Count
    named: dict[str, str]

    @classmethod
    def of(cls, reasons: Mapping[str, str]) -> Self:
        """Return it of all reasons by name, of which there must be one."""
        return cls(n=len(reasons), named=dict(list(reasons.items())[: cls.MOST_NAMED]))

    def in_words(self) -> str:
        """Return how many there are, and names with reasons."""
        named = ", ".join(f"{name} ({reason})" for name, reason in self.named.items())
        more = f" and {self.n - len(self.named)} more" if self.n > len(self.named) else ""
        return f"{self.n} that cannot be used: {named}{more}"


class Facts(Section):
    """What is known of a task only once its code has been imported; never in a study file.

    `n_train`, `n_val`, `n_test`: lengths of the parts, None for a part that is not there.
    `n_batches`: those of an epoch, of a task that forms them itself.
    `declared`: metrics and counts of the task, nothing for classification. `codes`: by key of the
    study file the identity of the code behind it, which is hashed. `copy`: the digest under which
    the study folder keeps all of it. `in_shape` and `n_classes`: of a data set for a model of the
    catalog. `listings`: by key a digest of the names and sizes of the files behind it, which is
    hashed. `defaults`: of a task of the catalog the keywords that have one, with it; at their
    default they are not hashed. `controls_sparsity`, `structures`, `needs`: of a method.
    `takes_decay`: whether an optimiser has a weight decay. `smooths`: whether a task offers label
    smoothing. `checkpoints`: files of trained weights, by the name that the study file gives.
    `left_out`: by key what was left out of its files.
    """

    n_train: Count | None = None
    n_val: Count | None = None
    n_test: Count | None = None
    n_batches: Count | None = None
    declared: dict[str, Any] = Field(default_factory=dict)
    codes: dict[str, str] = Field(default_factory=dict)
    copy_digest: str | None = None
    in_shape: tuple[int, ...] | None = None
    n_classes: int | None = None
    listings: dict[str, str] = Field(default_factory=dict)
    defaults: dict[str, Any] = Field(default_factory=dict)
    controls_sparsity: bool = False
    structures: tuple[str, ...] = ("weights",)
    needs: tuple[Need, ...] = ()
    takes_decay: bool = True
    smooths: bool = False
    checkpoints: dict[str, CheckpointFacts] = Field(default_factory=dict)
    left_out: dict[str, LeftOut] = Field(default_factory=dict)


def name_or_reference(key: str, known: Sequence[str]) -> Callable[[Any], Any]:
    """A check of a key that holds one of some names, or a reference to the user's code."""

    def check(value: Any) -> Any:
        if is_reference(value):
            return str(parse(value, key))
        if value not in known:
            names = ", ".join(repr(name) for name in known[:-1]) + f" or {known[-1]!r}"
            raise Refusal(f"{key} must be {names}, got {shown(value)}{hint(value, known)}")
        return value

    return check


_retrain_schedule = name_or_reference("retrain.schedule", tuple(RETRAIN_SCHEDULES))


def _discount(value: Any) -> Any:
    if value in ("adaptive", "d1", "d2"):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 1:
        return float(value)
    raise ValueError("must be adaptive, d1, d2 or a number in (0, 1]")


Norm = Literal["all", "prunable", "ranked"]
"""All that is trained, the prunable weights, or those of them that a structure may remove."""


class Retrain(Section):
    """The retraining after each prune; `epochs` is the total over all cycles.

    `norm`: what the norm drop of d1 is measured over; unless given it hangs on the structure, see
    `Settings.norm`. `seed` tells several retrainings of one dense network apart.
    """

    schedule: Annotated[str, BeforeValidator(_retrain_schedule)] = "allr"
    epochs: Epochs | None = None
    budget: Annotated[PositiveNumber, Field(le=1000)] | None = None
    discount: Annotated[float | str, BeforeValidator(_discount)] = "adaptive"
    norm: Norm | None = None
    init: PositiveNumber | None = None
    warmup: BelowOne = 0.1
    seed: WholeNumber = 0


class Budget(Section):
    """The one fixed budget of bimp (dense run and retraining) and of methods from scratch."""

    epochs: Epochs
    dense_fraction: InsideUnit = 0.75


class Compute(Section):
    """Numerical options; each changes the bits of a result.

    `micro_batch`: examples per forward and backward, where a whole batch does not fit in memory.
    `processes`: those that train a trial together, each on its share of every batch; `batch_norm`:
    whether BatchNorm then sees the share or, synchronised, the whole batch.
    """

    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    channels_last: bool = False
    compile: bool = False
    micro_batch: Count | None = None
    processes: Count = 1
    batch_norm: Literal["local", "synchronised"] = "local"
