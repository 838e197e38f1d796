"""What the searches of a study aim at, as their study files declare it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import pandas as pd

from trainables.vocabulary.schema import METRICS, Direction


def declared_objectives(
    settings: Mapping[str, Mapping[str, Any]], trials: pd.DataFrame
) -> dict[str, Direction]:
    """Return the objectives that all folders' searches share, with directions, if two or more.

    `settings` are what the folders' study files say. Nothing where one of the objectives is
    measured on test or stands in no trial.
    """
    searches = [content.get("search") for content in settings.values()]
    named = [search.get("objectives") if isinstance(search, dict) else None for search in searches]
    shared = named[0] if named and all(one == named[0] for one in named) else None
    if not isinstance(shared, dict) or len(shared) < 2:
        return {}
    known = [
        name in METRICS
        and not METRICS[name].on_test
        and name in trials
        and trials[name].notna().any()
        and way in get_args(Direction)
        for name, way in shared.items()
    ]
    return dict(shared) if all(known) else {}
