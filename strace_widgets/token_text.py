"""How the text of a token is shown: what has no look of its own gets one, and in a list no two tokens look the same.

``js/src/logic/tokenText.ts`` is the same for the browser; ``tests/token_texts.json`` holds both to one behaviour.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_RUN = 5
"""How many of the same character stand side by side before they are counted instead."""

TIMES = "\N{MULTIPLICATION SIGN}"

OWN_MARKS = "·∙⋅‧･ꞏ⏎⇥∅◌"
"""The marks that stand for something else here, and what could be taken for them: as themselves they are spelt out."""

UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
"""Letters and symbols that draw nothing; what Unicode calls a format or a space is known by its category."""

LOOK_ALIKES = dict(
    zip(
        # Cyrillic, Greek, Armenian, other Latin, Arabic of two keyboards, dashes and slashes
        "АВЕКМНОРСТХІЈЅУҮаеорсухіјѕһԁԛԝәΑΒΕΖΗΙΚΜΝΟΡΤΥΧονϳօՕÐƉǝɡیک۰۱۲۳۷۸۹‐−―─∕⁄∶∣ǀ∼∗∖ʼ",  # noqa: RUF001 - which is what this is about
        "ABEKMHOPCTXIJSYYaeopcyxijshdqwəABEZHIKMNOPTYXovjoOĐĐəgيك٠١٢٣٧٨٩-–——//:||~*\\’",  # noqa: RUF001 - which is what this is about
        strict=True,
    )
)
"""Characters that fonts draw like another one."""

_PLAIN = str.maketrans(LOOK_ALIKES | dict.fromkeys("\u200c\u200d\ufe0e\ufe0f", ""))


def visible(token: str) -> str:
    """Return a token's text with all of it visible: spaces at its ends, line breaks, control and direction marks.

    Parameters
    ----------
    token : str
    """
    return _spelt(token) if token else "∅"


def names(tokens: Sequence[str]) -> list[str]:
    """Return the visible texts of the tokens of one list, in which two that differ never look the same.

    Where two would, what is not ASCII in them is spelt out.

    Parameters
    ----------
    tokens : sequence of str
    """
    looks = Counter(_look(token) for token in set(tokens))
    return [_spelt(token, in_full=True) if looks[_look(token)] > 1 else visible(token) for token in tokens]


def _look(token: str) -> str:
    """Return one text for all tokens that `visible` would make look the same."""
    return unicodedata.normalize("NFKD", visible(token)).translate(_PLAIN)


def _spelt(token: str, *, in_full: bool = False) -> str:
    parts: list[str] = []
    at = 0
    bare = True  # nothing stands before that a combining mark could sit on
    while at < len(token):
        character, length = token[at], _run(token, at)
        counted = length > LONGEST_RUN
        length = length if counted or character == " " else 1
        alone = character == " " and at > 0 and length == 1 and at + 1 < len(token)
        shown = " " if alone else _mark(token, at, bare=bare, in_full=in_full)
        parts.append(f"{shown}⟨{TIMES}{length}⟩" if counted else shown * length)
        bare = counted or shown != character or character == " "
        at += length
    return "".join(parts)


def _run(token: str, start: int) -> int:
    """Return how many times the character at a place is repeated there."""
    rest = token[start:]
    return len(rest) - len(rest.lstrip(rest[0]))


def _mark(token: str, at: int, *, bare: bool, in_full: bool) -> str:
    """Return how the character at a place is shown."""
    character = token[at]
    simple = {" ": "·", "\n": "⏎", "\t": "⇥"}.get(character)
    if simple:
        return simple
    if character in "⟨⟩":  # of the marks that stand for part of a character, and for an id
        return _code(character) if token[at + 1 : at + 3].startswith(("U+", TIMES)) else character
    if character in OWN_MARKS or (in_full and not character.isascii()):
        return _code(character)
    if _is_unseen(character) and not _joins(token, at):
        return _code(character)
    return "◌" + character if bare and unicodedata.category(character)[0] == "M" else character


def _code(character: str) -> str:
    return f"⟨U+{ord(character):04X}⟩"


def _is_unseen(character: str) -> bool:
    selector = "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
    return not character.isprintable() or selector or character in UNSEEN


def _joins(token: str, at: int) -> bool:
    """Whether a joiner or an emoji's selector is part of the writing: of Persian, Hindi and emoji."""
    before, after = token[at - 1 : at], token[at + 1 : at + 2]
    if token[at] in "\u200c\u200d":
        return any(
            low <= before <= high and low <= after <= high
            for low, high in (("\u0600", "\u1cff"), ("\u200d", "\U0001faff"))
        )
    return token[at] in "\ufe0e\ufe0f" and before >= "\u200d"
