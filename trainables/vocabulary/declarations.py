"""What a task declares of its numbers: its metrics, and what its data are counted in.

Readers of a study have no user code, so every record carries the declarations of its task. A record
without any is one of the built-in classification.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Literal

Better = Literal["more", "less"]

LOSS: Final = "loss"
"""The name of a task's loss among what it measures; always there, and better when it is less."""

_NAME = re.compile(r"[a-z0-9_]+")
_RESERVED_PARTS = frozenset({"test", "val", "dense", "pruned", "train"})


@dataclass(frozen=True)
class Metric:
    """A number that a task measures on a part of its data.

    `better`: which way is better. `percent`: a ratio in [0, 1] that people read as per cent.
    `unit`: the unit's sign, empty for a plain number. `meaning`: a few words for tables and hover
    texts; the name in words where it is empty, and its spelling everywhere where it is no more than
    that (BLEU of bleu). `signature`: how the library that computes it names
    settings and version, where it does.
    """

    better: Better = "more"
    percent: bool = False
    unit: str = ""
    meaning: str = ""
    signature: str = ""

    def __post_init__(self) -> None:
        if self.better not in ("more", "less"):
            raise ValueError(f"better must be more or less, got {self.better!r}")
        if self.percent and self.unit:
            raise ValueError(f"unit must be empty for a metric in per cent, got {self.unit!r}")


@dataclass(frozen=True)
class Declarations:
    """A task's metrics by name, the deciding one first, and what its data are counted in.

    `counts` is a plural noun such as images, pixels or tokens; `train_<counts>_per_s` is the
    throughput. `loss_unit` is the sign of the loss's unit: nat for cross-entropy.
    """

    metrics: Mapping[str, Metric] = field(default_factory=dict)
    counts: str = "examples"
    loss_unit: str = ""

    def __post_init__(self) -> None:
        for name in (*self.metrics, self.counts):
            refuse_name(name)

    @property
    def deciding(self) -> str:
        """The name of the metric that choices go by unless the study says otherwise."""
        return next(iter(self.metrics), LOSS)

    def plain(self) -> dict[str, Any]:
        """Return the declarations as plain data; signatures where there are any.

        Files have their entries in the order of the alphabet: where that is another, `order` keeps
        the metrics' own.
        """
        plain = asdict(self)
        if [*self.metrics] != sorted(self.metrics):
            plain["order"] = [*self.metrics]
        for metric in plain["metrics"].values():
            if not metric["signature"]:
                del metric["signature"]
        return plain

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Declarations:
        """Return the declarations of plain data; those of classification where there are none."""
        if not raw:
            return CLASSIFICATION
        names = raw.get("order", raw["metrics"])
        metrics = {name: Metric(**raw["metrics"][name]) for name in names}
        return cls(metrics, raw["counts"], raw["loss_unit"])


def refuse_name(name: str) -> None:
    """Raise ValueError for a name that columns of records cannot be made of."""
    if not _NAME.fullmatch(name):
        raise ValueError(f"must be named with a-z, 0-9 and _, got {name!r}")
    if clash := _RESERVED_PARTS.intersection(name.split("_")):
        parts = ", ".join(sorted(_RESERVED_PARTS))
        raise ValueError(f"must have none of {parts} in its name, got {name!r} ({min(clash)})")
    if name == LOSS:
        raise ValueError(f"must not be {LOSS!r}, which every task has, got {name!r}")


CLASSIFICATION: Final = Declarations(
    {"accuracy": Metric("more", percent=True)}, "images", loss_unit="nat"
)
"""What the built-in classification declares."""
