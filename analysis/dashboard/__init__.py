"""A dashboard over study folders: every figure, table and trial, live while a study runs.

Reads records through `analysis.frames` and draws with `analysis.figures`; writes nothing into what
it reads and imports neither torch nor ray. Its whole state is the page's address.
"""

from __future__ import annotations

from analysis.dashboard.app import make_app
from analysis.dashboard.server import address_in_words, serve

__all__ = ["address_in_words", "make_app", "serve"]
