"""The curves of stages, read without torch: what the work shared by trials left behind.

A stage's folder holds a manifest and, named in it, a Parquet curve. Reads only.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq

from trainables.files import manifests
from trainables.files.records import CURVE_SCHEMA, as_curves
from trainables.files.storage import Folder
from trainables.files.trial_record import RecordError


def stage_curve(store: Folder, stage: str) -> pa.Table:
    """Return a stage's epochs as a table of `records.CURVE_SCHEMA`.

    An empty table when the manifest names no curve; raises as `manifests.read`, and RecordError
    when the curve's file is missing or cannot be read.
    """
    curve = manifests.read(store, stage).curve
    if curve is None:
        return CURVE_SCHEMA.empty_table()
    name = f"{stage}/{curve}"
    try:
        table = pq.ParquetFile(pa.BufferReader(store.read(name))).read()
        return as_curves(table)
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise RecordError(f"{name}: cannot be read ({error})") from error
