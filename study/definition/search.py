"""The section `search` of a study file, and what a study may be judged by."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from trainables.config.sections import Count, Section, WholeNumber
from trainables.formulas.levels import levelled
from trainables.vocabulary.refusal import Refusal, hint_or_all, shown
from trainables.vocabulary.schema import DEPLOYED, Measure, at_level


class Bound(Section):
    """What a metric must keep to: a number, or the dotted key of one in a trial's configuration."""

    min: float | str | None = None
    max: float | str | None = None


class Search(Section):
    """How points are found: all cells of the grids, or Optuna's search inside blocks of them.

    `trials`: configurations of each block; `objectives`: trial metrics to maximise or minimise, on
    validation; `constraints`: bounds on metrics, each to be met at every seed; `confirm`: search at
    the first seed, then run the so many best configurations of each block at the other seeds;
    `seed` of the sampler; `sampler`: TPE or uniform random; `enqueue`: points that each block tries
    before it samples, as dotted keys with values, which need not lie in their domains;
    `measure_on`: the node that measures what networks take where they run, by its id, its host name
    or address, or a resource that it alone offers.
    """

    strategy: Literal["grid", "optuna"] = "grid"
    trials: Count | None = None
    objectives: dict[str, Literal["max", "min"]] = Field(default_factory=dict)
    constraints: dict[str, Bound] = Field(default_factory=dict)
    confirm: Count | None = None
    sampler: Literal["tpe", "random"] = "tpe"
    seed: WholeNumber = 0
    enqueue: tuple[Annotated[dict[str, Any], Field(min_length=1)], ...] = ()
    measure_on: Annotated[str, Field(min_length=1)] | None = None

    @field_validator("enqueue")
    @classmethod
    def _levelled(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        return tuple(levelled(point) for point in value)

    @field_validator("constraints")
    @classmethod
    def _bounded(cls, value: dict[str, Bound]) -> dict[str, Bound]:
        for name, bound in value.items():
            if bound.min is None and bound.max is None:
                raise Refusal(f"search.constraints.{name} must give min or max, got neither")
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.strategy == "optuna":
            if self.trials is None:
                raise Refusal("search.trials must be given under optuna, got nothing")
            if not self.objectives:
                raise Refusal("search.objectives must name a metric under optuna, got none")
            if (points := len(self.enqueue)) > self.trials:
                rule = f"must hold at most search.trials ({self.trials}) points"
                raise Refusal(f"search.enqueue {rule}, got {points}")
            self._require_confirmable()
            self._require_measured()
            return self
        settings = self.model_dump(exclude_none=True)
        for key in ("trials", "objectives", "constraints", "confirm", "enqueue", "measure_on"):
            if value := settings.get(key):
                rule = "must be absent under grid, where every cell is tried"
                raise Refusal(f"search.{key} {rule}, got {shown(value)}")
        return self

    @property
    def measures_networks(self) -> bool:
        """Whether it asks for what a network takes where it runs."""
        return any(name in DEPLOYED for name in (*self.objectives, *self.constraints))

    def _require_measured(self) -> None:
        if self.measure_on is not None and not self.measures_networks:
            rule = f"must be absent where no objective or constraint is {' or '.join(DEPLOYED)}"
            raise Refusal(f"search.measure_on {rule}, got {shown(self.measure_on)}")

    def _require_confirmable(self) -> None:
        if self.confirm is None:
            return
        if self.confirm > (self.trials or 0):
            rule = f"must be at most search.trials ({self.trials})"
            raise Refusal(f"search.confirm {rule}, got {self.confirm}")
        if len(self.objectives) > 1:
            rule = "must be absent with several objectives, which name no single best"
            raise Refusal(f"search.confirm {rule}, got {self.confirm}")


def require_metrics(search: Search, measures: Mapping[str, Measure]) -> None:
    """Refuse objectives and constraints that a task with these measures cannot be judged by."""
    for name, direction in search.objectives.items():
        key = f"search.objectives.{name}"
        measure = _choosable(key, name, measures)
        if measure.direction is not None and direction != measure.direction:
            raise Refusal(f"{key} must be {measure.direction} ({measure.meaning}), got {direction}")
    for name in search.constraints:
        _choosable(f"search.constraints.{name}", name, measures)


def _choosable(key: str, name: str, measures: Mapping[str, Measure]) -> Measure:
    names = at_level("trial", measures.values())
    if name not in names:
        offered = [m for m in names if not measures[m].on_test]
        known = hint_or_all(name, offered)
        raise Refusal(f"{key} must be a metric of a trial, got {name!r}{known}")
    if measures[name].on_test:
        raise Refusal(f"{key} must not be measured on test data, got {name!r}")
    return measures[name]
