"""What exports have found of a study's networks as frames: bytes by file and layer, metrics."""

from __future__ import annotations

import warnings
from typing import Final

import pandas as pd

from trainables.files.deployments import (
    FOLDER,
    Deployment,
    deployed_fingerprints,
    read_deployment,
)
from trainables.files.storage import Folder, reason
from trainables.files.trial_record import RecordError
from trainables.files.trust import received

WHOLE: Final = "(file)"
"""The layer of rows that stand for a whole file."""

_SIZES: Final = ("fingerprint", "precision", "encoding", "layer", "bytes")
_METRICS: Final = ("fingerprint", "precision")


def sizes(*locations: str) -> pd.DataFrame:
    """Return one row per (trial, precision, encoding, layer) with its bytes.

    The file as a whole stands under the layer `WHOLE`. No rows where nothing was measured.
    """
    rows = [
        {"fingerprint": d.fingerprint, **row} for d in _deployments(locations) for row in d.sizes
    ]
    return pd.DataFrame(rows, columns=list(_SIZES))


def deployed(*locations: str) -> pd.DataFrame:
    """Return one row per (trial, precision) with the metrics of the network in it.

    Then `bytes_<encoding>` of the whole file, where it was measured; what was not is missing.
    """
    measured = [
        {"fingerprint": d.fingerprint, "precision": precision, **metrics}
        for d in _deployments(locations)
        for precision, metrics in d.metrics.items()
    ]
    frame = pd.DataFrame(measured, columns=None if measured else list(_METRICS))
    whole = sizes(*locations)
    whole = whole[whole["layer"] == WHOLE]
    if whole.empty:
        return frame
    wide = whole.pivot(index=list(_METRICS), columns="encoding", values="bytes")
    return frame.merge(wide.add_prefix("bytes_").reset_index(), on=list(_METRICS), how="outer")


def _deployments(locations: tuple[str, ...]) -> list[Deployment]:
    known: dict[str, Deployment] = {}
    for location in locations:
        folder = received(location)
        for fingerprint in _fingerprints(folder):
            if (one := _deployment(folder, fingerprint)) is not None:
                known[fingerprint] = known[fingerprint].joined(one) if fingerprint in known else one
    return list(known.values())


def _fingerprints(folder: Folder) -> list[str]:
    """The trials of which something is known; a warning where the folder cannot be listed."""
    try:
        return deployed_fingerprints(folder)
    except OSError as error:
        warnings.warn(f"{FOLDER}: cannot be read ({reason(error)})", stacklevel=4)
        return []


def _deployment(folder: Folder, fingerprint: str) -> Deployment | None:
    """What is known of a trial; None, and a warning that names the file, where it is unreadable."""
    try:
        return read_deployment(folder, fingerprint)
    except RecordError as error:
        warnings.warn(str(error), stacklevel=4)
    except OSError as error:
        name = f"{FOLDER}/{fingerprint}.json"
        warnings.warn(f"{name}: cannot be read ({reason(error)})", stacklevel=4)
    return None
