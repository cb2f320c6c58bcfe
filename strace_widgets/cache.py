"""A cache with a bound: what was used last is kept, what was not used for longest is let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Cache(MutableMapping[K, V], Generic[K, V]):
    """A mapping that holds a limited number of values and, where it is given their sizes, of bytes.

    To look a value up is to use it. The value that was set last always stays, however large it is.

    Attributes
    ----------
    most : int
        How many values are kept.
    n_bytes : callable or None
        Returns how many bytes a value takes.
    most_bytes : int
        How many bytes they may take together.
    """

    def __init__(self, most: int, n_bytes: Callable[[V], int] | None = None, most_bytes: int = 0) -> None:
        self.most, self.n_bytes, self.most_bytes = most, n_bytes, most_bytes
        self._values: dict[K, V] = {}  # the one used last at the end

    def __getitem__(self, key: K) -> V:
        value = self._values[key] = self._values.pop(key)
        return value

    def __setitem__(self, key: K, value: V) -> None:
        self._values.pop(key, None)
        self._values[key] = value
        while len(self._values) > 1 and self._too_large():
            del self._values[next(iter(self._values))]

    def __delitem__(self, key: K) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[K]:
        return iter(list(self._values))  # a copy, since looking up what is iterated over changes the order

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Cache of {len(self)} values, at most {self.most}"

    def _too_large(self) -> bool:
        if len(self._values) > self.most:
            return True
        return self.n_bytes is not None and sum(map(self.n_bytes, self._values.values())) > self.most_bytes
