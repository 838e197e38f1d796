"""The image, built from a Debian base made here, and what its containers can do.

`apt-get install buildah debootstrap`, then `pytest -m lab tests/deploy/test_image_lab.py` as root.
It asks no registry, and takes some minutes and 3 GB of the folder for temporary files. The image is
the one for reading: torch and Ray would add 6 GB.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
BASE: Final = "localhost/debian-python"
# What pip needs to reach a package index from here: settings of this machine, not of the image.
REACH: Final = ("cert", "index-url", "proxy", "trusted-host", "default-timeout")

pytestmark = [
    pytest.mark.lab,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(
        os.geteuid() != 0 or not all(map(shutil.which, ("buildah", "debootstrap"))),
        reason="needs root, buildah and debootstrap",
    ),
]


@dataclass(frozen=True)
class Store:
    """A store of images in a folder of its own."""

    folder: Path

    def buildah(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run buildah on this store to its end, and return what it printed."""
        places = ("--root", self.folder / "images", "--runroot", self.folder / "run")
        return subprocess.run(
            ["buildah", *map(str, (*places, *words))], capture_output=True, text=True, check=False
        )

    def must(self, *words: object) -> str:
        """Run buildah and return its output; an error fails the test with what was said."""
        process = self.buildah(*words)
        assert process.returncode == 0, process.stderr[-4000:] + process.stdout[-4000:]
        return process.stdout.strip()


@dataclass(frozen=True)
class Container:
    """A container of the image, whose commands run as the image's own user."""

    store: Store
    name: str

    def run(self, *words: object) -> subprocess.CompletedProcess[str]:
        """Run a command in the container to its end."""
        return self.store.buildah("run", "--isolation", "chroot", self.name, "--", *words)

    def output(self, *words: object) -> str:
        """Return what a command prints that ends well."""
        process = self.run(*words)
        assert process.returncode == 0, process.stderr + process.stdout
        return process.stdout.strip()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    made = Store(tmp_path_factory.mktemp("image"))
    yield made
    made.buildah("rm", "--all")
    made.buildah("rmi", "--all", "--force")
    shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def container(store: Store) -> Container:
    add_base(store)
    arguments = ("--build-arg", f"BASE={BASE}", "--build-arg", "EXTRAS=")
    options = ("--isolation", "chroot", "--network", "host", *way_to_packages(store.folder))
    file = ROOT / "deploy" / "Dockerfile"
    store.must("build", *options, *arguments, "-f", file, "-t", "bimp-study", ROOT)
    return Container(store, store.must("from", "localhost/bimp-study"))


def add_base(store: Store) -> None:
    """Make an image of Debian with Python, such as a registry would give."""
    debian = store.folder / "debian"
    packages = "--include=ca-certificates,python3-venv"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "trixie", debian],
        check=True, capture_output=True,
    )  # fmt: skip
    shutil.rmtree(debian / "dev")
    scratch = store.must("from", "scratch")
    store.must("copy", scratch, debian, "/")
    store.must("commit", "--rm", scratch, BASE)
    shutil.rmtree(debian)


def way_to_packages(folder: Path) -> list[str]:
    """Return build options that let pip in the image reach packages as pip does on this machine."""
    text = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    ).stdout
    settings = dict(re.findall(r"^[\w:]+\.([\w-]+)='(.*)'$", text, flags=re.MULTILINE))
    known = {key: settings[key] for key in REACH if key in settings}
    options = ["--secret", f"id=pip,src={folder / 'pip.conf'}"]
    if "cert" in known:
        options += ["--volume", f"{known['cert']}:/mnt/packages.crt:ro"]
        known["cert"] = "/mnt/packages.crt"
    lines = ["[global]", *(f"{key} = {value}" for key, value in known.items())]
    (folder / "pip.conf").write_text("\n".join(lines), encoding="utf-8")
    return options


def test_commands_run_as_a_user_with_a_home_to_write_to(container: Container) -> None:
    assert container.output("id", "-u") == "1000"
    assert container.output("sh", "-c", "cd && touch file && pwd") == "/home/ray"


@pytest.mark.parametrize("shell", [("bash", "-c"), ("bash", "-lc")], ids=["plain", "login"])
def test_every_shell_finds_what_clusters_start(
    container: Container, shell: tuple[str, str]
) -> None:
    """KubeRay of before 1.4 and `ray up` start Ray in login shells, which set PATH anew."""
    paths = container.output(*shell, "command -v bimp python wget rsync ssh").splitlines()
    assert paths == ["/opt/bimp-study/bin/bimp", "/opt/bimp-study/bin/python",
                     "/usr/bin/wget", "/usr/bin/rsync", "/usr/bin/ssh"]  # fmt: skip


def test_doctor_finds_the_pinned_packages_and_misses_those_of_a_run_alone(
    container: Container,
) -> None:
    rows = [line.split() for line in container.run("bimp", "doctor").stdout.splitlines()]
    versions = {row[1]: row[2] for row in rows if row[0] == "ok"}
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert versions["Python"].startswith("3.13.")
    for name in ("numpy", "pandas", "pyarrow", "optuna", "scipy"):
        assert versions[name] == pins[name]
    missing = {row[1] for row in rows if row[0] == "missing"} & set(pins)
    assert missing == {"kaleido", "pillow", "ray", "safetensors", "torch", "torchvision"}


def test_a_preset_is_planned(container: Container) -> None:
    assert "trials" in container.output("bimp", "plan", "digits")


def test_the_image_keeps_neither_sources_nor_settings_of_the_build(container: Container) -> None:
    assert container.output("ls", "/opt/bimp-study").split() == [
        "bin", "etc", "include", "lib", "lib64", "pyvenv.cfg", "share"]  # fmt: skip
    container.output("test", "!", "-s", "/etc/pip.conf")
    assert "packages.crt" not in container.output("env")


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="needs hadolint")
def test_hadolint_finds_nothing() -> None:
    process = subprocess.run(
        ["hadolint", ROOT / "deploy" / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert process.stdout == ""
