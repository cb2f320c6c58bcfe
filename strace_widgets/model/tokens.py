"""Text to token ids and back, checked against what the model can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PromptError

if TYPE_CHECKING:
    from ..graph.edges import Array


def encoded(prompt: str | list[int] | Array, tokenizer: Any, model: str) -> Array:
    """Return the token ids (T,) int64 of a prompt, with whatever special tokens the tokenizer itself adds to a text.

    Parameters
    ----------
    prompt : str or token ids
    tokenizer : Hugging Face tokenizer or None
    model : str
        The model's name, for messages.

    Raises
    ------
    PromptError
        When the prompt is empty, no sequence of whole numbers, or text without a tokenizer.
    """
    if isinstance(prompt, str):
        if tokenizer is None:
            raise PromptError(
                f"{model} has no tokenizer, so give the prompt as token ids, or load it with tokenizer=...."
            )
        if not prompt.strip():
            raise PromptError("The prompt is empty: give at least one word to continue.")
        prompt = tokenizer(prompt)["input_ids"]
    ids = np.atleast_1d(np.atleast_1d(np.asarray(prompt)).squeeze())
    if ids.ndim != 1 or len(ids) == 0:
        raise PromptError(f"The prompt is one non-empty sequence of token ids; this has shape {ids.shape}.")
    if not np.issubdtype(ids.dtype, np.integer):
        raise PromptError(f"The prompt is text or token ids (whole numbers); these are {ids.dtype}.")
    return ids.astype(np.int64)


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


def encoded_one(text: str, tokenizer: Any, model: str) -> int:
    """Return the id of a text that is one token.

    Raises
    ------
    PromptError
        When it is not exactly one.
    """
    ids = [] if tokenizer is None else tokenizer(text, add_special_tokens=False)["input_ids"]
    if len(ids) != 1:
        raise PromptError(f"The next token is one token, but {text!r} is {len(ids)} of {model}: give its id.")
    return int(ids[0])


def decoded(token_id: int, tokenizer: Any) -> str:
    """Return one token's text, or its raw form where it is only part of a character; without a tokenizer its id."""
    if tokenizer is None:
        return f"<{token_id}>"
    text = str(tokenizer.decode([token_id], clean_up_tokenization_spaces=False))
    if text and "\ufffd" not in text:
        return text
    return str(tokenizer.convert_ids_to_tokens(token_id))
