"""What cannot be read as a JSON file of this package, and how that is said."""

from __future__ import annotations

import msgspec
import pytest

from strace_widgets.json_files import Header, decode, decode_file


class Example(Header):
    name: str
    sizes: list[float] = msgspec.field(default_factory=list)


GOOD = b'{"format": "example", "version": 1, "name": "x", "sizes": [1, 0.5], "unknown": null}'


def test_a_file_is_read_into_a_typed_value() -> None:
    assert decode_file(GOOD, Example, "example", 2) == Example("example", 1, "x", [1.0, 0.5])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is no JSON"),
        (b'{"format": "example"', "is no JSON"),
        (b'{"format": "\xff", "version": 1}', "is no JSON"),
        (b"[" * 100_000, "is no JSON|does not fit"),
        (b'{"format": "example", "version": 1, "name": "x", "sizes": ' + b"[" * 100_000, "is no JSON"),
        (b"[]", "does not fit .*Expected `object`"),
        (b'{"version": 1}', "does not fit .*missing required field `format`"),
        (b'{"format": "other", "version": 1}', "its format is 'other', not 'example'"),
        (b'{"format": "example", "version": "1"}', r"does not fit .*\$\.version"),
        (b'{"format": "example", "version": 3}', r"is of version 3; .* up to version 2\. Install a newer"),
        (b'{"format": "example", "version": 0}', "is of version 0"),
        (b'{"format": "example", "version": 1}', "does not fit .*missing required field `name`"),
        (b'{"format": "example", "version": 1, "name": "x", "sizes": [null]}', r"does not fit .*\$\.sizes\[0\]"),
    ],
)
def test_what_does_not_fit_is_said(content: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        decode_file(content, Example, "example", 2)


def test_anything_else_is_refused_in_the_same_words() -> None:
    assert decode(b'{"l1": 0.5}', dict[str, float]) == {"l1": 0.5}
    with pytest.raises(ValueError, match="does not fit"):
        decode(b'{"l1": "0.5"}', dict[str, float])
