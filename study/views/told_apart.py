"""Which tasks of a study some lines of a plan are of, by the settings that decide what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainables.config.sections import TaskChoice
from trainables.vocabulary.refusal import shortened

Lines = tuple[tuple[str, str], ...]
Entry = tuple[Mapping[str, Any], Lines]
"""What a task is, by key, and the lines on it."""

_MOST_NAMED = 6

_NAMES = ("use", "dataset", "model")
"""Keys whose values are names that say by themselves what they are of."""


def settings(task: TaskChoice, data_alone: bool = False) -> dict[str, Any]:
    """Return what a task is by key: its names and keywords, or those of its data set alone."""
    if task.use is not None:
        return {"use": task.use, **task.keywords}
    parts = (
        {"dataset": task.dataset} if data_alone else {"dataset": task.dataset, "model": task.model}
    )
    flat: dict[str, Any] = {}
    for key, part in parts.items():
        if part is not None:
            flat |= {key: part.name, **part.parameters}
    return flat


def told_apart(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    """Return the lines of all entries, each once, and of which entries they are where they differ.

    Named are the fewest settings that decide the lines, so lines that all entries share, or that
    a setting does not change, stand once.
    """
    keys = _deciding(entries)
    names: dict[Lines, dict[str, None]] = {}
    for setting, block in entries:
        parts = [_words(key, setting[key]) for key in keys if setting.get(key) is not None]
        name = ", ".join(parts) or str(next(iter(setting.values()), ""))
        names.setdefault(block, {})[name] = None
    lines: dict[tuple[str, str], None] = {}
    for block, of in names.items():
        end = f" ({_listed(list(of))})" if keys else ""
        lines |= dict.fromkeys((what, f"{text}{end}") for what, text in block)
    return list(lines)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return "; ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _deciding(entries: Sequence[Entry]) -> list[str]:
    """The settings that decide the lines: without any of them entries that differ look alike."""
    every = dict.fromkeys(key for setting, _ in entries for key in setting)
    keys = [k for k in every if len({_value(setting, k) for setting, _ in entries}) > 1]
    whole = _blocks(entries, keys)
    for key in tuple(reversed(keys)):
        rest = [k for k in keys if k != key]
        if _blocks(entries, rest) == whole:
            keys = rest
    return keys


def _blocks(entries: Sequence[Entry], keys: Sequence[str]) -> list[set[Lines]]:
    """Of each entry, the lines of all entries that agree with it in some keys."""
    groups: dict[tuple[str, ...], set[Lines]] = {}
    places = [tuple(_value(setting, key) for key in keys) for setting, _ in entries]
    for place, (_, block) in zip(places, entries, strict=True):
        groups.setdefault(place, set()).add(block)
    return [groups[place] for place in places]


def _value(setting: Mapping[str, Any], key: str) -> str:
    return repr(setting.get(key))


def _words(key: str, value: Any) -> str:
    return str(value) if key in _NAMES else f"{key} {shortened(str(value))}"
