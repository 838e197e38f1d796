"""What this machine has and lacks for studies: one finding per line, with what to do about it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version
from importlib.util import find_spec
from pathlib import Path

from study.checks.cores import local_cpus
from trainables.config.datasets import DATASETS, Dataset, KnownDataset
from trainables.vocabulary.imports import import_faults

DISTRIBUTION = "bimp-study"
RUN = "run"
"""The extra that running a study needs, and reading one does not."""
LEAST_MEMORY = 4 * 2**30
LEAST_DISK = 2 * 2**30
MODULES = {
    "pillow": "PIL",
    "ray": "ray",
    "safetensors": "safetensors",
    "torch": "torch",
    "torchvision": "torchvision",
}
"""What a run's own packages are imported as; there are several builds of some."""
TORCH_BUILDS = ("torch", "torchvision")
DEBIAN_DATA = Path("/usr/share/datasets")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


@dataclass(frozen=True)
class Finding:
    """One line: what was looked at, whether it is as it should be, its value, what to do.

    `needed` is False where studies run without it.
    """

    what: str
    ok: bool
    value: str
    advice: str = ""
    needed: bool = True


def checkup(data_root: Path) -> list[Finding]:
    """Return all findings; imports torch, since only torch knows its GPUs. Writes nothing."""
    installed = importable(packages(requires(DISTRIBUTION) or ()))
    broken = [f.what for f in installed if f.what in TORCH_BUILDS and not f.ok]
    return [
        python(sys.version_info[:3]),
        *installed,
        cores(),
        memory(),
        disk(Path.cwd()),
        *gpus(broken),
        *(data_set(d.name, data_root) for d in DATASETS.values() if _is_small(d)),
        *pictures(),
    ]


def python(running: tuple[int, ...]) -> Finding:
    """Return whether this Python is new enough."""
    text = f"{'.'.join(map(str, running))} on {platform.system()} {platform.machine()}"
    return Finding("Python", running >= (3, 11), text, "use Python 3.11 or later")


def packages(requirements: Iterable[str]) -> Iterator[Finding]:
    """Yield each package that running a study requires, with its version; other extras are left
    out."""
    advice = f"pip install -e . in the folder of {DISTRIBUTION}"
    yield _package(DISTRIBUTION, "", advice, advice)
    for text in requirements:
        name, _, marker = text.partition(";")
        of_run = f'extra == "{RUN}"' in marker
        if "extra" not in marker or of_run:
            wanted = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?(.*)", name.strip())
            assert wanted is not None
            advice = f'pip install "{name.strip()}"'
            missing = f"to run studies: pip install '{DISTRIBUTION}[{RUN}]'" if of_run else advice
            yield _package(wanted[1], wanted[2].strip(), advice, missing)


def _package(name: str, wanted: str, advice: str, missing: str) -> Finding:
    """`advice` is for a version that is too old, `missing` for a package that is not there."""
    try:
        installed = version(name)
    except PackageNotFoundError:
        return Finding(name, False, "not installed", missing)
    least = re.search(r">=([0-9.]+)", wanted)
    if least is not None and _numbers(installed) < _numbers(least[1]):
        return Finding(name, False, f"{installed}, needs {wanted}", advice)
    return Finding(name, True, installed)


def importable(installed: Iterable[Finding]) -> list[Finding]:
    """Return findings on packages, those of a run at fault where they cannot be imported."""
    findings = list(installed)
    faults = import_faults(MODULES[f.what] for f in findings if f.ok and f.what in MODULES)
    return [_imported(f, faults.get(MODULES.get(f.what, ""), "")) for f in findings]


def _imported(finding: Finding, fault: str) -> Finding:
    if not fault:
        return finding
    advice = f"pip install --force-reinstall {finding.what}"
    if finding.what in TORCH_BUILDS:
        advice = "install torch and torchvision anew, together and from one index"
    value = f"{finding.value}, which cannot be imported: {fault}"
    return replace(finding, ok=False, value=value, advice=advice)


def _numbers(text: str) -> tuple[int, ...]:
    """`2.11.0+cu128` as (2, 11, 0)."""
    release = re.match(r"[0-9.]*", text)
    return tuple(int(part) for part in (release[0] if release else "").split(".") if part)


def cores() -> Finding:
    """Return the cores this process may use."""
    return Finding("cores", True, f"{local_cpus()} usable of {os.cpu_count()}")


def memory() -> Finding:
    """Return the memory of this machine and what of it is available."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    free = _available(Path("/proc/meminfo"))
    text = f"{_gib(total)} in all" + (f", {_gib(free)} available" if free is not None else "")
    enough = (total if free is None else free) >= LEAST_MEMORY
    return Finding("memory", enough, text, f"a study needs about {_gib(LEAST_MEMORY)} free")


def _available(meminfo: Path) -> int | None:
    """Bytes that /proc/meminfo calls available; None where there is no such file."""
    try:
        match = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
    except OSError:
        return None
    return int(match[1]) * 1024 if match else None


def disk(folder: Path) -> Finding:
    """Return the space left where results would be written by default."""
    free = shutil.disk_usage(folder).free
    advice = (
        f"free some, or put the study elsewhere with --out; {_gib(LEAST_DISK)} suffice for most"
    )
    return Finding("disk", free >= LEAST_DISK, f"{_gib(free)} free in {folder}", advice)


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"


def gpus(broken: Iterable[str] = ()) -> Iterator[Finding]:
    """Yield each GPU that torch can use, or why there is none; `broken` cannot be imported."""
    if find_spec("torch") is None or "torch" in broken:
        yield Finding("GPU", False, "unknown without torch", "install torch", needed=False)
        return
    import torch

    for number in range(torch.cuda.device_count()):
        facts = torch.cuda.get_device_properties(number)
        yield Finding(f"GPU {number}", True, f"{facts.name}, {_gib(facts.total_memory)}")
    if torch.cuda.device_count() == 0:
        driver = shutil.which("nvidia-smi") is not None
        advice = "not needed: CPUs do for small studies"
        if driver:
            built = torch.version.cuda or "no CUDA at all"
            advice = f"a driver is here, but torch {torch.__version__} is built for {built}"
        yield Finding("GPU", False, "none that torch can use", advice, needed=False)


def _is_small(dataset: Dataset) -> bool:
    """Whether a data set comes with the project, or is fetched by it."""
    return isinstance(dataset, KnownDataset) and dataset.pixels is not None


def data_set(name: str, root: Path) -> Finding:
    """Return whether a data set's files are below `root`, or where Debian's packages put them."""
    from trainables.data.raw import DataMissingError
    from trainables.data.sources import check_available, source_of

    if source_of(name).download is None:
        return Finding(f"data {name}", True, "comes with scikit-learn")
    for folder in (root, DEBIAN_DATA):
        try:
            check_available(name, {}, folder)
        except DataMissingError:
            continue
        advice = f"use it with --set data.root={folder}"
        return Finding(f"data {name}", folder == root, f"in {folder}", advice, needed=False)
    advice = "bimp run ... --set data.download=true fetches it"
    if name == "fashion-mnist":
        advice += "; or apt-get install dataset-fashion-mnist"
    return Finding(f"data {name}", False, f"not in {root}", advice, needed=False)


def pictures() -> Iterator[Finding]:
    """Yield what figures as PNG files need: Kaleido, and a Chromium that it can drive."""
    try:
        yield Finding("kaleido", True, version("kaleido"), needed=False)
    except PackageNotFoundError:
        advice = f"for PNG files: pip install '{DISTRIBUTION}[png]'"
        yield Finding("kaleido", False, "not installed", advice, needed=False)
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    advice = "for PNG files: apt-get install chromium, or plotly_get_chrome"
    yield Finding("Chromium", browser is not None, browser or "not found", advice, needed=False)


def table(findings: Iterable[Finding]) -> str:
    """Return one line per finding: ok or missing, what, what was found, and what to do."""
    rows = list(findings)
    width = max(len(f.what) for f in rows)
    return "\n".join(_line(f, width) for f in rows)


def _line(finding: Finding, width: int) -> str:
    mark = "ok" if finding.ok else "missing"
    advice = "" if finding.ok else f"; {finding.advice}"
    return f"{mark:<7}  {finding.what:<{width}}  {finding.value}{advice}"
