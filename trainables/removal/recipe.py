"""How a network without its zero filters is built again, in lines that need torch alone."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from typing import Any

from trainables.removal import plan as plans
from trainables.removal.plan import Plan

PLAN: str = "plan"
"""Under which entry of a safetensors file's metadata the plan stands, as JSON."""


def shrink_source() -> str:
    """Return `shrink` as plain text: without annotations and docstring, as it runs here."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(plans.shrink)))
    function = tree.body[0]
    assert isinstance(function, ast.FunctionDef)
    function.body = function.body[1:]
    function.returns = None
    for argument in function.args.args:
        argument.annotation = None
    return ast.unparse(_Plain().visit(tree))


class _Plain(ast.NodeTransformer):
    """Assignments without the types of what is assigned."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        assert node.value is not None
        return ast.copy_location(ast.Assign([node.target], node.value), node)


def lines(file: str, build: str, imports: str = "") -> str:
    """Return a Python script that builds the smaller network and loads its weights from a file.

    Args:
        file: the safetensors file, with the plan in its metadata.
        build: an expression for a new network, as large as it was trained.
        imports: what that expression needs.
    """
    top = "\n".join(filter(None, ["import json", imports, "import torch"]))
    return f"""{top}
from safetensors import safe_open

{shrink_source()}

with safe_open({file!r}, "pt") as file:
    plan = json.loads(file.metadata()[{PLAN!r}])
    state = {{name: file.get_tensor(name) for name in file.keys()}}
model = shrink({build}, plan).eval()
model.load_state_dict(state)
"""


def as_text(plan: Plan) -> str:
    """Return the plan as `lines` reads it."""
    return json.dumps(plan.as_json(), separators=(",", ":"))


def described(plan: Plan, difference: float) -> dict[str, Any]:
    """Return what a card says of a removal."""
    return {
        "removed_filters": plan.removed,
        "kept_zero_filters": [str(kept) for kept in plan.kept],
        "largest_difference": difference,
    }
