"""Where weights lie that a study file names, and the digest of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from trainables.vocabulary.homes import expanded
from trainables.vocabulary.refusal import Refusal, shown

TORCHVISION = "torchvision/"
"""How a name of weights of torchvision begins: `torchvision/ResNet50_Weights.IMAGENET1K_V2`."""

OWN = "task:"
"""How a name of weights begins that the user's own task gives: `task:NAME`."""

_DIGITS = 16


def is_own(name: str) -> bool:
    """Whether a name asks the user's task for weights (`Task.trained_weights`)."""
    return name.startswith(OWN)


def located(name: str, folders: Sequence[Path], key: str) -> Path:
    """Return the file that a study file names under `key`.

    A path is looked for below each of the folders; weights of torchvision, in torch's hub cache,
    where nothing is downloaded. Refusal where the file is not there.
    """
    if name.startswith(TORCHVISION):
        return _cached(name, key)
    candidates = [folder / expanded(name) for folder in folders]
    for path in candidates:
        if path.is_file():
            return path.absolute()
    places = " or ".join(dict.fromkeys(str(path) for path in candidates))
    raise Refusal(f"{key} must be a file that is there, got {shown(name)}: no {places}")


def _cached(name: str, key: str) -> Path:
    from torch import hub
    from torchvision.models import get_weight

    try:
        url = str(get_weight(name.removeprefix(TORCHVISION)).url)
    except (ValueError, AttributeError, KeyError) as error:
        rule = f"must name weights of torchvision, such as {TORCHVISION}ResNet50_Weights.DEFAULT"
        raise Refusal(f"{key} {rule}, got {name!r}") from error
    path = Path(hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    if not path.is_file():
        rule = f"must be in torch's hub cache (download {url} to {path})"
        raise Refusal(f"{key} {rule}, got nothing for {name}")
    return path


def content_digest(path: Path, key: str) -> str:
    """Return the hash of a file's bytes, 16 hexadecimal digits; Refusal where it is unreadable."""
    try:
        with path.open("rb") as file:
            return digest_of(hashlib.file_digest(file, "sha256"))
    except OSError as error:
        raise Refusal(f"{key} must be a file that can be read, got {path}: {error}") from error


def digest_of(sha256: hashlib._Hash) -> str:
    """Return a hash as names of files and facts hold it."""
    return sha256.hexdigest()[:_DIGITS]
