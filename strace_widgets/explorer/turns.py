"""Traits that a person sets and that an answer may set as well, on another thread: one of the two at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import traitlets

if TYPE_CHECKING:
    Trait = traitlets.TraitType[Any, Any]
    Words = traitlets.Dict[str, str]
else:
    Trait = object
    Words = traitlets.Dict


class Taken(Trait):
    """A trait that is set once its object's ``turn``, a lock, is free."""

    def set(self, obj: Any, value: Any) -> None:
        """Set the trait of an object, and tell who observes it."""
        with obj.turn:
            super().set(obj, value)


class TurnInt(Taken, traitlets.Int[int, Any]):
    """A whole number that is set in turn."""


class TurnFloat(Taken, traitlets.Float[float, Any]):
    """A number that is set in turn."""


class TurnDict(Taken, Words):
    """Names and words that are set in turn."""
