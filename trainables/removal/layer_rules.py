"""What layers do to the channels that they read, and which they make."""

from __future__ import annotations

import numpy as np
import torch

from trainables.removal.channels import Flags, Values
from trainables.removal.flow import Flow
from trainables.removal.step import Step


def _outputs(weight: Flow, bias: Flow | None, zero_inputs: Flags) -> Values:
    """The fixed outputs of a layer [out, in, ...]: of filters without a weight that is heard."""
    silent = weight.zeros_at(0)
    if weight.tensor is not None and zero_inputs.any():
        heard = weight.tensor[:, torch.from_numpy(~zero_inputs)].flatten(1)
        silent = silent | (heard == 0).all(1).cpu().numpy()
    given = np.zeros(len(silent)) if bias is None else bias.fixed_at(0)
    return np.where(silent, given, np.nan)


def linear(step: Step) -> Flow:
    """Sum over the last dimension."""
    features: Flow = step.args[0]
    weight, bias = step.args[1], step.argument(2, "bias")
    last = len(features.shape) - 1
    step.read(features, last, weight, 1, whole=True)
    fixed = _outputs(weight, bias, features.zeros_at(last))
    places = step.made(weight, bias)
    rest = features.shaped(step.shape, [a if a != last else None for a in range(last + 1)])
    return rest.where_fixed().with_axis(last, places, fixed)


def convolution(step: Step) -> Flow:
    """Sum over channels, or pass each one on by itself where it is depthwise."""
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


def transposed(step: Step) -> Flow:
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


def batch_norm(step: Step) -> Flow:
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


def embedding(step: Step) -> Flow:
    """Look rows up: channels are those of the table's columns."""
    weight: Flow = step.args[0]
    step.keep(weight.places[0], "it is a row of an embedding")
    last = len(step.shape) - 1
    return Flow.blank(step.shape).with_axis(last, weight.places[1], weight.fixed[1])
