"""Which changes of the user's code count as none: pairs of digests in the study folder.

Somebody who has changed their code and says that it computes the same keeps the trials that they
have: later trials go on hashing the oldest digest, the true one being provenance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from trainables.code.copies import Read, Write
from trainables.vocabulary.refusal import Refusal, shown

LEDGER: Final = "code/same.json"

Ledger = Mapping[str, str]
"""By the digest of changed code that of the code which it counts as."""


def read_ledger(read: Read) -> dict[str, str]:
    """Return the study folder's ledger; empty where there is none, Refusal where it is damaged."""
    try:
        text = read(LEDGER)
    except FileNotFoundError:
        return {}
    try:
        ledger = {str(pair["new"]): str(pair["old"]) for pair in json.loads(text)["same"]}
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(
            f"{LEDGER} must be a list of pairs of digests, got {shown(text[:80])}"
        ) from error
    for digest in ledger:
        canonical(digest, ledger)
    return ledger


def canonical(digest: str, ledger: Ledger) -> str:
    """Return the oldest digest that some code counts as: its own where nothing is declared.

    Refusal when the pairs lead round in a circle.
    """
    passed = [digest]
    while passed[-1] in ledger:
        older = ledger[passed[-1]]
        if older in passed:
            raise Refusal(f"{LEDGER} must not lead round, got {' -> '.join([*passed, older])}")
        passed.append(older)
    return passed[-1]


def declare_same(old: str, new: str, read: Read, write: Write) -> dict[str, str]:
    """Record that `new` code counts as `old`, and return the ledger with it.

    Nothing is written where that is recorded or follows from what is. Refusal where `old` itself
    counts as `new`, which would lead round, and where `new` counts as other code already.
    """
    ledger = read_ledger(read)
    if old == new or new in _ancestors(old, ledger):
        raise Refusal(f"{LEDGER} must count newer code as older, got {new} as {old}")
    if canonical(old, ledger) == canonical(new, ledger):
        return ledger
    if new in ledger:
        raise Refusal(f"{LEDGER} must count {new} as one code only, got {old} beside {ledger[new]}")
    ledger = {**ledger, new: old}
    pairs = [{"old": older, "new": newer} for newer, older in ledger.items()]
    write(LEDGER, json.dumps({"same": pairs}, indent=1).encode())
    return ledger


def _ancestors(digest: str, ledger: Ledger) -> set[str]:
    older = set()
    while digest in ledger:
        digest = ledger[digest]
        older.add(digest)
    return older
