"""2:4 weights in the form that NVIDIA's sparse tensor cores multiply, for inference on a GPU.

Half the memory, and up to twice the speed of a dense product, in half precision on devices of
compute capability 8.0 and above. torch offers it for linear layers alone: a convolution's 2:4
weights stay dense, with zeros. Has not run on a GPU here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROWS, COLUMNS = 32, 64
"""What outputs and inputs must be multiples of, for both backends of torch in half precision."""

_DTYPES = (torch.float16, torch.bfloat16)


def is_two_of_four(weight: Tensor) -> bool:
    """Whether at most two of every four neighbouring inputs of a weight [out, in] are not zero."""
    if weight.dim() != 2 or weight.shape[1] % 4:
        return False
    return bool(((weight.detach() != 0).reshape(-1, 4).sum(1) <= 2).all())


def semi_structured_(model: nn.Module) -> tuple[str, ...]:
    """Put the 2:4 weights of linear layers into sparse form, in place; return their names.

    The weights are then no longer trained. Layers whose outputs are no multiple of 32, or whose
    inputs are none of 64, stay dense.

    Args:
        model: on a CUDA device, in float16 or bfloat16, its weights masked.

    Raises:
        ValueError: the model is elsewhere or in another precision, or no layer can be put so.
    """
    linear = {name: m for name, m in model.named_modules() if isinstance(m, nn.Linear)}
    for name, layer in linear.items():
        weight = layer.weight
        if not weight.is_cuda or weight.dtype not in _DTYPES:
            rule = "must be on a CUDA device in float16 or bfloat16 to be put in sparse form"
            raise ValueError(f"{name}.weight {rule}, got {weight.dtype} on {weight.device}")
    names = tuple(name for name, layer in linear.items() if _fits(layer.weight))
    if not names:
        rule = f"must have a 2:4 weight of a linear layer, {ROWS} k outputs by {COLUMNS} k inputs"
        raise ValueError(f"the model {rule}, got none among {', '.join(linear) or 'no layers'}")
    for name in names:
        sparse = torch.sparse.to_sparse_semi_structured(linear[name].weight.detach().contiguous())
        linear[name].weight = nn.Parameter(sparse, requires_grad=False)
    return tuple(f"{name}.weight" for name in names)


def _fits(weight: Tensor) -> bool:
    rows, columns = weight.shape
    return rows % ROWS == 0 and columns % COLUMNS == 0 and is_two_of_four(weight)
