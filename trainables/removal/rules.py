"""What each operation of torch does to the channels that it reads; `RULES` lists them by name.

An operation without a rule keeps all channels that it reads: nothing is taken out that is not
proved.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from trainables.removal.channels import Flags, Values
from trainables.removal.flow import Flow, joined, reshaped, unknown
from trainables.removal.step import Step

Rule = Callable[[Step], Flow]


def opaque(step: Step) -> Flow:
    """Keep all that the operation reads."""
    for flow in step.flows:
        for places in flow.followed:
            step.channels.keep(places, f"{step.operation} reads it as a whole")
    return Flow.blank(step.shape)


# --- place by place ---


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


# --- layers ---


def _outputs(weight: Flow, bias: Flow | None, zero_inputs: Flags) -> Values:
    """The fixed outputs of a layer [out, in, ...]: of filters without a weight that is heard."""
    silent = weight.zeros_at(0)
    if weight.tensor is not None and zero_inputs.any():
        heard = weight.tensor[:, torch.from_numpy(~zero_inputs)].flatten(1)
        silent = silent | (heard == 0).all(1).cpu().numpy()
    given = np.zeros(len(silent)) if bias is None else bias.fixed_at(0)
    return np.where(silent, given, np.nan)


def _linear(step: Step) -> Flow:
    features: Flow = step.args[0]
    weight, bias = step.args[1], step.argument(2, "bias")
    last = len(features.shape) - 1
    step.read(features, last, weight, 1, whole=True)
    fixed = _outputs(weight, bias, features.zeros_at(last))
    places = step.made(weight, bias)
    rest = features.shaped(step.shape, [a if a != last else None for a in range(last + 1)])
    return rest.where_fixed().with_axis(last, places, fixed)


def _convolution(step: Step) -> Flow:
    features, weight, bias = step.args[0], step.args[1], step.argument(2, "bias")
    groups = step.argument(6, "groups", 1)
    at = len(step.shape) - (len(weight.shape) - 2) - 1
    for axis in range(2, len(weight.shape)):
        step.keep(weight.places[axis], "it is part of a kernel")
    if groups not in (1, features.shape[at]):
        return _grouped(step)
    if groups != 1:
        return _depthwise(step, features, weight, bias, at)
    step.read(features, at, weight, 1, whole=_unpadded(step))
    fixed = _outputs(weight, bias, features.zeros_at(at))
    return Flow.blank(step.shape).with_axis(at, step.made(weight, bias), fixed)


def _unpadded(step: Step) -> bool:
    padding = step.argument(4, "padding", 0)
    if isinstance(padding, list | tuple):
        return not any(padding)
    return padding in (0, "valid")


def _depthwise(step: Step, features: Flow, weight: Flow, bias: Flow | None, at: int) -> Flow:
    """Each channel makes as many outputs as all others, from itself alone."""
    each = weight.shape[0] // features.shape[at]
    inputs = features.places[at]
    repeated = None if inputs is None else np.repeat(inputs, each)
    made = step.made(weight, bias)
    places = step.tie(repeated, made, f"{weight.name} reads what must stay")
    silent = weight.zeros_at(0) | np.repeat(features.zeros_at(at), each)
    given = np.zeros(len(silent)) if bias is None else bias.fixed_at(0)
    return Flow.blank(step.shape).with_axis(at, places, np.where(silent, given, np.nan))


def _grouped(step: Step) -> Flow:
    for flow in step.flows:
        for places in flow.followed:
            step.channels.keep(places, f"{step.args[1].name} is a convolution in groups")
    return Flow.blank(step.shape)


def _transposed(step: Step) -> Flow:
    """A transposed convolution: its weight is [in, out / groups, ...]."""
    features, weight, bias = step.args[0], step.args[1], step.argument(2, "bias")
    if step.argument(6, "groups", 1) != 1:
        return _grouped(step)
    at = len(step.shape) - (len(weight.shape) - 2) - 1
    for axis in range(2, len(weight.shape)):
        step.keep(weight.places[axis], "it is part of a kernel")
    step.read(features, at, weight, 0, whole=False)
    given = np.zeros(weight.shape[1]) if bias is None else bias.fixed_at(0)
    fixed = np.where(weight.zeros_at(1), given, np.nan)
    return Flow.blank(step.shape).with_axis(at, step.made(weight, bias, 1), fixed)


def _batch_norm(step: Step) -> Flow:
    """(x - mean) / sqrt(var + eps) * weight + bias, channel by channel, in evaluation mode."""
    features: Flow = step.args[0]
    places = features.places[1]
    for flow in step.args[1:5]:
        if flow is not None:
            places = step.tie(places, flow.places[0], "its normalisation is shared")
    n = features.shape[1]
    scale, shift, mean, variance = (
        np.full(n, missing) if flow is None else flow.fixed_at(0)
        for flow, missing in zip(step.args[1:5], (1.0, 0.0, 0.0, 1.0), strict=True)
    )
    fixed = (features.fixed_at(1) - mean) / np.sqrt(variance + step.args[6]) * scale + shift
    fixed = np.where(scale == 0, shift, fixed)
    return features.where_fixed().with_axis(1, places, fixed)


def _embedding(step: Step) -> Flow:
    weight: Flow = step.args[0]
    step.keep(weight.places[0], "it is a row of an embedding")
    last = len(step.shape) - 1
    return Flow.blank(step.shape).with_axis(last, weight.places[1], weight.fixed[1])


# --- shapes ---


def _reshaped(step: Step) -> Flow:
    flow, lost = reshaped(step.flows[0], step.shape)
    for places in lost:
        step.channels.keep(places, f"{step.operation} cuts it into parts")
    return flow


def _permuted(step: Step) -> Flow:
    flow: Flow = step.args[0]
    return flow.shaped(step.shape, [flow.axis(axis) for axis in step.argument(1, "dims")])


def _swapped(step: Step) -> Flow:
    flow: Flow = step.args[0]
    axes = list(range(len(flow.shape)))
    if step.operation == "t":
        return flow.shaped(step.shape, axes[::-1])
    a, b = flow.axis(step.args[1]), flow.axis(step.args[2])
    axes[a], axes[b] = axes[b], axes[a]
    return flow.shaped(step.shape, axes)


def _expanded(step: Step) -> Flow:
    flow: Flow = step.args[0]
    more = len(step.shape) - len(flow.shape)
    axes: list[int | None] = [
        a - more if a >= more and flow.shape[a - more] > 1 else None for a in range(len(step.shape))
    ]
    return flow.shaped(step.shape, axes)


def _sliced(step: Step) -> Flow:
    flow: Flow = step.args[0]
    axis = flow.axis(step.argument(1, "dim", 0))
    window = slice(step.argument(2, "start"), step.argument(3, "end"), step.argument(4, "step"))
    places = flow.places[axis]
    inner = flow.shaped(step.shape)
    if places is None:
        return inner
    if len(places[window]) != flow.shape[axis]:
        step.keep(places, f"{step.operation} takes some of its places by number")
    return inner.with_axis(axis, places[window], flow.fixed_at(axis)[window])


def _selected(step: Step) -> Flow:
    flow: Flow = step.args[0]
    axis = flow.axis(step.args[1])
    step.keep(flow.places[axis], f"{step.operation} takes one of its places by number")
    return flow.shaped(step.shape, [a for a in range(len(flow.shape)) if a != axis])


def _padded(step: Step) -> Flow:
    """A fixed number around a tensor: new channels that stay, where a dimension is followed."""
    flow: Flow = step.args[0]
    widths = list(step.argument(1, "pad"))
    constant = step.operation == "constant_pad_nd" or step.argument(2, "mode") in (None, "constant")
    value = step.argument(2 if step.operation == "constant_pad_nd" else 3, "value", None) or 0.0
    if not constant or min(widths) < 0:
        return opaque(step)
    result = flow.shaped(step.shape).where_fixed(float(value))
    for number in range(len(widths) // 2):
        axis = len(flow.shape) - 1 - number
        places, ends = flow.places[axis], widths[2 * number : 2 * number + 2]
        if places is None or not any(ends):
            continue
        before, after = (step.channels.new(n) for n in ends)
        for end in (before, after):
            step.keep(end, "pad adds a fixed number of channels")
        joint = np.concatenate([before, places, after])
        first, last = (np.full(n, float(value)) for n in ends)
        fixed = np.concatenate([first, result.fixed_at(axis), last])
        result = result.with_axis(axis, joint, fixed)
    return result


def _concatenated(step: Step) -> Flow:
    flows: list[Flow] = list(step.args[0])
    axis = flows[0].axis(step.argument(1, "dim", 0))
    for other in range(len(step.shape)):
        for flow in flows[1:]:
            if other != axis and step.shape[other] > 1:
                step.tie(flows[0].places[other], flow.places[other], "cat joins it to others")
    if any(flow.places[axis] is None for flow in flows):
        for flow in flows:
            step.keep(flow.places[axis], "cat joins it to what must stay")
    return joined(flows, axis, step.shape)


# --- sums and windows ---


def _collected(step: Step) -> Flow:
    """A mean, a sum or an extreme over dimensions."""
    flow: Flow = step.args[0]
    given = step.argument(1, "dim")
    axes = given if isinstance(given, list | tuple) else [] if given is None else [given]
    gone = {flow.axis(a) for a in axes} or set(range(len(flow.shape)))
    for axis in gone:
        step.keep(flow.places[axis], f"{step.operation} runs over it")
    same = len(step.shape) == len(flow.shape)
    kept: list[int | None] = [
        None if a in gone else a for a in range(len(flow.shape)) if same or a not in gone
    ]
    result = flow.shaped(step.shape, kept)
    return result.where_fixed(0.0) if step.operation == "sum" else result


def _windowed(step: Step) -> Flow:
    """Pooling, or another size, of the last dimensions: channels stay as they are."""
    flow: Flow = step.args[0]
    spatial = int(next(c for c in step.operation if c.isdigit()))
    first = len(flow.shape) - spatial
    for axis in range(first, len(flow.shape)):
        step.keep(flow.places[axis], f"{step.operation} runs over it")
    kept = [a if a < first else None for a in range(len(flow.shape))]
    result = flow.shaped(step.shape, kept)
    # a mean over windows counts the zeros around the map
    return result.where_fixed(0.0) if step.operation.startswith("avg_pool") else result


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
    **dict.fromkeys(_WINDOWED.split(), _windowed),
    **dict.fromkeys(_RESHAPED.split(), _reshaped),
    "dropout": _dropout,
    "feature_dropout": _dropout,
    "linear": _linear,
    "conv1d": _convolution,
    "conv2d": _convolution,
    "conv3d": _convolution,
    "conv_transpose1d": _transposed,
    "conv_transpose2d": _transposed,
    "conv_transpose3d": _transposed,
    "_native_batch_norm_legit_no_training": _batch_norm,
    "embedding": _embedding,
    "permute": _permuted,
    "transpose": _swapped,
    "t": _swapped,
    "expand": _expanded,
    "slice": _sliced,
    "select": _selected,
    "pad": _padded,
    "constant_pad_nd": _padded,
    "cat": _concatenated,
    "sum": _collected,
    "mean": _collected,
    "amax": _collected,
    "amin": _collected,
}
