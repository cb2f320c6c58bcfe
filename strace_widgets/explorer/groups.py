"""Named groups of heads and MLPs, and a note on the trace: what a person says of what they see."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast, get_args

import traitlets

from ..errors import ToggleError
from ..graph.toggles import parse
from .groups_contract import Colour

if TYPE_CHECKING:
    from ..results.strace import STrace
    from .groups_contract import Group

COLOURS: tuple[str, ...] = get_args(Colour)
LONGEST_NAME, MOST_GROUPS, LONGEST_NOTE = 60, 100, 2000
"""In characters, of a name and of a note; and how many groups there may be."""

BROKEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What ends a line, or is no character at all."""

FORM = 'write {"name movers": ["9.6", "9.9"]}, or a list of {"name": ..., "colour": ..., "members": [...]}'


class Naming(traitlets.HasTraits):
    """The part of `strace_widgets.explorer.widget.Explorer` that is named and noted."""

    groups = traitlets.Union([traitlets.List(), traitlets.Dict()]).tag(sync=True)
    note = traitlets.Unicode("").tag(sync=True)

    @property
    def trace(self) -> STrace:
        """The trace that is shown."""
        raise NotImplementedError

    @traitlets.validate("groups")
    def _validate_groups(self, proposal: Any) -> list[Group]:
        try:
            return parsed(proposal["value"], self.trace)
        except ValueError as reason:
            raise traitlets.TraitError(str(reason)) from None

    @traitlets.validate("note")
    def _validate_note(self, proposal: Any) -> str:
        note: str = proposal["value"]
        if len(note) > LONGEST_NOTE:
            raise traitlets.TraitError(f"A note has {LONGEST_NOTE:,} characters at most; this one has {len(note):,}.")
        return note


def parsed(given: Any, trace: STrace) -> list[Group]:
    """Return groups as the views read them: names without space around, members in order, a colour each.

    Parameters
    ----------
    given : mapping or sequence
        From names to members, or groups, whose colours may be left out.
    trace : STrace
        Of the model that has the members.

    Raises
    ------
    ValueError
        When they are no groups, or name what the model does not have.
    """
    if isinstance(given, Mapping):
        given = [{"name": name, "members": members} for name, members in given.items()]
    if not isinstance(given, list | tuple) or not all(isinstance(each, Mapping) for each in given):
        raise ValueError(f"These are no groups: {FORM}.")
    if len(given) > MOST_GROUPS:
        raise ValueError(f"There are {len(given):,} groups; {MOST_GROUPS} at most can be shown.")
    groups: list[Group] = []
    for each in given:
        unknown = set(each) - {"name", "colour", "members"}
        if unknown:
            raise ValueError(f"A group has no {min(map(str, unknown))!r}: {FORM}.")
        name = _name(each.get("name"), [group["name"] for group in groups])
        members = _members(name, each.get("members", []), trace)
        groups.append({"name": name, "colour": _colour(name, each.get("colour"), groups), "members": members})
    return groups


def _name(given: Any, taken: list[str]) -> str:
    name = given.strip() if isinstance(given, str) else ""
    if not 0 < len(name) <= LONGEST_NAME or BROKEN.search(name):
        raise ValueError(f"A group's name is 1 to {LONGEST_NAME} characters on one line; {_shown(given)} is not.")
    if name in taken:
        raise ValueError(f"Two groups are called {name!r}: give each a name of its own.")
    return name


def _members(name: str, given: Any, trace: STrace) -> list[str]:
    """Return the members in the order of the layers, each once; a whole layer is all that it has."""
    if not isinstance(given, list | tuple) or not all(isinstance(member, str) for member in given):
        raise ValueError(f"The members of {name!r} are no list of names: write ['9.6', '9.mlp'].")
    places = [member for member in given if "@" in member]
    if places:
        raise ValueError(
            f"{name!r} cannot have {_shown(places[0])}: a group has heads ('9.6') and MLPs ('9.mlp'), "
            "which every prompt has."
        )
    try:
        toggles = parse(dict.fromkeys(given, "on"), trace.graph.n_layers, trace.graph.n_heads)
    except ToggleError as reason:
        raise ValueError(f"{name!r} has a member that the model lacks: {reason}") from reason
    return list(toggles.plain())


def _colour(name: str, given: Any, groups: list[Group]) -> Colour:
    if given is None:  # the first of those that the fewest have
        taken = [group["colour"] for group in groups]
        return cast("Colour", min(COLOURS, key=lambda colour: taken.count(cast("Colour", colour))))
    if given not in COLOURS:
        raise ValueError(f"{name!r} cannot be {_shown(given)}: choose {', '.join(COLOURS[:-1])} or {COLOURS[-1]}.")
    return cast("Colour", given)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST_NAME else f"{text[:LONGEST_NAME]}…"
