"""Run studies: the space, the plan, the search on Ray Tune, the launch and the command.

`Study` is the Python API; it is imported when it is first asked for, so that the command stays
quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from study.api import Study

__all__ = ["Study"]


def __getattr__(name: str) -> Any:
    if name == "Study":
        from study.api import Study

        return Study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
