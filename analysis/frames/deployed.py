"""What exports have found of a study's networks as frames: bytes by file and layer, metrics."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from trainables.files.deployments import Deployment, deployed_fingerprints, read_deployment
from trainables.files.records import StudyFolder

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
    found: dict[str, Deployment] = {}
    for location in locations:
        folder = StudyFolder(location).folder
        for fingerprint in deployed_fingerprints(folder):
            one: Any = read_deployment(folder, fingerprint)
            found[fingerprint] = found[fingerprint].joined(one) if fingerprint in found else one
    return list(found.values())
