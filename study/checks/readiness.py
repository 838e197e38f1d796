"""What a run needs of the machine, the data and the folders; checked before anything starts."""

from __future__ import annotations

import errno
import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from study.definition.studyfile import StudyFile
from trainables.config.catalog import TORCHVISION_PREFIX
from trainables.config.trial import TrialConfig
from trainables.files.outages import PatientFolder, StoreOutage
from trainables.files.storage import Folder, is_remote, open_folder
from trainables.vocabulary.homes import expanded
from trainables.vocabulary.refusal import Refusal
from trainables.waiting.patience import AT_START

_PROBE = "writable.tmp"
_TRIES = 20


def check_folder(location: str, key: str) -> None:
    """Refuse a folder that cannot be written, by writing to it; nothing of that is left behind."""
    try:
        folder = _patiently(location)
        new = [] if is_remote(location) else _missing_folders(Path(folder.location))
        _probe(folder)
        _take_away(new)
    except (OSError, ValueError) as error:
        reason = error.reason if isinstance(error, StoreOutage) else error
        raise Refusal(
            f"{key} must be a folder that can be written, got {location} ({reason})"
        ) from error


def check_words(words: Iterable[str]) -> None:
    """Refuse words that hold bytes which are no UTF-8: Ray cannot start in a process of such."""
    for word in words:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise Refusal(f"paths and options of a run must be UTF-8, got {word!r}") from None


def _probe(folder: Folder) -> None:
    """Write to a folder; again where another run, which starts too, has just taken it away.

    A folder that goes between `mkdir` and its look at what is there "exists", says `mkdir`.
    """
    for last in (*[False] * (_TRIES - 1), True):
        try:
            folder.write(_PROBE, b"")
            folder.delete(_PROBE)
            return
        except (FileNotFoundError, FileExistsError):
            if last:
                raise


def _take_away(new: Iterable[Path]) -> None:
    """Remove folders that were not there before, the lowest first, up to one that is in use now."""
    for path in new:
        try:
            path.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return


def _patiently(location: str) -> Folder:
    """The folder; an object store may refuse a request, where a disk that does so has said all."""
    folder = open_folder(location)
    return PatientFolder(folder, AT_START) if is_remote(location) else folder


def _missing_folders(path: Path) -> list[Path]:
    """The folder and those above it that are not there yet, the lowest first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def check_data(configs: Iterable[TrialConfig], study: StudyFile) -> None:
    """Refuse data sets that are missing or cannot be loaded; download them first if asked to."""
    from trainables.data.raw import DataFormatError, DataMissingError
    from trainables.data.sources import check_available, prepare

    root = expanded(study.data.root)
    choices = [choice for config in configs if (choice := config.catalog_dataset) is not None]
    for choice in {choice.model_dump_json(): choice for choice in choices}.values():
        name = choice.name
        try:
            check_available(name, choice.parameters, root)
            prepare(name, choice.parameters, root)
        except DataFormatError as fault:
            raise Refusal(str(fault)) from None
        except DataMissingError as missing:
            if not study.data.download:
                raise Refusal(f"data.root must hold {name}, got {root}: {missing}") from None
            _download(name, root)


def _download(name: str, root: Path) -> None:
    from trainables.data.sources import download

    try:
        download(name, root)
    except (OSError, RuntimeError) as error:
        raise Refusal(f"data.download must reach the source of {name}, got {error}") from error


def check_models(configs: Iterable[TrialConfig]) -> None:
    """Refuse a model of torchvision that cannot take its images, by building it without memory.

    The project's own models take images of any size.
    """
    pairs = {
        (c.task.model.name, *images)
        for c in configs
        if c.task.model is not None and (images := c.images) is not None
    }
    for model, in_shape, n_classes in sorted(pairs):
        if not model.startswith(TORCHVISION_PREFIX):
            continue
        from trainables.networks.models import without_memory

        try:
            without_memory(model, in_shape, n_classes, {})
        except ValueError as error:
            shape = "x".join(map(str, in_shape))
            reason = str(error.__cause__ or error).splitlines()[0]
            raise Refusal(
                f"task.model must take images of {shape}, got {model} ({reason})"
            ) from error


_STATES: Final = 3
"""Of every weight: itself, its gradient and what the optimiser keeps."""


def check_memory(configs: Iterable[TrialConfig], memory_bytes: float) -> None:
    """Refuse a network of the catalog that by itself takes more memory than this machine has."""
    sized = {
        (c.task.model.name, *images, json.dumps(c.task.model.parameters, sort_keys=True))
        for c in configs
        if c.task.model is not None and not c.task.model.is_own and c.task.model.parameters
        if (images := c.images) is not None
    }
    for model, in_shape, n_classes, parameters in sorted(sized):
        n = _weights(model, in_shape, n_classes, json.loads(parameters))
        needed = math.inf if n is None else 4 * n * _STATES
        if needed > memory_bytes:
            rule = f"must fit in the {memory_bytes / 2**30:.1f} GiB of this machine"
            size = "more weights than can be counted" if n is None else f"{n:,} weights"
            raise Refusal(f"task.model {rule} while it is trained, got {model} with {size}")


def _weights(
    model: str, in_shape: tuple[int, int, int], n_classes: int, parameters: dict[str, object]
) -> int | None:
    from trainables.networks.models import without_memory

    try:
        network = without_memory(model, in_shape, n_classes, parameters)
    except RuntimeError:  # numbers that torch has no room for
        return None
    return sum(weight.numel() for weight in network.parameters())


def local_memory() -> float:
    """Return the bytes of memory of this machine."""
    return float(os.sysconf("SC_PAGE_SIZE")) * os.sysconf("SC_PHYS_PAGES")


def check_exclusions(configs: Iterable[TrialConfig]) -> None:
    """Refuse a pattern of `prune.exclude` that fits no weight of a network of the catalog."""
    from trainables.config.exclusions import excluded, left_trained

    for config in configs:
        model, images = config.task.model, config.images
        if not config.prune.exclude or images is None or model is None or model.is_own:
            continue
        from trainables.networks.models import without_memory
        from trainables.pruning.prunable import prunable

        weights = prunable(without_memory(model.name, *images, model.parameters))
        kinds, order = left_trained(weights.kinds, list(weights), config.dense.freeze)
        try:
            excluded(kinds, config.prune.exclude, order)
        except ValueError as error:
            raise Refusal(f"prune.exclude {error}") from None


def check_resources(study: StudyFile, cpus: float, gpus: float, where: str) -> None:
    """Refuse a trial that asks for more than there is; its processes are on one node."""
    trial, processes = study.resources, study.processes
    if processes > 1 and trial.cpus * processes > cpus:
        rule = f"resources.cpus times compute.processes must be <= {cpus:g} on {where}"
        raise Refusal(f"{rule}, got {trial.cpus} x {processes}")
    if trial.cpus > cpus:
        raise Refusal(f"resources.cpus must be <= {cpus:g} on {where}, got {trial.cpus}")
    if trial.gpus > gpus:
        raise Refusal(f"resources.gpus must be <= {gpus:g} on {where}, got {trial.gpus:g}")


def local_gpus() -> int:
    """Return the CUDA devices that torch sees."""
    import torch

    return torch.cuda.device_count()


def slots(study: StudyFile, cpus: float, gpus: float) -> int:
    """Return how many trials fit at once on these resources."""
    trial = study.resources
    fits = int(cpus // (trial.cpus * study.processes))
    if trial.gpus > 1:
        fits = min(fits, int(gpus // trial.gpus))
    elif trial.gpus:
        fits = min(fits, int(gpus * round(1 / trial.gpus)))
    return max(1, min(fits, trial.max_concurrent or fits))
