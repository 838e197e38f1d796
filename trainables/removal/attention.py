"""Attention with some of its heads taken out, and which of them a masked network does not need.

A head whose columns of the output projection are all zero adds nothing; one whose values are all
zero but for their bias gives that bias whatever it attends to, which the output's bias takes over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Projection = nn.modules.linear.NonDynamicallyQuantizableLinear

Heads = dict[str, list[int]]
"""By name of an attention layer the numbers of its heads."""


class FewerHeads(nn.MultiheadAttention):
    """Self-attention or attention to another sequence, with some of the heads that it had.

    Takes and gives what `nn.MultiheadAttention` does: queries, keys and values of `embed_dim`.
    `num_heads` heads of `head_dim` are left, numbers `heads` of the `n_before` that there were; the
    packed projection is [3 x num_heads x head_dim, embed_dim]. Attention weights, where they are
    asked for, are the mean over the heads that are left.
    """

    n_before: int
    heads: tuple[int, ...]

    @classmethod
    def of(cls, whole: nn.MultiheadAttention, heads: Sequence[int]) -> Self:
        """Return a layer with some heads of another, which stays as it is."""
        fewer = cls.__new__(cls)
        nn.Module.__init__(fewer)
        kept = ("embed_dim", "kdim", "vdim", "dropout", "batch_first", "head_dim", "add_zero_attn")
        for name in kept:
            setattr(fewer, name, getattr(whole, name))
        fewer.n_before, fewer.heads = whole.num_heads, tuple(heads)
        fewer.num_heads = len(heads)
        fewer._qkv_same_embed_dim = False  # else torch's encoder layers take their fast path
        for name in ("q_proj_weight", "k_proj_weight", "v_proj_weight", "bias_k", "bias_v"):
            fewer.register_parameter(name, None)
        rows = packed_rows(heads, whole.num_heads, whole.head_dim)
        assert isinstance(whole.in_proj_weight, Tensor)
        fewer.in_proj_weight = _parameter(whole.in_proj_weight[rows])
        bias = whole.in_proj_bias
        fewer.in_proj_bias = None if bias is None else _parameter(bias[rows])
        fewer.out_proj = _fewer_columns(whole, heads)
        return fewer.train(whole.training)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """As of `nn.MultiheadAttention`; `is_causal` is a hint there and changes nothing here."""
        batched = query.dim() == 3
        if not batched:
            examples = 0 if self.batch_first else 1
            query, key, value = (t.unsqueeze(examples) for t in (query, key, value))
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        if not self.batch_first:
            query, key, value = (t.transpose(0, 1) for t in (query, key, value))
        mask = self._mask(attn_mask, key_padding_mask, query.dtype)
        heads = self._projected((query, key, value))
        if need_weights:
            result, weights = self._weighed(*heads, mask, average_attn_weights)
        else:
            dropout = self.dropout if self.training else 0.0
            result = F.scaled_dot_product_attention(*heads, attn_mask=mask, dropout_p=dropout)
            weights = None
        result = self.out_proj(result.transpose(1, 2).flatten(2))
        if not self.batch_first:
            result = result.transpose(0, 1)
        if not batched:
            result = result.squeeze(0 if self.batch_first else 1)
            weights = None if weights is None else weights.squeeze(0)
        return result, weights

    def _projected(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values [N, heads, length, head_dim]."""
        assert isinstance(self.in_proj_weight, Tensor)
        weights = self.in_proj_weight.chunk(3)
        biases = (None,) * 3 if self.in_proj_bias is None else self.in_proj_bias.chunk(3)
        q, k, v = (
            torch.unflatten(F.linear(x, w, b), -1, (self.num_heads, -1)).transpose(1, 2)
            for x, w, b in zip(inputs, weights, biases, strict=True)
        )
        return q, k, v

    def _weighed(
        self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, average: bool
    ) -> tuple[Tensor, Tensor]:
        scores = q @ k.transpose(-2, -1) * self.head_dim**-0.5
        weights = (scores if mask is None else scores + mask).softmax(-1)
        weights = F.dropout(weights, self.dropout, self.training)
        return weights @ v, weights.mean(1) if average else weights

    def _mask(
        self, attn_mask: Tensor | None, padding: Tensor | None, dtype: torch.dtype
    ) -> Tensor | None:
        """What is added to scores [N, heads, target, source]; None for nothing."""
        masks = []
        if attn_mask is not None:
            added = _added(attn_mask, dtype)
            if added.dim() == 3:  # one for each example and head
                added = torch.unflatten(added, 0, (-1, self.n_before))
                added = added[:, torch.tensor(self.heads, device=added.device)]
            masks.append(added)
        if padding is not None:
            masks.append(_added(padding, dtype)[:, None, None, :])
        return sum(masks[1:], masks[0]) if masks else None


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as numbers that are added: where it says True nothing is attended to."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, -torch.inf)


def _parameter(values: Tensor) -> nn.Parameter:
    return nn.Parameter(values.detach().clone())


def _fewer_columns(whole: nn.MultiheadAttention, heads: Sequence[int]) -> Projection:
    """The output projection of some heads, its bias with what the others have added."""
    d, wide = whole.head_dim, whole.out_proj
    gone = [head for head in range(whole.num_heads) if head not in heads]
    columns, others = _columns(heads, d), _columns(gone, d)
    bias = wide.bias
    if whole.in_proj_bias is not None:
        values = whole.in_proj_bias.detach()[2 * whole.embed_dim :][others].double()
        shift = (wide.weight.detach()[:, others].double() @ values).to(wide.weight.dtype)
        if bool(shift.any()):
            bias = _parameter(shift if bias is None else bias + shift)
    narrow = type(wide)(len(columns), wide.out_features, bias=bias is not None)
    narrow.weight = _parameter(wide.weight[:, columns])
    if bias is not None:
        narrow.bias = _parameter(bias)
    return narrow


def _columns(heads: Sequence[int], head_dim: int) -> list[int]:
    return [head * head_dim + at for head in heads for at in range(head_dim)]


def packed_rows(heads: Sequence[int], n_heads: int, head_dim: int) -> list[int]:
    """Return which rows of a packed projection [3 x n_heads x head_dim, ...] are those of heads."""
    columns = _columns(heads, head_dim)
    return [part * n_heads * head_dim + at for part in range(3) for at in columns]


def masked_heads(layer: nn.MultiheadAttention) -> list[int]:
    """Return the heads of a layer that add nothing, or the same whatever they attend to."""
    d = layer.head_dim
    outputs = torch.unflatten((layer.out_proj.weight == 0).all(0), 0, (-1, d)).all(1)
    if not isinstance(layer.in_proj_weight, Tensor):
        return torch.nonzero(outputs).flatten().tolist()
    values = layer.in_proj_weight[2 * layer.embed_dim :]
    silent = outputs | torch.unflatten((values == 0).all(1), 0, (-1, d)).all(1)
    return torch.nonzero(silent).flatten().tolist()


def heads_left(
    model: nn.Module, may: Callable[[str, nn.Module], bool]
) -> tuple[Heads, list[tuple[str, int, str]]]:
    """Return the heads that stay in each attention layer that loses one.

    Beside them how many masked heads stay in which layer, and why. `may` says which layers may
    lose heads at all.
    """
    left: Heads = {}
    stuck = []
    places = Counter(id(m) for _, m in model.named_modules(remove_duplicate=False))
    for name, layer in model.named_modules():
        if not isinstance(layer, nn.MultiheadAttention) or isinstance(layer, FewerHeads):
            continue
        masked = masked_heads(layer)
        if not masked:
            continue
        if reason := _reason(name, layer, may, places[id(layer)]):
            stuck.append((name, len(masked), reason))
            continue
        if len(masked) == layer.num_heads:
            stuck.append((name, 1, "one head of a layer stays"))
            masked = masked[1:]
        if masked:
            left[name] = [head for head in range(layer.num_heads) if head not in masked]
    return left, stuck


def _reason(
    name: str, layer: nn.MultiheadAttention, may: Callable[[str, nn.Module], bool], times: int
) -> str:
    """Why a layer keeps all of its heads; "" where it need not."""
    if not may(name, layer):
        return "the task keeps its heads"
    if type(layer) is not nn.MultiheadAttention:
        return f"{type(layer).__name__} may use its heads otherwise"
    if not layer._qkv_same_embed_dim:
        return "its projections are not packed into one"
    if layer.bias_k is not None or layer.add_zero_attn:
        return "it attends to a position of its own besides (add_bias_kv, add_zero_attn)"
    return "it stands at several places" if times > 1 else ""


def with_heads(model: nn.Module, heads: Mapping[str, Sequence[int]]) -> nn.Module:
    """Leave some heads in attention layers of a network, in place, and return it.

    Raises ValueError where a layer of that name is no whole attention layer.
    """
    for name, numbers in heads.items():
        layer: Any = model.get_submodule(name)
        if type(layer) is not nn.MultiheadAttention:
            raise ValueError(f"{name} must be an attention layer, got {type(layer).__name__}")
        parent, _, leaf = name.rpartition(".")
        fewer = FewerHeads.of(layer, numbers)
        if not name:
            return fewer
        setattr(model.get_submodule(parent), leaf, fewer)
    return model
