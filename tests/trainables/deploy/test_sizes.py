"""Sizes as they are reported: the files' own, to the byte, and layers that add up to them."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
import torch

from trainables.deploy.encodings import ENCODINGS, decoded
from trainables.deploy.sizes import HEADER, OTHERS, WHOLE, file_of, sizes_of
from trainables.deploy.weights import MaskedWeights
from trainables.trials.precision import PRECISIONS, as_trained, in_precision

TEXTS = {"fingerprint": "abc", "config": '{"a": 1}'}


@pytest.fixture(scope="module")
def weights() -> MaskedWeights:
    """A convolution [6, 4, 3, 3] of which 27 weights are left, a vector of 6 and a count."""
    draw = torch.Generator().manual_seed(0)
    weight = torch.randn(6, 4, 3, 3, generator=draw)
    mask = torch.zeros(216, dtype=torch.bool)
    mask[::8] = True
    mask = mask.reshape(weight.shape)
    tensors = {
        "conv.weight": weight.masked_fill(~mask, 0),
        "bn.bias": torch.ones(6),
        "bn.num_batches_tracked": torch.tensor(9),
    }
    return MaskedWeights(tensors, {"conv.weight": mask})


def test_every_file_has_the_bytes_that_are_reported_and_reads_back(weights: MaskedWeights) -> None:
    sizes = {(s.precision, s.encoding, s.layer): s.bytes for s in sizes_of(weights, TEXTS)}
    for precision, encoding in itertools.product(PRECISIONS, ENCODINGS):
        file = file_of(weights, precision, encoding, TEXTS)
        assert len(file) == sizes[precision, encoding, WHOLE]
        stored = in_precision(weights.tensors, precision)
        again = decoded(file)
        assert again.keys() == stored.keys()
        assert all(torch.equal(again[name], stored[name]) for name in stored)
        assert as_trained(again)["conv.weight"].count_nonzero() == 27


def test_layers_others_and_header_add_up(weights: MaskedWeights) -> None:
    sizes = {(s.precision, s.encoding, s.layer): s.bytes for s in sizes_of(weights, TEXTS)}
    for precision, encoding in itertools.product(PRECISIONS, ("dense", "bitmask", "csr")):
        parts = [sizes[precision, encoding, part] for part in ("conv.weight", OTHERS, HEADER)]
        assert sum(parts) == sizes[precision, encoding, WHOLE]


def test_a_layer_s_bytes_by_hand(weights: MaskedWeights) -> None:
    sizes = {(s.precision, s.encoding, s.layer): s.bytes for s in sizes_of(weights, TEXTS)}
    layer = {(p, e): sizes[p, e, "conv.weight"] for p in PRECISIONS for e in ENCODINGS}
    assert layer["fp32", "dense"] == 216 * 4
    assert layer["fp32", "bitmask"] == 216 // 8 + 27 * 4
    assert layer["fp32", "csr"] == 7 + 27 + 27 * 4
    assert layer["fp16", "bitmask"] == 27 + 27 * 2
    assert layer["int8", "dense"] == 216 + 6 * 4  # the scales too
    assert layer["int8", "bitmask"] == 27 + 27 + 6 * 4
    assert sizes["fp32", "dense", OTHERS] == 6 * 4 + 8
    raw = weights.tensors["conv.weight"].numpy().tobytes()
    packed = pa.Codec("zstd", compression_level=9).compress(raw, asbytes=True)
    assert layer["fp32", "dense-zstd"] == len(packed)


def test_a_file_says_what_it_is(weights: MaskedWeights) -> None:
    from trainables.deploy.encodings import header_of

    texts = header_of(file_of(weights, "int8", "csr-zstd", TEXTS))
    assert {k: texts[k] for k in ("fingerprint", "precision", "encoding")} == {
        "fingerprint": "abc", "precision": "int8", "encoding": "csr-zstd",
    }  # fmt: skip
