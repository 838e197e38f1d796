"""What to use, in sentences: place by place, and over all places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analysis.answer.statements import Advice, Laggard, Lead, Reach, Rival
from analysis.answer.wording import (
    amount,
    gap,
    in_letters,
    kinds,
    listed,
    name_of,
    names_of,
    part_words,
    place_words,
    places_words,
    signed_bare_gap,
    span,
)
from analysis.columns.labels import difference_unit
from analysis.selection.series import SPARSITY
from analysis.stats import FEWEST_SEEDS
from trainables.vocabulary.wording import counted

MANY_PLACES: Final = 12
"""Of more places only so many are said one by one; all are in the JSON form."""


def advice_sentences(given: Sequence[Advice]) -> list[str]:
    """Return what to use and avoid: places with a verdict one by one, the others together."""
    apart = [one for one in given if one.behind]
    few = [one for one in given if not one.behind and one.n_seeds < FEWEST_SEEDS]
    alike = [one for one in given if not one.behind and one.n_seeds >= FEWEST_SEEDS]
    said = [_apart(one) for one in apart] + [_few(one) for one in few]
    hidden = len(said) - MANY_PLACES
    more = [f"{hidden} more settings are left out here."] if hidden > 0 else []
    return [*said[:MANY_PLACES], *more, *_alike(alike, len(given))]


def _at(one: Advice) -> str:
    return f"At {place_words(one.at)}" if one.at else "Here"


def _apart(one: Advice) -> str:
    """A place where some are behind."""
    groups = {kind_: [lag for lag in one.behind if lag.sureness == kind_] for kind_ in
              ("settled", "likely", "open")}  # fmt: skip
    sure, parts = groups["settled"] or groups["likely"], []
    parts += [
        f"avoid {_listed(lags, one)}: {_certainty(lags, one)}"
        for lags in (groups["settled"], groups["likely"])
        if lags
    ]
    if groups["open"]:
        parts.append(
            f"{_listed(groups['open'], one)} came out behind, {_open(groups['open'], one)}"
        )
    head = f"{_at(one)} use {_group(one)}" if sure else f"{_at(one)} {_group(one)} came out ahead"
    return "; ".join([head, *parts, *_lost(one)]) + "."


def _group(one: Advice) -> str:
    """Those between which there is no clear difference, with their range."""
    names = names_of(one.by, [reach.name for reach in one.group], "or")
    means = [reach.mean for reach in one.group]
    if len(one.group) == 1:
        return f"{names} ({amount(one.metric, means[0])}{_beside(one.group[0])})"
    alike = "equal at every seed" if one.tied else "no clear difference"
    return f"{names} ({span(one.metric, means)}, {alike}{_beside_all(one)})"


def _listed(lags: Sequence[Laggard], one: Advice) -> str:
    """Who is behind, each with what it reaches."""
    return listed([f"{name_of(one.by, lag.reach.name)} ({_mean(lag.reach, one)})" for lag in lags])


def _mean(reach: Reach, one: Advice) -> str:
    return f"{amount(one.metric, reach.mean)}{_beside(reach)}"


def _beside(reach: Reach) -> str:
    """What the reader of a mean must know of it."""
    parts = [f"{reach.n_lost} of {reach.n_lost + reach.n} seeds lost"] * bool(reach.n_lost)
    parts += [f"{reach.n_collapsed} collapsed"] * bool(reach.n_collapsed)
    return "".join(f", {part}" for part in parts)


def _beside_all(one: Advice) -> str:
    return "".join(
        f"; {name_of(one.by, reach.name)}: {_beside(reach).removeprefix(', ')}"
        for reach in one.group
        if _beside(reach)
    )


def _lost(one: Advice) -> list[str]:
    return [f"{names_of(one.by, one.lost)} did not get there"] if one.lost else []


def _certainty(lags: Sequence[Laggard], one: Advice) -> str:
    seeds = counted(one.n_seeds, "seed")
    if lags[0].sureness == "settled":
        return f"settled with {seeds}"
    return f"likely, but {seeds} do not prove it{_would(lags)}"


def _open(lags: Sequence[Laggard], one: Advice) -> str:
    return f"which {counted(one.n_seeds, 'seed')} cannot prove{_would(lags)}"


def _would(lags: Sequence[Laggard]) -> str:
    """How many seeds would settle all of them."""
    needed = [lag.seeds for lag in lags]
    if None in needed:
        return ""
    return f"; about {max(n for n in needed if n is not None)} would"


def _few(one: Advice) -> str:
    """A place with too few seeds for a verdict."""
    means = [reach.mean for reach in one.group]
    everyone = f"all {in_letters(len(one.group))}" if len(one.group) > 2 else "both"
    reached = span(one.metric, means)
    if " to " in reached:
        rest = f"{everyone} lie between {reached.replace(' to ', ' and ')}"
    else:
        rest = f"{everyone} reach {reached}"
    if not all(reach.fair for reach in one.group):
        rest += ", each at the setting that the same seeds chose"
    rest += _beside_all(one)
    head = f"{_at(one)} {_first(one)}; {rest}" if _first(one) else f"{_at(one)} {rest}"
    return "; ".join([head, *_lost(one)]) + "."


def _first(one: Advice) -> str:
    """Who is first on validation, a tie being called a tie."""
    if not one.first:
        return ""
    names = names_of(one.by, one.first)
    return f"{names} {'is' if len(one.first) == 1 else 'tie for'} first on validation"


def _alike(given: Sequence[Advice], n_places: int) -> list[str]:
    """Places without any clear difference, those with the same contestants together."""
    sets: dict[tuple[object, ...], list[Advice]] = {}
    for one in given:
        sets.setdefault((one.lost, *(reach.name for reach in one.group)), []).append(one)
    return [_alike_together(ones, n_places) for ones in sets.values()]


def _alike_together(ones: Sequence[Advice], n_places: int) -> str:
    first = ones[0]
    means = [reach.mean for one in ones for reach in one.group]
    if len(ones) == 1:
        where, ahead = _at(first), f"; {_first(first)}" if _first(first) else ""
    elif len(ones) == n_places:
        where, ahead = f"In {_all(len(ones))} settings", ""
    elif len(ones) > MANY_PLACES:
        where, ahead = f"In {len(ones)} more settings", ""
    else:
        where, ahead = f"At {places_words([one.at for one in ones])}", ""
    n = len(first.group)
    who = (
        f"the {in_letters(n)} {kinds(first.by)}"
        if n > 2
        else names_of(first.by, [reach.name for reach in first.group])
    )
    what = "are equal at every seed" if all(one.tied for one in ones) else ""
    between = f"{who} {what}" if what else f"there is no clear difference between {who}"
    beside = "".join(_beside_all(one) for one in ones) if len(ones) == 1 else ""
    text = f"{where} {between} ({span(first.metric, means)}{beside}){ahead}"
    return "; ".join([text, *_lost(first)]) + "."


def _all(n: int) -> str:
    return "both" if n == 2 else f"all {n}"


def lead_sentence(lead: Lead, given: Sequence[Advice] = ()) -> str:
    """Return how the leader stands to its rivals over all places.

    `given` is the advice on single places: where it is against the leader, that is said.
    """
    name = name_of(lead.by, lead.first[0])
    part = "test" if lead.metric.startswith("test_") else "validation"
    task = f"On {place_words(lead.task)}, over" if lead.task else "Over"
    tie = len(lead.first) > 1
    is_first = f"{names_of(lead.by, lead.first)} {'tie for the first place' if tie else 'is first'}"
    it = name if tie else "it"
    where, but = f"{task} {_all(lead.n_places)} settings", _but(lead, given)
    sentences = [f"{where} {is_first} by mean rank on validation{but}."]
    for sureness in ("settled", "likely"):
        chosen = [rival for rival in lead.rivals if rival.sureness == sureness]
        for better in (True, False):
            some = [rival for rival in chosen if (rival.gain > 0) == better]
            if some:
                verb = "beats" if better else "is beaten by"
                sentences.append(f"On {part} {it} {verb} {_gains(some, lead)}: {_sure(some)}.")
    rest = [rival for rival in lead.rivals if rival.sureness is None]
    if rest:
        sentences.append(_unclear(rest, lead, name))
    return " ".join(sentences)


def _but(lead: Lead, given: Sequence[Advice]) -> str:
    """Where the leader is one to avoid all the same."""
    places = {
        name: [
            {column: value for column, value in one.at.items() if column not in lead.task}
            for one in given
            if lead.task.items() <= one.at.items()
            and any(lag.reach.name == name and lag.sureness != "open" for lag in one.behind)
        ]
        for name in lead.first
    }
    parts = [
        f"{name_of(lead.by, name) if len(lead.first) > 1 else 'it'} is one to avoid at"
        f" {places_words(ones)}"
        for name, ones in places.items()
        if any(ones)
    ]
    return f", though {listed(parts)}" if parts else ""


def _gains(rivals: Sequence[Rival], lead: Lead) -> str:
    """Rivals with the sizes of the gains on them, and where most of these are."""
    sizes = [f"{name_of(lead.by, r.name)} by {gap(lead.metric, r.gain)}" for r in rivals]
    places = {r.most_at for r in rivals}
    if len(places) == 1:
        (most_at,) = places
        most = "" if most_at is None else f", most of it at {part_words(SPARSITY, most_at)}"
        return f"{listed(sizes)} on average{most}"
    texts = [
        size if r.most_at is None else f"{size} (most of it at {part_words(SPARSITY, r.most_at)})"
        for size, r in zip(sizes, rivals, strict=True)
    ]
    return f"{listed(texts)} on average"


def _sure(rivals: Sequence[Rival]) -> str:
    n = max(rival.n_seeds for rival in rivals)
    if rivals[0].sureness == "settled":
        return f"settled with {counted(n, 'seed')}"
    needed = [rival.seeds for rival in rivals]
    would = "" if None in needed else f"; about {max(n for n in needed if n is not None)} would"
    return f"likely, but {counted(n, 'seed')} do not prove it{would}"


def _unclear(rivals: Sequence[Rival], lead: Lead, name: str) -> str:
    """Those between which and the leader there is no verdict, or no clear difference."""
    metric = lead.metric
    low, high = min(r.gain for r in rivals), max(r.gain for r in rivals)
    names = names_of(lead.by, [rival.name for rival in rivals], "or")
    sizes = f"{signed_bare_gap(metric, low)} to {signed_bare_gap(metric, high)}"
    if signed_bare_gap(metric, low) == signed_bare_gap(metric, high):
        sizes = signed_bare_gap(metric, low)
    sizes = f"{sizes} {difference_unit(metric)}".strip()
    if max(rival.n_seeds for rival in rivals) < FEWEST_SEEDS:
        whose = f"The mean of {name}" if len(lead.first) > 1 else "Its mean"
        return f"{whose} differs from that of {names} by {sizes}, on which there is no verdict."
    return f"Between {name} and {names} there is no clear difference ({sizes} on average)."
