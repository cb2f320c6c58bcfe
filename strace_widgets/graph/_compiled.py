"""Functions that numba compiles at their first call, and keeps on the disk for the next process where that can be."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from numba import njit
from numba.core.caching import FunctionCache

if TYPE_CHECKING:
    from collections.abc import Callable


class _Kept(FunctionCache):  # type: ignore[misc]
    """What is compiled, on the disk; a full or a broken one costs the compilation, and not the trace."""

    def load_overload(self, *signature: Any) -> Any:
        try:
            return super().load_overload(*signature)
        except Exception:  # noqa: BLE001 - a torn file raises whatever unpickling it does
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, *compiled: Any) -> None:
        with suppress(Exception):  # it reads what is there first
            super().save_overload(*compiled)


def compiled(function: Callable[..., Any]) -> Any:
    """Return a function that is compiled, and runs without the interpreter's lock."""
    made = njit(nogil=True)(function)
    with suppress(RuntimeError):  # there is no folder that numba could write
        made._cache = _Kept(function)  # noqa: SLF001 - its `cache=True` takes no other
    return made
