"""What becomes of channels where a tensor changes its shape, or is collected over dimensions."""

from __future__ import annotations

import numpy as np

from trainables.removal.flow import Flow, joined, reshaped
from trainables.removal.step import Step, opaque


def recut(step: Step) -> Flow:
    """Change the shape: joined or cut dimensions keep channels as far as they go."""
    flow, lost = reshaped(step.flows[0], step.shape)
    for places in lost:
        step.channels.keep(places, f"{step.operation} cuts it into parts")
    return flow


def permuted(step: Step) -> Flow:
    """Put dimensions in another order."""
    flow: Flow = step.args[0]
    return flow.shaped(step.shape, [flow.axis(axis) for axis in step.argument(1, "dims")])


def swapped(step: Step) -> Flow:
    """Swap two dimensions."""
    flow: Flow = step.args[0]
    axes = list(range(len(flow.shape)))
    if step.operation == "t":
        return flow.shaped(step.shape, axes[::-1])
    a, b = flow.axis(step.args[1]), flow.axis(step.args[2])
    axes[a], axes[b] = axes[b], axes[a]
    return flow.shaped(step.shape, axes)


def expanded(step: Step) -> Flow:
    """Repeat along dimensions of one."""
    flow: Flow = step.args[0]
    more = len(step.shape) - len(flow.shape)
    axes: list[int | None] = [
        a - more if a >= more and flow.shape[a - more] > 1 else None for a in range(len(step.shape))
    ]
    return flow.shaped(step.shape, axes)


def sliced(step: Step) -> Flow:
    """Take places of a dimension: channels taken by number stay."""
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


def selected(step: Step) -> Flow:
    """Take one place of a dimension: channels taken by number stay."""
    flow: Flow = step.args[0]
    axis = flow.axis(step.args[1])
    step.keep(flow.places[axis], f"{step.operation} takes one of its places by number")
    return flow.shaped(step.shape, [a for a in range(len(flow.shape)) if a != axis])


def padded(step: Step) -> Flow:
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


def concatenated(step: Step) -> Flow:
    """Put tensors side by side: channels follow one another."""
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


def collected(step: Step) -> Flow:
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


def windowed(step: Step) -> Flow:
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
