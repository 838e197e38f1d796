"""What each operation of torch does to the channels that it reads; `RULES` lists them by name.

An operation without a rule keeps all channels that it reads: nothing is taken out that is not
proved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from trainables.removal.channels import Values
from trainables.removal.flow import Flow, unknown
from trainables.removal.layer_rules import (
    batch_norm,
    convolution,
    embedding,
    linear,
    transposed,
)
from trainables.removal.shape_rules import (
    collected,
    concatenated,
    expanded,
    padded,
    permuted,
    recut,
    selected,
    sliced,
    swapped,
    windowed,
)
from trainables.removal.step import Step, opaque

Rule = Callable[[Step], Flow]


def _same(step: Step) -> Flow:
    return step.flows[0].shaped(step.shape)


def _pointwise(step: Step) -> Flow:
    """f(x), place by place: a fixed number becomes another."""
    flow = step.flows[0].shaped(step.shape)
    for axis, places in enumerate(flow.places):
        if places is not None:
            flow = flow.with_axis(axis, places, step.applied(flow.fixed_at(axis)))
    return flow


def _dropout(step: Step) -> Flow:
    return opaque(step) if step.argument(2, "train", True) else _same(step)


def _combined(step: Step) -> Flow:
    """Two tensors place by place, or one and a number."""
    if len(step.flows) == 1:
        return _pointwise(step)
    shape, flows = step.shape, step.flows
    result = Flow.blank(shape)
    for axis in range(len(shape)):
        meeting = [(flow, axis - len(shape) + len(flow.shape)) for flow in flows]
        wide = [a >= 0 and f.shape[a] == shape[axis] > 1 for f, a in meeting]
        chosen = [pair for pair, is_wide in zip(meeting, wide, strict=True) if is_wide]
        if not chosen:
            continue
        places = chosen[0][0].places[chosen[0][1]]
        for flow, at in chosen[1:]:
            reason = f"{step.operation} joins it to what must stay"
            places = step.tie(places, flow.places[at], reason)
        if places is not None:
            columns = [
                flow.fixed_at(at) if is_wide else unknown(len(places))
                for (flow, at), is_wide in zip(meeting, wide, strict=True)
            ]
            result = result.with_axis(axis, places, _together(step, columns))
    return result


def _together(step: Step, columns: list[Values]) -> Values:
    """The fixed numbers of two tensors; a zero factor is enough for a product."""
    fixed = step.applied(*columns)
    a, b = columns
    absorbed = {"mul": (a == 0) | (b == 0), "div": (a == 0) & (b != 0)}
    zero = absorbed.get(step.operation)
    return fixed if zero is None else np.where(zero, 0.0, fixed)


_SAME = "clone contiguous alias detach _to_copy to lift_fresh_copy positive"
_POINTWISE = (
    "relu hardswish silu gelu tanh leaky_relu elu celu selu relu6 mish softsign hardshrink"
    " softshrink tanhshrink hardtanh clamp clamp_min clamp_max neg abs sqrt square sin cos expm1"
    " log1p sign floor ceil round trunc erf sigmoid hardsigmoid exp softplus log_sigmoid rsqrt log"
    " reciprocal pow"
)
_COMBINED = "add sub rsub mul div maximum minimum"
_WINDOWED = (
    "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d"
    " adaptive_avg_pool2d adaptive_avg_pool3d upsample_nearest1d upsample_nearest2d"
    " upsample_nearest3d upsample_bilinear2d upsample_bicubic2d"
)
_RESHAPED = "view reshape _unsafe_view flatten unflatten unsqueeze squeeze"

RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_POINTWISE.split(), _pointwise),
    **dict.fromkeys(_COMBINED.split(), _combined),
    **dict.fromkeys(_WINDOWED.split(), windowed),
    **dict.fromkeys(_RESHAPED.split(), recut),
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "linear": linear,
    "conv1d": convolution,
    "conv2d": convolution,
    "conv3d": convolution,
    "conv_transpose1d": transposed,
    "conv_transpose2d": transposed,
    "conv_transpose3d": transposed,
    "_native_batch_norm_legit_no_training": batch_norm,
    "embedding": embedding,
    "permute": permuted,
    "transpose": swapped,
    "t": swapped,
    "expand": expanded,
    "slice": sliced,
    "select": selected,
    "pad": padded,
    "constant_pad_nd": padded,
    "cat": concatenated,
    "sum": collected,
    "mean": collected,
    "amax": collected,
    "amin": collected,
}
