"""`bimp doctor`: one finding per line, ok or missing and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from study.checks import doctor
from study.checks.doctor import Finding, data_set, disk, memory, packages, pictures, python, table
from tests.study.conftest import Command


@pytest.mark.parametrize(
    ("version", "ok"), [((3, 10, 9), False), ((3, 11, 0), True), ((3, 13, 1), True)]
)
def test_python(version: tuple[int, ...], ok: bool) -> None:
    found = python(version)
    assert found.ok is ok
    assert found.value.startswith(".".join(map(str, version)))
    assert python(sys.version_info[:3]).ok


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch 2.9.1 and the project itself are installed, nothing else is."""
    versions = {"torch": "2.9.1+cu128", "bimp-study": "0.1.0", "numpy": "2.10"}

    def version(name: str) -> str:
        if name not in versions:
            raise PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(doctor, "version", version)


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("requirement", "ok", "found"),
    [
        ("torch>=2.9", True, "2.9.1+cu128"),
        ("torch>=2.9.1", True, "2.9.1+cu128"),
        ("torch>=2.10", False, "2.9.1+cu128, needs >=2.10"),
        ("numpy>=2.9", True, "2.10"),
        ("torch", True, "2.9.1+cu128"),
        ("ray[tune]>=2.60", False, "not installed"),
    ],
)
def test_packages(requirement: str, ok: bool, found: str) -> None:
    own, package = packages([requirement])
    assert (own.what, own.ok) == ("bimp-study", True)
    assert requirement.startswith(package.what)
    assert (package.ok, package.value) == (ok, found)
    assert ok or package.advice == f'pip install "{requirement}"'


@pytest.mark.usefixtures("installed")
def test_what_only_a_run_takes_is_named_by_its_extra() -> None:
    """One that is there and too old is named itself: the extra would not tell which."""
    marker = '; extra == "run"'
    _, ray, torch = packages([f"ray[tune]>=2.60{marker}", f"torch>=2.11{marker}"])
    assert ray.advice == "to run studies: pip install 'bimp-study[run]'"
    assert torch.advice == 'pip install "torch>=2.11"'


@pytest.mark.usefixtures("installed")
def test_extras_are_not_asked_for() -> None:
    found = list(packages(["torch>=2.0", "pytest>=9.0; extra == 'dev'"]))
    assert [f.what for f in found] == ["bimp-study", "torch"]


def test_a_torchvision_for_another_torch_is_told_though_its_version_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stand-ins for the two: a torch for CPUs beside a torchvision for CUDA raises just so."""
    (tmp_path / "torch.py").write_text("")
    fault = "operator torchvision::nms does not exist"
    (tmp_path / "torchvision.py").write_text(f"raise RuntimeError({fault!r})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    fine = [Finding("torch", True, "2.11.0+cpu"), Finding("torchvision", True, "0.26.0+cu130")]
    torch, torchvision = doctor.importable([*fine])
    assert torch == fine[0]
    assert (torchvision.ok, torchvision.needed) == (False, True)
    assert torchvision.value == (
        f"0.26.0+cu130, which cannot be imported: RuntimeError: {fault}"
    )  # fmt: skip
    assert "together and from one index" in torchvision.advice
    [gpu] = doctor.gpus(["torch"])
    assert gpu.value == "unknown without torch"


def test_what_is_not_installed_is_not_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def import_faults(modules: Iterable[str]) -> dict[str, str]:
        asked.extend(modules)
        return {}

    monkeypatch.setattr(doctor, "import_faults", import_faults)
    rows = [Finding("torch", False, "not installed"), Finding("pillow", True, "12.0"),
            Finding("optuna", True, "5.0")]  # fmt: skip
    assert doctor.importable(rows) == rows
    assert asked == ["PIL"]


def test_memory_and_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "GiB in all" in memory().value
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:       16000000 kB\nMemAvailable:    2097152 kB\n")
    assert doctor._available(meminfo) == 2 * 2**30
    assert doctor._available(tmp_path / "nothing") is None
    monkeypatch.setattr(doctor, "_available", lambda _: doctor.LEAST_MEMORY - 1)
    assert not memory().ok
    monkeypatch.setattr(doctor, "_available", lambda _: doctor.LEAST_MEMORY)
    assert memory().ok
    assert str(tmp_path) in disk(tmp_path).value


def test_data_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "DEBIAN_DATA", tmp_path / "debian")
    assert data_set("digits", tmp_path) == Finding("data digits", True, "comes with scikit-learn")
    missing = data_set("mnist", tmp_path)
    assert (missing.ok, missing.needed) == (False, False)
    assert "--set data.download=true" in missing.advice
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for place, ok in ((tmp_path / "debian", False), (tmp_path, True)):
        (place / "fashion-mnist").mkdir(parents=True)
        for name in names:
            (place / "fashion-mnist" / f"{name}-ubyte.gz").write_bytes(b"")
        found = data_set("fashion-mnist", tmp_path)
        assert (found.ok, found.value) == (ok, f"in {place}")
        assert ok or found.advice == f"use it with --set data.root={place}"


@pytest.mark.parametrize(("name", "found"), [("chrome", "/bin/chrome"), ("firefox", "not found")])
def test_pictures(name: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda asked: f"/bin/{asked}" if asked == name else None)
    kaleido, chromium = pictures()
    assert (kaleido.needed, chromium.needed) == (False, False)
    assert (chromium.ok, chromium.value) == (found != "not found", found)


def test_the_table() -> None:
    findings = [
        Finding("Python", True, "3.11", "use a later one"),
        Finding("data mnist", False, "not there", "fetch it", needed=False),
    ]
    assert table(findings).splitlines() == [
        "ok       Python      3.11",
        "missing  data mnist  not there; fetch it",
    ]


@pytest.mark.slow
def test_the_command(tmp_path: Path, bimp: Command) -> None:
    ended = bimp("doctor", "--data-root", tmp_path)
    lines = ended.out.splitlines()
    assert (ended.status, ended.err) == (0, "")
    assert all(line.startswith(("ok       ", "missing  ")) for line in lines)
    for what in ("Python", "torch", "ray", "cores", "memory", "disk", "GPU", "data digits",
                 "data cifar10", "kaleido", "Chromium"):  # fmt: skip
        assert any(line[9:].startswith(what) for line in lines), what
    assert list(tmp_path.iterdir()) == []


def test_something_needed_that_is_missing_is_status_1(
    bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    for needed, status in ((True, 1), (False, 0)):
        lack = Finding("torch", False, "not installed", "pip install torch", needed)
        monkeypatch.setattr(doctor, "checkup", lambda _, lack=lack: [lack])
        assert bimp("doctor").status == status
