"""What the address says: the filters, the metric, and each figure's own choices.

The query string is the whole state of a page, so that a view can be sent as a link. Knows nothing
of Dash and nothing of frames.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from analysis.columns.names import is_missing

METRIC: Final = "metric"
TRIAL: Final = "trial"
TICK: Final = "tick"
"""The fingerprints of trials that are ticked in the table, to be looked at side by side."""

COLUMNS: Final = "trials.columns"
SORT: Final = "trials.sort"
"""Columns of the table of trials, where the reader chose them, and by which it is sorted: `name` or
`-name`, the first one first."""

FILTER_KEYS: Final = ("study", "method", "schedule", "sparsity", "budget", "state")
GLOBAL_KEYS: Final = (*FILTER_KEYS, METRIC)
"""Keys that every page carries; figures' own are `<panel>.<control>`."""

NOT_SET: Final = "not set"
MANY_PAIRS: Final = 500
"""More pairs than this in an address are not ours and are not read."""


@dataclass(frozen=True)
class Address:
    """Values by key, as text, in the order of the address."""

    values: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, search: str | None) -> Address:
        """Return what a query string says; what cannot be read says nothing."""
        try:
            pairs = parse_qsl((search or "").lstrip("?"), max_num_fields=MANY_PAIRS)
        except ValueError:
            pairs = []
        values: dict[str, tuple[str, ...]] = {}
        for key, value in pairs:
            if value not in values.get(key, ()):
                values[key] = (*values.get(key, ()), value)
        return cls(values)

    def all(self, key: str) -> tuple[str, ...]:
        """Return every value of a key; () where the address does not name it."""
        return tuple(self.values.get(key, ()))

    def one(self, key: str) -> str | None:
        """Return a key's value, the last of several; None where it is not named."""
        return self.all(key)[-1] if self.all(key) else None

    def within(self, keys: Iterable[str]) -> Address:
        """Return only what is said of these keys."""
        wanted = set(keys)
        return Address({key: values for key, values in self.values.items() if key in wanted})

    def of_panel(self, panel: str, further: Iterable[str] = ()) -> Address:
        """Return what is said of one figure's own controls, and what governs all of them."""
        prefix = f"{panel}."
        named = [key for key in self.values if key.startswith(prefix)]
        return self.within([*GLOBAL_KEYS, TRIAL, *further, *named])

    def with_values(self, key: str, values: Iterable[str]) -> Address:
        """Return the same address with a key's values replaced; without the key for none."""
        kept = {name: old for name, old in self.values.items() if name != key}
        new = tuple(values)
        return Address({**kept, key: new} if new else kept)

    def search(self) -> str:
        """Return the query string, with its question mark; "" when nothing is said."""
        text = urlencode([(k, v) for k, values in self.values.items() for v in values])
        return f"?{text}" if text else ""

    @property
    def key(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """The address as something that can be looked up by."""
        return tuple(sorted((key, tuple(values)) for key, values in self.values.items()))


def token(value: Any) -> str:
    """Return a value as the text that stands for it in an address: `0.9`, `3`, `allr`."""
    if is_missing(value):
        return NOT_SET
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{float(value):.12g}"
    return str(value)


def trial_link(address: Address, study: str, fingerprint: str) -> str:
    """Return where a trial's page is, with the filters and ticks as they are."""
    kept = address.within([*GLOBAL_KEYS, TICK])
    named = kept.with_values(TRIAL, [fingerprint]).with_values("study", [study])
    return f"/trial{named.search()}"
