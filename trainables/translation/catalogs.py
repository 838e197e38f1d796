"""English texts with their German translations, out of packages that ship them.

The message catalogs of Django and Sphinx, sentences among them, and Babel's names of languages,
places, currencies, units and times, which are those of Unicode's CLDR. Read without running any of
the packages but Babel.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from gettext import GNUTranslations
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from trainables.translation.pairs import TextPair

PACKAGES: Final = ("django", "sphinx")
_LANGUAGE: Final = "de"
_WORD: Final = re.compile(r"[^\W\d_]{3}")


def messages() -> list[TextPair]:
    """Return the distinct messages of Django and Sphinx with their translations, sorted."""
    files = [path for package in PACKAGES for path in _catalogs(package)]
    return _usable(pair for path in files for pair in _messages(path))


def names() -> list[TextPair]:
    """Return the distinct names of Babel with their translations, sorted."""
    from babel import localedata

    return _usable(_leaves(localedata.load("en"), localedata.load(_LANGUAGE)))


def _catalogs(package: str) -> list[Path]:
    """The German catalogs of an installed package, by their names."""
    folder = f"/{_LANGUAGE}/LC_MESSAGES/"
    files = distribution(package).files or ()
    chosen = sorted(f for f in files if folder in f"/{f.as_posix()}" and f.suffix == ".mo")
    return [Path(str(file.locate())) for file in chosen]


def _messages(path: Path) -> Iterator[TextPair]:
    """A message that has a plural is keyed by (singular, number): its singular alone is taken."""
    with path.open("rb") as file:
        catalog: Mapping[Any, str] = vars(GNUTranslations(file))["_catalog"]
    for key, text in catalog.items():
        message, number = key if isinstance(key, tuple) else (key, 0)
        if number == 0:
            yield message.rpartition("\x04")[2], text  # what stands before it is a context


def _leaves(one: Any, other: Any) -> Iterator[TextPair]:
    """The texts that two trees have at the same place."""
    if isinstance(one, str) and isinstance(other, str):
        yield one, other
    elif isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in one.keys() & other.keys():
            yield from _leaves(one[key], other[key])


def _usable(pairs: Iterator[TextPair]) -> list[TextPair]:
    """Different texts of one line with a word in each."""
    stripped = {(source.strip(), target.strip()) for source, target in pairs}
    return sorted(
        (source, target)
        for source, target in stripped
        if source != target and all(_is_text(text) for text in (source, target))
    )


def _is_text(text: str) -> bool:
    return len(text.splitlines()) == 1 and _WORD.search(text) is not None
