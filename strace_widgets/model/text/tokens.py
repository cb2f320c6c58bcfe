"""Token ids, checked against what the model can read, and the one that a text is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...errors import PromptError
from . import tokenizer as asked

if TYPE_CHECKING:
    from ...graph.edges import Array


def check(ids: Array, vocabulary_size: int, context: int, model: str) -> None:
    """Refuse token ids that the model cannot read.

    Raises
    ------
    PromptError
        When there are more than ``context``, or some are outside the vocabulary.
    """
    if len(ids) > context:
        raise PromptError(f"The prompt has {len(ids):,} tokens, but {model} reads at most {context:,}: shorten it.")
    if ids.min() < 0 or ids.max() >= vocabulary_size:
        raise PromptError(
            f"Token ids of {model} are 0 to {vocabulary_size - 1}; the prompt has {ids.min()} to {ids.max()}."
        )


def encoded_one(text: str, texts: list[str], tokenizer: Any, model: str) -> int:
    """Return the id of the token with a text, or whose text is written so at the beginning of a prompt.

    Raises
    ------
    PromptError
        When it is not exactly one.
    """
    if text in texts:
        return texts.index(text)
    halves = any("\ud800" <= each <= "\udfff" for each in text)  # of characters, which no tokenizer reads
    ids = [] if tokenizer is None or halves else asked.read(tokenizer, text, special_tokens=False)
    if len(ids) != 1:
        raise PromptError(f"The next token is one token, but {text!r} is {len(ids)} of {model}: give its id.")
    return int(ids[0])
