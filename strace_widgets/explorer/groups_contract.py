"""What a person names: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

Colour = Literal["blue", "red", "green", "violet", "brown", "mauve"]
"""A group's colour, which has a shape of its own: colour is never alone."""


class Group(TypedDict):
    """Heads and MLPs that a person has given a name."""

    name: Annotated[str, "1 to 60 characters on one line, and no other group's; it is data and never HTML"]
    colour: Annotated[Colour, "and with it the shape of its mark"]
    members: Annotated[list[str], 'heads (`"9.6"`) and MLPs (`"9.mlp"`), layer by layer; perhaps none yet']
