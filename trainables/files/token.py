"""What a driver leaves in its folders: a token, by which a worker knows that it sees the same ones,
and in a stage store that is not its own the name of its study folder.

A folder that nodes do not share looks right to each of them: it can be written, and it is empty. A
store does not show whose stages it holds.
"""

from __future__ import annotations

import hashlib
import json
import uuid

from trainables.files.leases import owner
from trainables.files.outages import StoreFolder, anchored
from trainables.files.progress import RUN_LEASE
from trainables.files.storage import TEMPORARY, Folder, open_folder


def places(folder: str, store: str) -> dict[str, str]:
    """Return where a driver leaves its token, by name: the study folder, and a store elsewhere."""
    named = {"the study folder": folder}
    if open_folder(folder).child("stages").location != store:
        named["stage_store"] = store
    return named


def stores(folder: str, store: str, token: str) -> tuple[StoreFolder, StoreFolder]:
    """Return a run's study folder and its stage store; with the run's token they are the ones that
    it began in, or out (`outages.Anchor`)."""
    if not token:  # of no run, in which nobody has left anything
        return StoreFolder(open_folder(folder)), StoreFolder(open_folder(store))
    study = anchored(open_folder(folder), "study.yaml")
    if "stage_store" in places(folder, store):
        return study, anchored(open_folder(store), _name(token))
    return study, study.child("stages")


def new_token() -> str:
    """Return a token that no other run has."""
    return uuid.uuid4().hex


def _name(token: str) -> str:
    return f"{RUN_LEASE}/token-{token}"


def leave(folder: Folder, token: str) -> None:
    """Write a token into a folder."""
    folder.write(_name(token), token.encode())


def take_away(folder: Folder, token: str | None = None) -> None:
    """Remove a token that was left; without one those of all runs, which are no more."""
    for name in [_name(token)] if token else _left(folder):
        folder.delete(name)


def _left(folder: Folder) -> list[str]:
    names = folder.names(RUN_LEASE)
    return [f"{RUN_LEASE}/{name}" for name in names if name.startswith("token-")]


_SHARERS = "sharers"


def sign(store: Folder, folder: str) -> None:
    """Say in a store, once for all, that the study in another folder uses it."""
    store.write(f"{_SHARERS}/{_mark(folder)}", json.dumps({"folder": folder}).encode())


def sharers(store: Folder, own: str) -> list[str]:
    """Return the names of the marks of other study folders than `own` that use a store."""
    return [name for name in store.names(_SHARERS) if name != _mark(own)]


def _mark(folder: str) -> str:
    """The name of a study folder's mark in a store."""
    return f"{hashlib.sha256(folder.encode()).hexdigest()[:16]}.json"


def sees(folder: Folder, token: str) -> bool:
    """Whether a folder holds a token; OSError when it cannot be read."""
    try:
        return folder.read(_name(token)).decode() == token
    except (FileNotFoundError, NotADirectoryError):
        return False


def is_there(folder: Folder) -> bool:
    """Whether a folder holds the token of any run; OSError when it cannot be read."""
    return bool(_left(folder))


def probe(folder: Folder, read: bool = False) -> None:
    """Write a small file and delete it; OSError when that cannot be done.

    With `read` it is read as well: a full disk takes an empty file, and a store may take what it
    does not give back.
    """
    name = f"{TEMPORARY}probe-{owner()}"
    text = uuid.uuid4().bytes if read else b""
    folder.write(name, text)
    try:
        if read and folder.read(name) != text:
            raise OSError(f"{name} was written and reads otherwise")
    finally:
        folder.delete(name)
