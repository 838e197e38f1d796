"""Where an exported network goes: a file with two cards beside it, or a folder of such files."""

from __future__ import annotations

from pathlib import PurePath

from study.exports.order import SUFFIXES, Order
from study.views.output import require_file
from trainables.files.outputs import OutputError, folder_of, short
from trainables.vocabulary.refusal import Refusal


def beside(path: str) -> tuple[str, str, str]:
    """Return the paths of an exported file, of its card for programs and of that for people."""
    return path, f"{path}.card.json", f"{path}.card.md"


def require_place(path: str, order: Order) -> None:
    """Refuse a path that no file can be written to with its cards, or that says another format.

    Called before what takes minutes is begun.
    """
    if require_file(path).kind in ("descriptor", "special"):
        raise Refusal(f"-o must be a file, so that its card can stand beside it, got {short(path)}")
    for one in beside(path)[1:]:
        require_file(one)
    ending = PurePath(path).suffix.lower()
    if ending in SUFFIXES.values() and ending != SUFFIXES[order.format]:
        rule = f"must end in {SUFFIXES[order.format]}, as --format {order.format} does"
        raise Refusal(f"-o {rule}, got {short(path)}")


def require_folder(path: str) -> str:
    """Return a folder that files can be written into, without a slash at its end."""
    try:
        return folder_of(path).rstrip("/")
    except OutputError as error:
        raise Refusal(f"-o {error}") from error


def file_name(path: str) -> str:
    """Return the name of a file as texts show it: what no text can hold is written out."""
    return PurePath(path).name.encode(errors="backslashreplace").decode()
