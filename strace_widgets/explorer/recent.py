"""A bounded memory of what was computed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")


@dataclass(eq=False)
class Recent(Generic[Key, Value]):
    """What was used last: a few values, which take no more than so many bytes; the last one is always kept.

    Attributes
    ----------
    most : int
        How many values are kept.
    most_bytes : float
        What they may take together.
    n_bytes : callable
        Returns what one value takes.
    """

    most: int
    most_bytes: float = float("inf")
    n_bytes: Callable[[Value], int] = lambda _: 0
    # The value that was used last is at the end.
    _values: dict[Key, Value] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Key) -> Value | None:
        """Return a value as the last used; None if it is not kept."""
        value = self._values.get(key)
        return None if value is None else self.keep(key, value)

    def keep(self, key: Key, value: Value) -> Value:
        """Keep a value as the last used, let go of others until they are few and small enough, and return it."""
        self._values.pop(key, None)
        self._values[key] = value
        while len(self) > 1 and (len(self) > self.most or self._bytes() > self.most_bytes):
            del self._values[next(iter(self._values))]
        return value

    def _bytes(self) -> int:
        return sum(self.n_bytes(value) for value in self._values.values())
