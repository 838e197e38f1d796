"""How fast the forms of a trial's network run: dense, masked, without its zero filters, in int8."""

from __future__ import annotations

import copy
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import torch
from torch import Tensor, nn

from trainables.deploy.backends import prepared, versions
from trainables.deploy.inputs import inputs_of
from trainables.deploy.int8 import int8_bytes
from trainables.deploy.stopwatch import Pace, in_turns
from trainables.deploy.trained import Trained
from trainables.files.latencies import Latency
from trainables.formulas.order_statistics import median_of
from trainables.jobs.provenance import now
from trainables.pruning.prunable import prunable
from trainables.pruning.work import moved, work_of
from trainables.removal.proved import NotRemoved, without_zero_filters
from trainables.trials.task_cache import load_weights_
from trainables.vocabulary.refusal import Refusal

Form = Literal["dense", "masked", "removed", "quantised"]
FORMS: Final[tuple[Form, ...]] = get_args(Form)


@dataclass(frozen=True)
class Setting:
    """Where and how it is measured; `threads` of the processor, for every backend alike."""

    device: str = "cpu"
    backends: tuple[str, ...] = ("torch",)
    batches: tuple[int, ...] = (1, 128)
    threads: int = 1
    pace: Pace = field(default_factory=Pace)


def forms_of(
    network: Trained, wanted: Sequence[Form], dense: Mapping[str, Tensor] | None
) -> tuple[dict[Form, nn.Module], list[str]]:
    """Return the forms of a trial's network, on the CPU, and why some are missing.

    `dense` are the weights of its dense run; None where it has none. What is measured in int8 is
    the masked network.
    """
    forms: dict[Form, nn.Module] = {}
    notes = []
    name = network.record.fingerprint
    for form in wanted:
        if form in ("masked", "quantised"):
            forms[form] = network.model
        elif form == "dense" and dense is None:
            notes.append(f"{name} has no dense run of its own: its dense network is not measured")
        elif form == "dense":
            forms[form] = _dense(network.model, dense or {})
        else:
            try:
                forms[form] = _smaller(network)
            except NotRemoved as error:
                notes.append(f"{name} has no smaller network: {error}")
    return forms, notes


def _dense(model: nn.Module, weights: Mapping[str, Tensor]) -> nn.Module:
    other = copy.deepcopy(model)
    load_weights_(other, weights)
    return other.eval()


def _smaller(network: Trained) -> nn.Module:
    batches = network.batches("val")
    return without_zero_filters(network.task, network.model, network.example, batches).model.eval()


def latencies(network: Trained, forms: Mapping[Form, nn.Module], setting: Setting) -> list[Latency]:
    """Return how long calls of each form take, in every backend and batch of the setting.

    The forms take turns, so that the machine's changes of pace meet all of them.
    """
    begun, load, machine = now(), _load(), machine_name(setting.device)
    rows: list[Latency] = []
    with _settled(setting.threads):
        counts = {form: _counts(network, form, model) for form, model in forms.items()}
        placed = {form: model.to(setting.device) for form, model in forms.items()}
        for backend in setting.backends:
            for batch in setting.batches:
                samples, differences = _samples(network, placed, backend, batch, setting)
                for form, seconds in samples.items():
                    median = median_of([1000 * s for s in seconds])
                    rows.append(
                        Latency(
                            network.record.fingerprint,
                            form,
                            backend,
                            setting.device,
                            machine,
                            setting.threads,
                            batch,
                            median.median,
                            median.lo,
                            median.hi,
                            median.n,
                            *counts[form][:2],
                            load,
                            begun,
                            versions(("torch", backend), form == "quantised"),
                            counts[form][2],
                            differences[form],
                        )
                    )
    return rows


def _samples(
    network: Trained,
    forms: Mapping[Form, nn.Module],
    backend: str,
    batch: int,
    setting: Setting,
) -> tuple[dict[Form, list[float]], dict[Form, float]]:
    """Seconds per call of each form, and how far its outputs lie from torch's."""

    def place(value: Any) -> Any:
        return moved(value, lambda tensor: tensor.to(setting.device))

    args, kwargs = inputs_of(network, batch)
    args, kwargs = place(args), place(kwargs)
    ready = {
        form: prepared(backend, model, args, kwargs, setting.threads, form == "quantised")
        for form, model in forms.items()
    }
    runs = {form: each.run for form, each in ready.items()}
    wait = torch.cuda.synchronize if setting.device != "cpu" else _no_wait
    with torch.inference_mode():
        samples = in_turns(runs, setting.pace, wait)
    return samples, {form: each.difference for form, each in ready.items()}


def _no_wait() -> None:
    return None


def _counts(network: Trained, form: Form, model: nn.Module) -> tuple[int, int, int]:
    """Multiply-adds of one input, zeros included; all parameters; bytes of all tensors."""
    work = work_of(prunable(model), network.example)
    n_parameters = sum(p.numel() for p in model.parameters())
    if form == "quantised":
        return work.total, n_parameters, int8_bytes(model)
    tensors = {t.data_ptr(): t.nbytes for t in model.state_dict().values()}
    return work.total, n_parameters, sum(tensors.values())


@contextmanager
def _settled(threads: int) -> Iterator[None]:
    """A number of threads, for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def require_device(device: str) -> None:
    """Refuse a device that torch does not have here."""
    kind, _, number = device.partition(":")
    if device == "cpu":
        return
    if kind != "cuda" or not (number.isdigit() or device == "cuda"):
        raise Refusal(f"--device must be cpu, cuda or cuda:N, got {device!r}")
    if int(number or 0) >= torch.cuda.device_count():
        raise Refusal(f"--device must be there, got {device} among {torch.cuda.device_count()}")


def machine_name(device: str) -> str:
    """Return the name of the GPU, or of the processor as its system tells it."""
    if device != "cpu":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    except OSError:
        names = []
    return next(filter(None, names), platform.processor() or platform.machine())


def _load() -> float | None:
    try:
        return os.getloadavg()[0]
    except OSError:
        return None
