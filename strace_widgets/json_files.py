"""JSON of this package: written from typed values, and read into them or refused in words that say what is wrong.

Every file of the package is an object with a ``format`` and a ``version``. Whoever reads one names both and the type of
the whole, a `msgspec.Struct`, and turns a `ValueError` into an error that names the file.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from .errors import NonFiniteError

T = TypeVar("T")


class Header(msgspec.Struct):
    """What every file begins with; the structs of its kinds inherit it."""

    format: str
    version: int


def encode(value: Any) -> bytes:
    """Return a value as JSON for a file, which has no number that is not finite.

    Parameters
    ----------
    value : msgspec.Struct, or plain data

    Raises
    ------
    NonFiniteError
    """
    plain = msgspec.to_builtins(value)
    refuse_not_finite(plain, type(value).__name__)  # msgspec would write null, which no reader here takes for a number
    return msgspec.json.format(msgspec.json.encode(with_whole_characters(plain)), indent=1)


def encode_readable(value: Any, kind: type[Header], form: str, version: int) -> bytes:
    """Return a value as JSON for a file that is known to be read again: by reading it, before anything is replaced.

    Raises
    ------
    ValueError
        As `decode_file`, or that of `encode`.
    """
    content = encode(value)
    decode_file(content, kind, form, version)
    return content


def with_whole_characters(value: Any) -> Any:
    """Return plain data with a mark in place of each half of a character (a lone surrogate), which no file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, (list, tuple)):
        return [with_whole_characters(each) for each in value]
    if isinstance(value, Mapping):
        return {with_whole_characters(name): with_whole_characters(each) for name, each in value.items()}
    return value


def refuse_not_finite(value: Any, what: str) -> None:
    """Refuse plain data with a number that JSON does not have; where a figure has no value, it is None instead.

    Raises
    ------
    NonFiniteError
        Names the place, below ``what``.
    """
    path = _not_finite(value)
    if path is not None:
        place = "".join(f"[{key!r}]" for key in path)
        raise NonFiniteError(f"{what}{place} is no finite number, and JSON has no other: it is not written.")


def _not_finite(value: Any, path: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
    """Return the keys that lead to the first number that is not finite, or None."""
    if isinstance(value, float):
        return None if math.isfinite(value) else path
    inside: Iterable[tuple[Any, Any]] = enumerate(value) if isinstance(value, (list, tuple)) else ()
    if isinstance(value, Mapping):
        inside = value.items()
    found = (_not_finite(each, (*path, key)) for key, each in inside)
    return next((each for each in found if each is not None), None)


def decode(content: bytes, kind: type[T]) -> T:
    """Return JSON as a value of a type.

    Parameters
    ----------
    content : bytes
    kind : type
        A type that msgspec knows, such as a `msgspec.Struct`.

    Raises
    ------
    ValueError
        Its text is said of the file: "it is no JSON (...)" or "it does not fit (...)".
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.ValidationError as reason:
        raise ValueError(f"it does not fit ({reason})") from reason
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as reason:
        raise ValueError(f"it is no JSON ({reason})") from reason


def fitting(plain: Any, kind: type[T]) -> T:
    """Return plain data as a value of a type.

    Raises
    ------
    ValueError
        Its text is said of the file: "it does not fit (...)".
    """
    try:
        return msgspec.convert(plain, kind)
    except (msgspec.ValidationError, RecursionError) as reason:
        raise ValueError(f"it does not fit ({reason})") from reason


def decode_file(content: bytes, kind: type[T], form: str, version: int) -> T:
    """Return the content of a file of a format, of this version or an earlier one, as a value of a type.

    Parameters
    ----------
    content : bytes
    kind : type
        A `Header` with more fields.
    form : str
        The format.
    version : int
        The newest version that can be read.

    Raises
    ------
    ValueError
        As `decode`, or where the format or the version is another.
    """
    header = decode(content, Header)
    if header.format != form:
        raise ValueError(f"its format is {header.format!r}, not {form!r}")
    if not 1 <= header.version <= version:
        raise ValueError(
            f"it is of version {header.version}; this package reads up to version {version}. Install a newer "
            "strace_widgets"
        )
    return decode(content, kind)
