"""What is said of a process that was lost, from Tune's text of its failures."""

from __future__ import annotations

from study.driver.callback import LOST, actor_in, fault_of
from trainables.jobs.job_report import Fault

RAISED = """Failure # 1 (occurred at 2026-05-01_12-00-00)
The actor died unexpectedly before finishing this task.
Failure # 2 (occurred at 2026-05-01_12-00-09)
\x1b[36mray::ImplicitFunc.train()\x1b[39m (pid=7, ip=10.0.0.1)
Traceback (most recent call last):
  File "trainer.py", line 7, in run
MemoryError: no room for 3 GiB
"""
DIED = """Failure # 1 (occurred at 2026-05-01_12-00-00)
The actor died unexpectedly before finishing this task.
	class_name: StudyTrainable
"""


def test_what_the_worker_raised_last_is_told() -> None:
    fault = fault_of(RAISED, 2)
    assert str(fault) == f"{LOST}: its process was lost 2 times: MemoryError: no room for 3 GiB"
    assert fault.traceback.splitlines()[0] == "ray::ImplicitFunc.train() (pid=7, ip=10.0.0.1)"


def test_a_process_that_was_killed_raised_nothing() -> None:
    fault = fault_of(DIED, 1)
    assert fault.message.endswith("lost 1 times: The actor died unexpectedly before finishing"
                                  " this task.")  # fmt: skip


def test_nothing_known_is_nothing_said() -> None:
    assert fault_of("", 4) == Fault(LOST, "its process was lost 4 times")


UNIMPORTABLE = """Failure # 1 (occurred at 2026-05-01_12-00-00)
The actor died because of an error raised in its creation task, \
\x1b[36mray::X.__init__()\x1b[39m (pid=1, \
ip=10.0.0.2, actor_id=6d9cc1ab2f7ea5f1c8a3b0ad01000000, repr=<X>)
RuntimeError: The actor with name X failed to import on the worker.
"""


def test_a_process_that_could_not_import_is_a_fault_of_its_node() -> None:
    assert fault_of(UNIMPORTABLE, 4).kind == "node"
    assert (fault_of(RAISED, 2).kind, fault_of(DIED, 1).kind) == ("trial", "trial")


def test_the_last_process_named_is_found() -> None:
    assert actor_in(UNIMPORTABLE) == "6d9cc1ab2f7ea5f1c8a3b0ad01000000"
    assert actor_in("actor_id: 00112233445566778899\n" + UNIMPORTABLE).startswith("6d9c")
    assert actor_in(DIED) == ""
