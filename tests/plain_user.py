"""A user whom the modes of files bind, also where the tests run as root."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_OVERRIDING = 0b1110
"""CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH and CAP_FOWNER: what lets root pass modes by."""
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Capabilities(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


@contextmanager
def bound_by_modes(scratch: Path) -> Iterator[None]:
    """Let modes of files bind this thread, as they bind anybody but root; skip where they cannot.

    Imports meanwhile go on as before: the files of the environment stay this user's own.
    """
    with _without_overriding():
        probe = scratch / "probe"
        probe.touch(mode=0)
        try:
            probe.read_bytes()
        except PermissionError:
            yield
        else:
            pytest.skip("the modes of files bind nobody here")
        finally:
            probe.unlink()


@contextmanager
def _without_overriding() -> Iterator[None]:
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or not hasattr(libc, "capset"):
        yield
        return
    header, held = _Header(_VERSION_3, 0), (_Capabilities * 2)()
    libc.capget(ctypes.byref(header), held)
    before = held[0].effective
    held[0].effective = before & ~_OVERRIDING
    libc.capset(ctypes.byref(header), held)
    try:
        yield
    finally:
        held[0].effective = before
        libc.capset(ctypes.byref(header), held)
