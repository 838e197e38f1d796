"""The validated configuration of one trial: what is trained, pruned and retrained, and how.

Every rule that needs neither torch nor data nor a cluster is checked here, and each refusal names
the key, the rule and the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Final, Self

from pydantic import ValidationError, model_validator

from trainables.config.revisions import revisions
from trainables.config.rules import CONDITIONS, LATER_KEYS, RULES
from trainables.config.settings import Settings
from trainables.formulas.sparsity import exact
from trainables.vocabulary.refusal import first_refusal, refuse_unknown

PER_SEED: Final = "one per seed"
"""`dense.weights` in a record where each seed starts from a trained network of its own; else all
seeds are retrainings of the network that it names."""


LISTING: Final = "listing"
"""Under which a record's task names the digest of the files that it was trained on."""


class TrialConfig(Settings):
    """All of one trial but its seed; `TrialConfig.of(raw)` validates, and refuses in a sentence."""

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Self:
        """Return the configuration; Refusal (a ValueError) names key, rule and value."""
        refuse_unknown(cls, raw)
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            raise first_refusal(error) from None

    @model_validator(mode="after")
    def _check(self) -> Self:
        for rule in RULES:
            rule(self)
        return self

    def retrained(self, seed: int) -> Self:
        """Return the same configuration with a retraining seed."""
        if seed == self.retrain.seed:
            return self
        return self.model_copy(update={"retrain": self.retrain.model_copy(update={"seed": seed})})

    @cached_property
    def inactive(self) -> frozenset[str]:
        """Dotted keys that change nothing under the values of the others."""
        return frozenset(k for k, condition in CONDITIONS.items() if not condition.holds(self))

    def resolved(self) -> dict[str, Any]:
        """Return the configuration as records keep it: active keys, all lengths filled in."""
        raw = self.model_dump(mode="json", exclude={"facts"})
        listings = {} if self.facts is None else self.facts.listings
        if listing := listings.get("task.dataset"):
            raw["task"]["dataset"] |= _folder_name(raw["task"]["dataset"]["path"], listing)
        if listing := listings.get("task.use"):
            raw["task"] |= {LISTING: listing}
        raw["dense"]["nesterov"] = self.dense.uses_nesterov
        for key in ("pattern", "block"):  # readers get one name: 2:4, blocks 4x4
            raw["prune"].pop(key)
        raw["prune"]["structure"] = self.prune.form.name
        for section, revision in revisions(self).items():
            raw[section]["revision"] = revision
        if self.retrains:
            i = self.steps_per_epoch
            raw["retrain"]["norm"] = self.norm
            raw["retrain"]["epochs"] = _number(self.retrain_epochs)
            if self.knows_dense_length:
                raw["dense"]["epochs"] = self.dense.epochs or _number(Fraction(self.dense_steps, i))
                share = self.retrain_epochs / exact(raw["dense"]["epochs"])
                raw["retrain"]["budget"] = _number(share)
        for key in ("weights", "start"):
            raw["dense"][key] = self._content_name(key)
        for key in (*self.inactive, *filter(self._at_default, LATER_KEYS)):
            section, _, leaf = key.partition(".")
            if raw.get(section) is not None:
                raw[section].pop(leaf, None)
        return {key: value for key, value in raw.items() if value}

    def _content_name(self, key: str) -> str | None:
        """A file of weights by its name and content, wherever it lies; a list as one per seed."""
        name = getattr(self.dense, key)
        if name is None or not isinstance(name, str):
            return name if name is None else PER_SEED
        return f"{PurePath(name).name} ({self.checkpoint(name).digest[:8]})"

    def _at_default(self, key: str) -> bool:
        name, _, leaf = key.partition(".")
        section = getattr(self, name)
        default = type(section).model_fields[leaf].get_default(call_default_factory=True)
        return bool(getattr(section, leaf) == default)


def _folder_name(path: str, listing: str) -> dict[str, str]:
    """A folder by its name and what it holds, wherever it lies."""
    return {"path": Path(path).name or path, "files": listing}


def _number(value: Fraction) -> float:
    return round(float(value), 10)
