"""What a run will do, in plain words: start, resume, retry, extend."""

from __future__ import annotations

from collections.abc import Iterable

from study.definition.own_code import StudyCode
from study.definition.studyfile import StudyFile
from study.points.standing import Standing
from trainables.config.revisions import older
from trainables.files.trial_record import Record
from trainables.vocabulary.wording import counted


def sentences(before: StudyFile | None, study: StudyFile, stands: Standing) -> list[str]:
    """Return what a run will do, one sentence each; `before` is the study as it was last run."""
    if before is None and not stands.settled and not stands.failed:
        return [f"starting: {counted(stands.wanted, 'trial')}"]
    if stands.settled >= stands.wanted and not stands.failed:
        lines = [f"complete: all {stands.wanted} trials are settled, nothing to run"]
    else:
        lines = [f"resuming: {stands.settled} of {stands.wanted} trials are settled"]
    if stands.failed:
        lines.append(f"retrying: {counted(stands.failed, 'failed trial')}")
    if before is not None:
        lines += _changes(before, study, stands)
    return lines


def _changes(before: StudyFile, study: StudyFile, stands: Standing) -> list[str]:
    lines = []
    if added := sorted(set(study.seeds) - set(before.seeds)):
        lines.append(f"extending: seeds {', '.join(map(str, added))} are new")
    if again := sorted(set(study.retrain_seeds) - set(before.retrain_seeds)):
        lines.append(f"extending: retraining seeds {', '.join(map(str, again))} are new")
    more = (study.search.trials or 0) - (before.search.trials or 0)
    if more > 0:
        lines.append(f"extending: {counted(more, 'more configuration')} in each search")
    if study.search.confirm and study.search.confirm != before.search.confirm:
        lines.append(f"extending: the {study.search.confirm} best of each search at every seed")
    if (study.space, study.spaces) != (before.space, before.spaces):
        lines.append("extending: the space has changed")
    if stands.others:
        lines.append(f"keeping: {counted(stands.others, 'trial')} outside the study as it is now")
    return lines


def other_files(code: StudyCode, records: Iterable[Record]) -> list[str]:
    """Return a sentence on settled trials of a folder of images that held other files then."""
    now = {file for look in code.looks.values() for file in look.facts.listings.values()}
    if not now:
        return []
    before = [r.provenance.get("listings") or {} for r in records if r.settled]
    others = sum(not now.issuperset(listings.values()) for listings in before)
    if not others:
        return []
    return [
        f"keeping: {counted(others, 'settled trial')} of a folder that held other files; what it"
        f" holds now is {', '.join(sorted(now))}"
    ]


def older_revisions(records: Iterable[Record]) -> list[str]:
    """Return a sentence on settled trials of what has been mended since they ran."""
    past = [names for r in records if r.settled and (names := older(r.config))]
    if not past:
        return []
    mended = ", ".join(sorted({name for names in past for name in names.values()}))
    return [
        f"keeping: {counted(len(past), 'settled trial')} of an older revision ({mended}), which"
        " stand in no mean with newer ones"
    ]


def older_code(code: StudyCode, records: Iterable[Record]) -> list[str]:
    """Return a sentence on settled trials that the user's code, as it is now, did not make.

    Nothing where the study names none of the user's code. A trial that runs as one is of the same
    code: its record says what was hashed.
    """
    now = {key: digest for look in code.looks.values() for key, digest in look.facts.codes.items()}
    if not now:
        return []
    before = [r.provenance.get("code") or {} for r in records if r.settled]
    older = [codes for codes in before if any(codes.get(k, v) != v for k, v in now.items())]
    if not older:
        return []
    changed = sorted({key for codes in older for key, v in now.items() if codes.get(key, v) != v})
    names = ", ".join(f"{key} is now {now[key]}" for key in changed)
    return [
        f"keeping: {counted(len(older), 'settled trial')} of older code ({names}); --same-code"
        " counts them, if it computes the same"
    ]
