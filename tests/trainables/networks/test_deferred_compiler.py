"""The compiler waits until it is used, and is then the real one."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import torch
from trainables.networks.deferred_compiler import NAME, defer_compiler

defer_compiler()
weight = torch.nn.Parameter(torch.ones(2))
optimiser = torch.optim.SGD([weight], lr=0.25, momentum=0.5, fused=True)
(weight * weight).sum().backward()
optimiser.step()
optimiser.zero_grad()
assert weight.tolist() == [0.5, 0.5]
assert "sympy" not in sys.modules
assert torch.optim.Optimizer.zero_grad.__wrapped__.__dynamo_disable

double = torch.compile(lambda x: 2 * x, backend="eager")
assert double(weight).tolist() == [1.0, 1.0]
assert sys.modules[NAME].__spec__ is not None
assert not hasattr(torch.optim.Optimizer.zero_grad.__wrapped__, "__dynamo_disable")
(weight * weight).sum().backward()
optimiser.step()
assert weight.tolist() == [0.5 - 0.25 * (1 + 0.5 * 2)] * 2
"""


@pytest.mark.slow
def test_an_optimiser_needs_no_compiler_and_what_is_compiled_gets_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_part_of_the_compiler_may_be_imported_first() -> None:
    code = (
        "from trainables.networks.deferred_compiler import defer_compiler; defer_compiler();"
        "import torch._dynamo.config as c, torch; assert torch._dynamo.config is c"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
