"""Weights in sparse files: parts worked by hand, to the bit and back, bytes as they are counted."""

from __future__ import annotations

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load
from torch import Tensor

from study.exports import order
from trainables.deploy import encodings
from trainables.deploy.encodings import (
    ENCODINGS,
    Encoding,
    EncodingError,
    decoded,
    encoded,
    header_bytes,
    header_of,
    packed,
    safetensors_file,
    unpacked,
)
from trainables.trials.precision import PRECISIONS


def bits(tensor: Tensor) -> list[int]:
    return tensor.contiguous().reshape(-1).view(torch.uint8).tolist() if tensor.numel() else []


def test_a_bitmask_by_hand() -> None:
    tensor = torch.zeros(2, 5)
    tensor[0, 0], tensor[0, 3], tensor[1, 3] = 1.5, -2.0, 4.0  # entries 0, 3 and 8
    parts = packed(tensor, "bitmask")
    assert parts["bitmask"].tolist() == [0b00001001, 0b00000001]
    assert parts["values"].tolist() == [1.5, -2.0, 4.0]


def test_csr_by_hand() -> None:
    tensor = torch.zeros(3, 2, 1, 2)  # rows of four: an output's inputs, then its window
    tensor[0, 1, 0, 1], tensor[2, 0, 0, 0], tensor[2, 1, 0, 0] = 7.0, 8.0, 9.0
    parts = packed(tensor, "csr")
    assert parts["rows"].tolist() == [0, 1, 1, 3]
    assert parts["columns"].tolist() == [3, 0, 2]
    assert parts["values"].tolist() == [7.0, 8.0, 9.0]


@pytest.mark.parametrize(
    ("width", "columns"), [(256, torch.uint8), (257, torch.uint16), (65537, torch.uint32)]
)
def test_columns_are_of_the_smallest_type_that_holds_them(width: int, columns: torch.dtype) -> None:
    tensor = torch.zeros(2, width)
    tensor[1, width - 1] = 1.0
    parts = packed(tensor, "csr")
    assert parts["columns"].dtype == columns
    assert parts["columns"].tolist() == [width - 1]
    assert torch.equal(unpacked(parts, [2, width], "csr"), tensor)


def test_rows_count_more_entries_than_a_byte_holds() -> None:
    tensor = torch.ones(4, 64)
    rows = packed(tensor, "csr")["rows"]
    assert (rows.dtype, rows.tolist()) == (torch.uint16, [0, 64, 128, 192, 256])


WEIRD = torch.tensor([[0.0, -0.0, math.nan], [math.inf, 1e-45, -math.inf]])


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_everything_comes_back_to_the_bit(encoding: Encoding) -> None:
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 3, 3, 3, generator=draw) * (
        torch.rand(6, 3, 3, 3, generator=draw) > 0.8
    )
    tensors = {
        "weird": WEIRD,
        "weight": weight,
        "half": weight.half(),
        "int8": (weight * 40).to(torch.int8),
        "vector": torch.tensor([0.0, 3.0]),
        "scalar": torch.tensor(0.0),
        "empty": torch.zeros(0, 4),
        "all zero": torch.zeros(2, 2),
        "strided": torch.arange(6.0).reshape(2, 3).T,
        "dense": torch.tensor([0.0, 1.0]),
        "steps": torch.tensor(3),
    }
    file = encoded(tensors, tensors.keys() - {"dense", "steps"}, encoding, {"seed": "7"})
    again = decoded(file)
    assert again.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (again[name].dtype, again[name].shape) == (tensor.dtype, tensor.shape), name
        assert bits(again[name]) == bits(tensor), name
    assert header_of(file)["seed"] == "7"


@given(st.lists(st.floats(width=32), min_size=1, max_size=40), st.sampled_from(["bitmask", "csr"]))
def test_any_floats_come_back_to_the_bit(values: list[float], layout: str) -> None:
    tensor = torch.tensor(values)
    parts = packed(tensor, layout)  # type: ignore[arg-type]
    assert bits(unpacked(parts, [len(values)], layout)) == bits(tensor)  # type: ignore[arg-type]


def test_the_bytes_are_those_of_parts_and_header() -> None:
    tensor = torch.zeros(10, 10)
    tensor[0, :7] = 1.0
    for encoding, own in (("dense", 400), ("bitmask", 13 + 28), ("csr", 11 + 7 + 28)):
        file = encoded({"w": tensor}, {"w"}, encoding, {})  # type: ignore[arg-type]
        assert len(file) == header_bytes(file) + own
    assert load(encoded({"w": tensor}, {"w"}, "dense", {}))["w"].equal(tensor)


def test_what_is_no_whole_file_is_told() -> None:
    file = encoded({"w": torch.eye(8)}, {"w"}, "csr-zstd", {})
    for broken in (b"", b"nothing of the kind", file[:-3], encoded({}, (), "dense", {})[:5]):
        with pytest.raises(EncodingError, match="a file of weights must be whole, got a fault"):
            decoded(broken)
    lost = encoded({"w": torch.eye(8)}, (), "dense", {"sparse": json.dumps({"v": {}})})
    with pytest.raises(EncodingError, match=r"layout|shape"):
        decoded(lost)


def claiming(shape: list[object], layout: str) -> bytes:
    """A file of one number that says it is one of a tensor of another shape."""
    parts = {f"w:{part}": tensor for part, tensor in packed(torch.ones(1), layout).items()}  # type: ignore[arg-type]
    header = {"sparse": json.dumps({"w": {"shape": shape, "layout": layout}})}
    return safetensors_file(parts, header)


@pytest.mark.parametrize("layout", ["bitmask", "csr"])
@pytest.mark.parametrize("shape", [[2**40], [2**20, 2**20], [2**62, 2**62], [-1], ["x"]])
def test_a_small_file_that_claims_to_be_a_large_tensor_is_refused(
    shape: list[object], layout: str
) -> None:
    with pytest.raises(EncodingError, match="a file of weights must be whole, got a fault"):
        decoded(claiming(shape, layout))


def test_a_small_file_that_unpacks_to_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    zeros = encoded({"w": torch.zeros(2**22)}, (), "dense-zstd", {})
    assert len(decoded(zeros)["w"]) == 2**22
    monkeypatch.setattr(encodings, "LEAST_BYTES", 2**20)
    with pytest.raises(EncodingError, match="must take at most 1,048,576 bytes uncompressed"):
        decoded(zeros)


def test_a_plain_file_cannot_claim_more_than_it_holds() -> None:
    for end in (2**40, 8):
        head = {"w": {"dtype": "F32", "shape": [end // 4], "data_offsets": [0, end]}}
        text = json.dumps(head).encode()
        with pytest.raises(EncodingError, match="a file of weights must be whole"):
            decoded(len(text).to_bytes(8, "little") + text + b"1234")


def test_the_command_offers_what_there_is() -> None:
    assert order.ENCODINGS == ENCODINGS
    assert order.PRECISIONS == PRECISIONS
