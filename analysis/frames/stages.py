"""Stage manifests and curves, read without torch: what the work shared by trials left behind.

A stage's folder holds `stage.json` and, named in it, a Parquet curve. Reads only.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.files.records import CURVE_SCHEMA, RecordError
from trainables.files.storage import Folder
from trainables.vocabulary.schema import SCHEMA_VERSION

_REQUIRED = ("schema", "hash", "kind", "state")


def read_stage(store: Folder, stage: str) -> dict[str, Any]:
    """Return a stage's manifest from a stage store.

    Raises FileNotFoundError when there is none, RecordError when it is truncated, foreign or of
    another schema version.
    """
    name = f"{stage}/stage.json"
    try:
        manifest = json.loads(store.read(name))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{name}: not a whole JSON manifest ({error})") from error
    if not isinstance(manifest, dict) or any(key not in manifest for key in _REQUIRED):
        raise RecordError(f"{name}: not a stage of this project")
    if manifest["schema"] != SCHEMA_VERSION:
        raise RecordError(
            f"{name}: schema version must be {SCHEMA_VERSION}, got {manifest['schema']!r};"
            " it was written by another version of bimp-study"
        )
    return manifest


def stage_curve(store: Folder, stage: str) -> pa.Table:
    """Return a stage's epochs as a table of `records.CURVE_SCHEMA`.

    An empty table when the manifest names no curve; raises as `read_stage`, and RecordError when
    the curve's file is missing or cannot be read.
    """
    curve = read_stage(store, stage).get("curve")
    if curve is None:
        return CURVE_SCHEMA.empty_table()
    name = f"{stage}/{curve}"
    try:
        table = pq.ParquetFile(pa.BufferReader(store.read(name))).read()
        return table.select(CURVE_SCHEMA.names).cast(CURVE_SCHEMA)
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise RecordError(f"{name}: cannot be read ({error})") from error
