"""Copies of trained weights in a study folder: written once, whole, and read by workers."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from trainables.checkpoints.copies import copy_name, keep, opened
from trainables.checkpoints.files import content_digest
from trainables.files.storage import LocalFolder, RemoteFolder
from trainables.vocabulary.refusal import Refusal

KEY = "dense.weights"


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "net.pth"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    return path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/home/me/a.safetensors", "weights/d.safetensors"),
        ("task:run1", "weights/d.safetensors"),
        ("/home/me/a.pth", "weights/d.pt"),
        ("/home/me/a", "weights/d.pt"),
    ],
)
def test_a_copy_is_named_by_its_content_and_how_it_is_read(path: str, name: str) -> None:
    assert copy_name("d", path) == name


def test_a_copy_is_written_once_and_outlives_the_file(tmp_path: Path, weights: Path) -> None:
    folder, digest = LocalFolder(tmp_path / "study"), content_digest(weights, KEY)
    content = weights.read_bytes()
    assert keep(weights, digest, str(weights), folder)
    assert folder.names("weights") == [f"{digest}.pt"]
    weights.unlink()
    assert not keep(weights, digest, str(weights), folder)  # it is there: the file is not asked for
    with opened(folder, digest, str(weights)) as path:
        assert path.read_bytes() == content
        assert path == tmp_path / "study" / "weights" / f"{digest}.pt"


def test_a_file_that_has_changed_since_it_was_hashed_is_not_kept(
    tmp_path: Path, weights: Path
) -> None:
    folder, digest = LocalFolder(tmp_path / "study"), content_digest(weights, KEY)
    weights.write_bytes(b"other")
    with pytest.raises(Refusal, match=r"net\.pth must not change while the study starts"):
        keep(weights, digest, str(weights), folder)
    assert not folder.names("weights")


def test_without_a_copy_the_file_itself_is_read(tmp_path: Path, weights: Path) -> None:
    with opened(LocalFolder(tmp_path / "study"), "d", str(weights)) as path:
        assert path == weights


def test_from_an_object_store_a_copy_is_fetched_and_goes_again(
    tmp_path: Path, weights: Path
) -> None:
    from pyarrow import fs

    folder = RemoteFolder(fs.LocalFileSystem(), str(tmp_path / "bucket"), "s3://bucket")
    (tmp_path / "bucket" / "weights").mkdir(parents=True)
    digest = content_digest(weights, KEY)
    assert keep(weights, digest, str(weights), folder)
    with opened(folder, digest, str(weights)) as path:
        assert content_digest(path, KEY) == digest
        assert path.suffix == ".pt"
    assert not path.exists()
