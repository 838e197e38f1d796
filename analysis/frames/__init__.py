"""Studies as data frames: `frames.read(folder)` and what is asked of the frames it gives.

The functions are imported when they are first asked for, so that a module of this folder that needs
no pandas is read without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.frames.study_frames import StudyFrames, cycles, epochs, read, trials

__all__ = ["StudyFrames", "cycles", "epochs", "read", "trials"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from analysis.frames import study_frames

        return getattr(study_frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
