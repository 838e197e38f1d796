"""Tensors by name from a file of weights: safetensors, or a torch file read without running code;
and written to one.

A state by itself is taken, and one inside of what training scripts save around it.
"""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from trainables.vocabulary.refusal import Refusal

NESTED = ("state_dict", "model_state_dict", "model")
"""Entries of a saved mapping under which weights stand, in the order in which they are tried."""


LEAST_BYTES: Final = 256 * 2**20
"""So much room in memory the weights of any file may take."""

MOST_TIMES: Final = 100
"""So many times its own bytes those of a larger one may: tied weights stand in a file once."""


@dataclass(frozen=True)
class Checkpoint:
    """Weights as a file holds them; `notes` say in plain sentences how they were found."""

    tensors: Mapping[str, Tensor] = field(repr=False)
    notes: tuple[str, ...] = ()


def read(path: Path, key: str, called: str = "") -> Checkpoint:
    """Return the weights in a file, on the CPU; Refusal, naming `key`, where it holds none.

    `called` is the file's name for people, where it lies under another.
    """
    called = called or path.name
    content = _content(path, key, called)
    notes: list[str] = []
    while not _is_state(content):
        name = next((n for n in NESTED if isinstance(content, Mapping) and n in content), None)
        if name is None:
            rule = "must hold tensors by name, by themselves or under "
            raise Refusal(f"{key} {rule}{' or '.join(NESTED)}, got {called}: {_kind(content)}")
        notes.append(f"{key}: the weights of {called} are its entry {name}")
        content = content[name]
    _refuse_large(content, path.stat().st_size, key, called)
    return Checkpoint(dict(content), tuple(notes))


def write(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors by name to a safetensors file: contiguous, each with memory of its own."""
    plain = {
        name: value.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        for name, value in tensors.items()
    }
    save_file(plain, path)


def _content(path: Path, key: str, called: str) -> Any:
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        _refuse_compressed(path, key, called)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise Refusal(f"{key} {_refused(called, error)}") from error
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        rule = "must be a whole safetensors or torch file"
        raise Refusal(f"{key} {rule}, got {called}: {reason}") from error


def _refuse_compressed(path: Path, key: str, called: str) -> None:
    """Refuse a torch file of compressed parts, which torch never writes: some kilobytes of it can
    stand for gigabytes."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as parts:
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts.infolist()):
            rule = "must be a torch file as torch.save writes it"
            raise Refusal(f"{key} {rule}, got compressed parts in {called}")


def _refuse_large(tensors: Mapping[str, Tensor], n: int, key: str, called: str) -> None:
    """Refuse tensors that take far more room than their file of n bytes: one number repeated."""
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    if total > (most := max(LEAST_BYTES, MOST_TIMES * n)):
        rule = f"must take at most {most:,} bytes in memory"
        raise Refusal(f"{key} {rule}, got {called}: {total:,} bytes from a file of {n:,}")


def _refused(called: str, error: pickle.UnpicklingError) -> str:
    """Torch's refusal to run what a file holds, or of what is no such file at all."""
    text = str(error)
    if "Unsupported global" in text or "Unsupported class" in text:
        rule = "must hold tensors and plain values alone, so that reading it runs no code"
        return f"{rule}, got objects in {called}; save the network's state_dict()"
    return f"must be a whole safetensors or torch file, got {called}: torch cannot read it"


def _is_state(content: Any) -> bool:
    if not isinstance(content, Mapping) or not content:
        return False
    return all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())


def _kind(content: Any) -> str:
    if isinstance(content, Mapping):
        return f"a mapping of {', '.join(map(str, list(content)[:5])) or 'nothing'}"
    return f"a {type(content).__name__}"
