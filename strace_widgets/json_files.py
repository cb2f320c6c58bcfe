"""JSON that this package wrote, read into a typed value, or refused in words that say what is wrong with it.

Every file of the package is an object with a ``format`` and a ``version``. Whoever reads one names both and the type of
the whole, a `msgspec.Struct`, and turns a `ValueError` into an error that names the file.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

T = TypeVar("T")


class Header(msgspec.Struct):
    """What every file begins with; the structs of its kinds inherit it."""

    format: str
    version: int


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
