"""Which stores a reader of somebody's study folder may ask: a folder can name any.

A request to an object store is signed with the reader's own key, and goes to whatever endpoint the
location names. So a folder that was received may have local paths read, and objects of the bucket
that the reader opened it from, at the same endpoint; any other store takes the reader's word.
"""

from __future__ import annotations

from contextvars import ContextVar
from urllib.parse import urlsplit

from trainables.files.storage import is_remote

_ALL: ContextVar[bool] = ContextVar("trust_all_stores", default=False)

OPTION = "--trust-store"


def trust_stores() -> None:
    """Let this process, or this context, read whatever store a study folder names."""
    _ALL.set(True)


def distrust(store: str, folder: str) -> str | None:
    """Return in a sentence why a store that the study folder names is not asked; None if it may be.

    `store` and `folder` are locations, `folder` as the reader gave it.
    """
    if _ALL.get() or not is_remote(store) or _place(store) == _place(folder):
        return None
    return (
        f"stage_store must be a local path or lie in the bucket of its study folder {folder},"
        f" got {store}: requests to it would be signed with your key; if you trust it, say"
        f" `bimp {OPTION} ...`"
    )


def _place(location: str) -> tuple[str, str, str]:
    """Scheme, bucket and options (the endpoint among them) of a location."""
    parts = urlsplit(location)
    return (parts.scheme, parts.netloc, parts.query) if is_remote(location) else ("", "", "")
