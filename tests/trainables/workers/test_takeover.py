"""When a worker of a frozen driver ends: another run's token, its own gone, and nothing to do."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from trainables.files import token
from trainables.files.storage import Folder, open_folder
from trainables.workers.takeover import Takeover, is_taken_over


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    made = open_folder(tmp_path)
    token.leave(made, "own")
    return made


def take_over(folder: Folder) -> None:
    """As a second driver does."""
    token.take_away(folder)
    token.leave(folder, "other")


def test_a_run_is_taken_over_where_another_token_has_replaced_its_own(folder: Folder) -> None:
    assert not is_taken_over(folder, "own")
    token.take_away(folder)
    assert not is_taken_over(folder, "own"), "the run has ended, or the folder is out"
    take_over(folder)
    assert is_taken_over(folder, "own")
    assert not is_taken_over(folder, "other")


def test_a_folder_that_is_gone_is_nobodys(tmp_path: Path) -> None:
    assert not is_taken_over(open_folder(tmp_path / "none"), "own")


def test_a_worker_ends_once_it_waits_for_the_order_of_a_driver_that_is_replaced(
    folder: Folder,
) -> None:
    ended = threading.Event()
    takeover = Takeover(folder, "own", ended.set, idle_s=0.1, every_s=0.01)
    takeover.idle()
    assert not ended.wait(0.3)
    takeover.busy()
    take_over(folder)
    assert not ended.wait(0.3), "an order is finished first"
    takeover.idle()
    assert ended.wait(5)
