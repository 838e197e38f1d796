"""Files of weights whose few bytes stand for gigabytes."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch

from trainables.checkpoints import reading
from trainables.checkpoints.reading import read
from trainables.vocabulary.refusal import Refusal

KEY = "dense.weights"


def test_a_torch_file_of_compressed_parts_is_refused(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.pt", tmp_path / "packed.pt"
    torch.save({"w": torch.zeros(2**22)}, plain)
    with zipfile.ZipFile(plain) as parts, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as to:
        for name in parts.namelist():
            to.writestr(name, parts.read(name))
    assert packed.stat().st_size < plain.stat().st_size / 100
    assert len(read(plain, KEY).tensors["w"]) == 2**22
    rule = (
        "dense.weights must be a torch file as torch.save writes it, got compressed parts in pack"
    )
    with pytest.raises(Refusal, match=rule):
        read(packed, KEY)


def test_one_number_that_is_said_to_be_many_is_refused(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(1).expand(2**20, 2**20)}, tmp_path / "a.pt")
    with pytest.raises(Refusal, match=r"must take at most .* got a\.pt: 4,398,046,511,104 bytes"):
        read(tmp_path / "a.pt", KEY)


def test_tied_weights_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LEAST_BYTES", 0)
    shared = torch.ones(1000)
    torch.save(dict.fromkeys("abcdef", shared), tmp_path / "a.pt")
    assert len(read(tmp_path / "a.pt", KEY).tensors) == 6
