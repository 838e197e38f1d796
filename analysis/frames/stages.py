"""The curves of stages, read without torch: what the work shared by trials left behind.

A stage's folder holds a manifest and, named in it, a Parquet curve. Reads only.
"""

from __future__ import annotations

import pyarrow as pa

from trainables.files import manifests
from trainables.files.storage import Folder, reason
from trainables.files.tables import CURVE_SCHEMA, curves_in
from trainables.files.trial_record import RecordError


def stage_curve(store: Folder, stage: str) -> pa.Table:
    """Return a stage's epochs as a table of `tables.CURVE_SCHEMA`.

    An empty table when the manifest names no curve. Raises FileNotFoundError when the stage is not
    finished, RecordError when its manifest or its curve is missing, damaged or not to be read.
    """
    try:
        curve = manifests.read(store, stage).curve
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordError(f"{stage}/{manifests.NAME}: cannot be read ({reason(error)})") from error
    if curve is None:
        return CURVE_SCHEMA.empty_table()
    name = f"{stage}/{curve}"
    try:
        return curves_in(store.read(name))
    except (pa.ArrowException, KeyError, OSError, ValueError) as error:
        raise RecordError(f"{name}: cannot be read ({reason(error)})") from error
