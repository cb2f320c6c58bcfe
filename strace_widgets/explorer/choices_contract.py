"""What a person can change to: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict


class MeasureChoice(TypedDict):
    """What a list of importance measures says of one."""

    name: Annotated[str, "of `MEASURES`"]
    group: Annotated[str, "what it has in common with those beside it"]
    label: Annotated[str, "its meaning in a few words"]


class Choices(TypedDict):
    """What a person can change to."""

    importance: Annotated[list[MeasureChoice], "the importance measures"]
    masks: Annotated[list[str], "the masks modes"]
    ablation: NotRequired[Annotated[list[str], "what dropped edges may carry. Old files have none"]]
