"""What was tried in an Explorer, as files have it: checked before any of it is shown.

The front end keeps it (`strace_widgets.explorer.contract.History`) and Python hands it on, so that what is not of its
shape would only be noticed in the browser.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ..json_files import fitting


class Asked(msgspec.Struct):
    """What every step says of its trace; there may be more."""

    prompt: str
    importance: str
    masks: str
    position: int


class Step(msgspec.Struct):
    """A state to go back to."""

    settings: Asked
    n_edges: Annotated[int, msgspec.Meta(ge=1)]
    toggles: dict[str, str]


class Tried(Step):
    """A subgraph whose exact result was seen."""

    name: str
    edges_kept: int
    total_variation: float
    top: list[dict[str, Any]]


class History(msgspec.Struct):
    """The steps, the present one, and what was tried."""

    steps: list[Step]
    at: Annotated[int, msgspec.Meta(ge=-1)]
    tried: list[Tried]


def check(history: Any) -> None:
    """Refuse what is no history.

    Raises
    ------
    ValueError
    """
    found = fitting(history, History)
    if found.at >= max(len(found.steps), 1):
        raise ValueError(f"it does not fit (its present step is {found.at}, of {len(found.steps)})")
