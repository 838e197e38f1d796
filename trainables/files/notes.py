"""Notes that people keep on a study and on its trials: one text each, in `notes/<name>.json`.

A note is nobody's result: it enters no fingerprint, and a run neither reads nor writes one.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from trainables.files.readable import listed
from trainables.files.storage import Folder, reason
from trainables.files.trial_record import RecordError, opened
from trainables.vocabulary.schema import SCHEMA_VERSION

FOLDER: Final = "notes"
STUDY: Final = "study"
"""What a note on the whole study is about; else it is a trial's fingerprint."""

LONGEST: Final = 10_000
"""Characters of a note."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True)
class Note:
    """A text on a study or trial, and when it was written: ISO 8601 with its zone."""

    about: str
    text: str
    at: str


def write_note(folder: Folder, about: str, text: str, now: datetime) -> None:
    """Keep a text in place of the one before; an empty one takes that away.

    Raises ValueError for a name that no trial has, and for a text that is too long.
    """
    if not _NAME.fullmatch(about):
        raise ValueError(f"a note must be on the study or a trial's name, got {about!r}")
    text = text.strip()
    if len(text) > LONGEST:
        raise ValueError(f"a note must have at most {LONGEST:,} characters, got {len(text):,}")
    name = f"{FOLDER}/{about}.json"
    if not text:
        folder.delete(name)
        return
    plain = {"schema": SCHEMA_VERSION, "about": about, "text": text, "at": now.isoformat()}
    folder.write(name, json.dumps(plain).encode())


def read_notes(folder: Folder) -> tuple[dict[str, Note], list[str]]:
    """Return all notes by what they are about, and a sentence for each that cannot be read."""
    notes: dict[str, Note] = {}
    names, warnings = listed(folder, FOLDER)
    for name in names:
        if not name.endswith(".json"):
            continue
        try:
            note = _decoded(folder.read(f"{FOLDER}/{name}"), f"{FOLDER}/{name}")
        except FileNotFoundError:
            continue
        except OSError as error:
            warnings.append(f"{FOLDER}/{name}: cannot be read ({reason(error)})")
            continue
        except RecordError as error:
            warnings.append(str(error))
            continue
        notes[note.about] = note
    return notes, warnings


def _decoded(data: bytes, source: str) -> Note:
    raw = opened(data, source, ("file", "note"), ("schema", "about", "text", "at"))
    values = [raw[name] for name in ("about", "text", "at")]
    if not all(isinstance(value, str) for value in values):
        raise RecordError(f"{source}: not a note of this project")
    return Note(*values)
