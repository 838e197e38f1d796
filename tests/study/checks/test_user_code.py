"""The process that tries a user's code, where it cannot be had."""

from __future__ import annotations

import sys

import pytest

from study.checks import user_code
from trainables.vocabulary.refusal import Refusal


def test_a_process_that_cannot_start_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    rule = "task must be checked in a process of its own"
    with pytest.raises(Refusal, match=rf"{rule}, got one that cannot start \(No such file"):
        user_code._run(["request.json", "answer.json"])
