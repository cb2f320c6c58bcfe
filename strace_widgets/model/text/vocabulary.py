"""The text of every token id: as it stands in the middle of a text, and no two the same."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ...errors import PromptError
from . import tokenizer as asked

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

BYTE_TOKEN = re.compile(r"<0x([0-9A-Fa-f]{2})>")
"""How SentencePiece writes a byte."""

NUMBERED = re.compile(r"⟨#\d+⟩$")
"""How a text ends that several tokens have."""

SPACE = "▁"
"""How SentencePiece writes a space."""

WORD_END = "</w>"
"""How some vocabularies write that a word ends; in a text that is a space."""

_PRINTED = (*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100))
BYTE_OF = {chr(byte): byte for byte in _PRINTED} | {
    chr(0x100 + place): byte for place, byte in enumerate(byte for byte in range(0x100) if byte not in _PRINTED)
}
"""The letters with which byte-level vocabularies write bytes, as GPT-2 began it."""


def texts(tokenizer: Any, n_ids: int) -> list[str]:
    """Return the text of each id, a different one for each.

    A token that is part of a character shows its bytes, ``"⟨F0 9F⟩"``; one whose text another has too, its id as well,
    ``"the⟨#1820⟩"``; one that the tokenizer cannot write as text, its name in the vocabulary; an id that the tokenizer
    does not have, and each without a tokenizer, ``"<49152>"``.

    Parameters
    ----------
    tokenizer : Hugging Face tokenizer or None
    n_ids : int
        How many ids the model reads, which may be more than the tokenizer has.

    Raises
    ------
    PromptError
        When the tokenizer cannot list its vocabulary.
    """
    found = [f"<{token_id}>" for token_id in range(n_ids)]
    if tokenizer is None:
        return found
    written, added = ({i: token for i, token in each.items() if i < n_ids} for each in asked.vocabulary(tokenizer))
    # One that is no special token may stand for a text that it is not written as: Gemma's runs of spaces.
    whole = {i: str(token) for i, token in added.items() if getattr(token, "special", True) or SPACE not in str(token)}
    plain = [i for i in written if i not in whole]
    whole |= dict(zip(plain, _in_context(tokenizer, plain, written), strict=True))
    taken = {name for i, name in enumerate(found) if i not in whole}
    # Where several tokens have one text, the one that is written so keeps it, before one that stands for a byte.
    of_bytes = {i for i, token in written.items() if BYTE_TOKEN.fullmatch(str(token))}
    for i in sorted(whole, key=lambda i: (i in of_bytes, i)):
        found[i] = _distinct(whole[i], i, str(written.get(i, "")), taken)
        taken.add(found[i])
    return found


def text_of(tokenizer: Any, token_ids: Sequence[int]) -> str:
    """Return the tokenizer's own decoding of a whole prompt, special tokens shown.

    Ids that it does not have, or cannot write as text, are ``"<49152>"``.

    Parameters
    ----------
    tokenizer : Hugging Face tokenizer or None
    token_ids : ints
    """
    if tokenizer is None:
        return "".join(f"<{i}>" for i in token_ids)
    parts: list[str] = []
    run: list[int] = []
    for i in [*token_ids, None]:
        if i is not None and _has(tokenizer, i):
            run.append(i)
            continue
        (text,) = (_continued if parts else _each)(tokenizer, [run])
        parts.append(text if text is not None else "".join(f"<{i}>" for i in run))
        parts.append("" if i is None else f"<{i}>")
        run = []
    return "".join(parts)


def _has(tokenizer: Any, token_id: int) -> bool:
    try:
        asked.decoded(tokenizer, [[token_id]])
        return asked.names(tokenizer, [token_id])[0] is not None
    except PromptError:  # as tokenizers in Python say that they do not
        return False


def _in_context(tokenizer: Any, ids: list[int], written: dict[int, Any]) -> Iterable[str]:
    """Yield what each token adds to a text before it, with its bytes where that is no whole character."""
    continued = _continued(tokenizer, [[i] for i in ids])
    if all(added is None or added.startswith(" ") for added in continued):  # as between whole words: it tells nothing
        continued = [added and added[1:] for added in continued]
    for i, added in zip(ids, continued, strict=True):
        content = _bytes(written[i]) if not added or "\ufffd" in added else None
        if content is not None:
            yield _shown(content)
        elif str(written[i]).endswith(WORD_END):
            yield str(written[i]).removesuffix(WORD_END) + " "
        else:
            yield str(written[i]) if added is None else added


def _continued(tokenizer: Any, runs: list[list[int]]) -> list[str | None]:
    """Return what each run of ids adds to a text; None where it cannot be written.

    At its beginning a decoder may drop a space.
    """
    try:
        before = asked.read(tokenizer, "a", special_tokens=False)[-1:]
    except PromptError:  # one that does not know the letter, and has no unknown token
        before = []
    start, *decoded = _each(tokenizer, [before, *(before + run for run in runs)])
    return [text if text is None else text.removeprefix(start or "") for text in decoded]


def _each(tokenizer: Any, runs: list[list[int]]) -> list[str | None]:
    """Return the text of each run of ids; None for those, found by halves, over which the tokenizer fails."""
    try:
        return [*asked.decoded(tokenizer, runs)]
    except PromptError:
        if len(runs) == 1:
            return [None]
        half = len(runs) // 2
        return [*_each(tokenizer, runs[:half]), *_each(tokenizer, runs[half:])]


def _bytes(written: str | bytes) -> bytes | None:
    """Return the bytes that a token of the vocabulary stands for; None where it is written otherwise."""
    if isinstance(written, bytes):
        return written
    byte = BYTE_TOKEN.fullmatch(written)
    if byte:
        return bytes.fromhex(byte[1])
    return bytes(BYTE_OF[letter] for letter in written) if BYTE_OF.keys() >= {*written} else None


def _shown(content: bytes) -> str:
    """Return bytes as text, those that are only part of a character as numbers: ``"⟨F0 9F⟩"``."""
    return re.sub(
        "[\udc80-\udcff]+",
        lambda part: f"⟨{' '.join(f'{ord(byte) - 0xDC00:02X}' for byte in part[0])}⟩",
        content.decode("utf-8", errors="surrogateescape"),
    )


def _distinct(name: str, token_id: int, written: str, taken: set[str]) -> str:
    """Return the text of a token, told from those that others have already."""
    if name and name not in taken and not NUMBERED.search(name):
        return name
    byte = BYTE_TOKEN.fullmatch(written)
    as_byte = f"⟨{byte[1].upper()}⟩" if byte else ""
    return as_byte if as_byte and as_byte not in taken else f"{name}⟨#{token_id}⟩"
