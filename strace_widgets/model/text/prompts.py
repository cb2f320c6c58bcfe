"""A prompt as it is given, a text, token ids or messages, and what became of it on the way to the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from ...errors import PromptError
from . import chat
from . import tokenizer as asked

if TYPE_CHECKING:
    from collections.abc import Callable

    from ...graph.edges import Array

Prompt = str | Sequence[int] | Sequence[Mapping[str, Any]] | Mapping[str, Any] | Any
"""A text; the token ids of one prompt, as a list, an array or tensor of shape (T,) or (1, T), or a tokenizer's
encoding; or messages, a list of dicts with ``role`` and ``content``, which the tokenizer's chat template writes as a
text."""


@dataclass(frozen=True)
class Origin:
    """How a prompt became token ids.

    Attributes
    ----------
    given : {"text", "token ids", "messages"}
    special_tokens : bool
        Whether the tokenizer was to add its special tokens: not to what has them already, as token ids and messages do.
    template : str
        Which chat template wrote the messages as a text.
    system, generation_prompt : str
        The system message that it wrote of its own, and what it put behind the messages, for the answer to follow.
    start, end : str
        The special tokens that the template, or for a text the tokenizer, put in front and behind.
    withheld : str
        The special tokens that the tokenizer puts in front of a text and this prompt does not begin with.
    doubled : str
        The start token, where the prompt begins with it twice, or a message has it in its content.
    left_out : tuple of int
        The messages, from 0, whose content the template did not write.
    """

    given: Literal["text", "token ids", "messages"] = "text"
    special_tokens: bool = True
    template: str = ""
    system: str = ""
    generation_prompt: str = ""
    start: str = ""
    end: str = ""
    withheld: str = ""
    doubled: str = ""
    left_out: tuple[int, ...] = ()

    @property
    def note(self) -> str:
        """What was done to the prompt, in sentences; empty where it was read as plain text or ids are."""
        parts = []
        if self.template:
            added = [f"the start token {self.start!r}"] if self.start else []
            added += [f"the system message {self.system!r}"] if self.system else []
            added += [f"the generation prompt {self.generation_prompt!r}"] if self.generation_prompt else []
            parts.append(f"Messages, written by {self.template}; added: {', '.join(added) or 'nothing'}.")
        if self.withheld:
            parts.append(f"It begins without {self.withheld!r}, which the tokenizer puts in front of a text.")
        return " ".join(parts)

    @property
    def warning(self) -> str:
        """What is probably not meant, in sentences; empty where nothing is."""
        parts = []
        if self.doubled:
            remedy = {
                "text": "leave it out of the text, which the tokenizer begins with one of its own, or give token ids",
                "token ids": "leave one out of the token ids",
                "messages": "the chat template writes it, and a message has it too: leave it out of the message",
            }[self.given]
            parts.append(f"The prompt has two start tokens {self.doubled!r}: {remedy}.")
        if self.end:
            parts.append(
                f"The tokenizer ends the prompt with {self.end!r}, so that the prediction explained is what follows "
                "that: give token ids without it to explain how the text goes on."
            )
        if self.left_out:
            parts.append(f"The chat template left out the content of message {', '.join(map(str, self.left_out))}.")
        return " ".join(parts)


class ReadPrompt(NamedTuple):
    """A prompt's text, its token ids (T,) int64, and how they came about."""

    text: str
    token_ids: Array
    origin: Origin


def read(
    prompt: Prompt, tokenizer: Any, model: str, text_of: Callable[[Array], str], *, special_tokens: bool = True
) -> ReadPrompt:
    """Return a prompt as the model reads it.

    Parameters
    ----------
    prompt : Prompt
    tokenizer : Hugging Face tokenizer or None
    model : str
        The model's name, for messages.
    text_of : callable
        Decodes token ids.
    special_tokens : bool
        Whether the tokenizer adds its special tokens to a text.

    Raises
    ------
    PromptError
        When it is empty, several prompts, none of what a prompt can be, or needs a tokenizer or a chat template that
        is not there.
    """
    prompt = chat.single(prompt)
    if isinstance(prompt, str):
        if not prompt.strip():
            raise PromptError("The prompt is empty: give at least one word to continue.")
        text, ids, origin = _of_text(prompt, _needed(tokenizer, model), special_tokens=special_tokens)
    elif chat.is_messages(prompt):
        written = chat.written(prompt, _needed(tokenizer, model), model)
        text, ids, origin = _of_text(written.text, tokenizer, special_tokens=False)
        origin = replace(
            origin,
            given="messages",
            template=written.template,
            system=written.system,
            generation_prompt=written.generation_prompt,
            left_out=written.left_out,
            doubled=_held(prompt, origin.start),
        )
    else:
        ids = token_ids(prompt)
        text, origin = text_of(ids), Origin("token ids", special_tokens=False)
    return ReadPrompt(text, ids, replace(origin, doubled=origin.doubled or _doubled(ids, tokenizer, text_of)))


def token_ids(prompt: Any) -> Array:
    """Return token ids (T,) int64 from whatever holds those of one prompt.

    Raises
    ------
    PromptError
    """
    padding = None
    if isinstance(prompt, Mapping):
        if "input_ids" not in prompt:
            raise PromptError(
                f"A prompt is a text, token ids, or a list of messages; this is a dict of "
                f"{', '.join(map(repr, prompt)) or 'nothing'}. A single message goes into a list."
            )
        prompt, padding = prompt["input_ids"], prompt.get("attention_mask")
    ids = _one_row(prompt)
    if not np.issubdtype(ids.dtype, np.integer):
        raise PromptError(f"The prompt is text or token ids (whole numbers); these are {ids.dtype}.")
    if padding is not None:
        read = _one_row(padding).astype(bool)
        if read.shape != ids.shape or (np.diff(np.flatnonzero(read)) != 1).any() or not read.any():
            raise PromptError("The attention mask of a prompt hides tokens between others, or all: give the ids alone.")
        ids = ids[read]  # padding is not part of the prompt
    return ids.astype(np.int64)


def _one_row(values: Any) -> Array:
    """Return what a list, an array or a tensor of shape (T,) or (1, T) holds."""
    if hasattr(values, "detach"):
        values = values.detach().cpu()
    try:
        row = np.asarray(values)
    except (ValueError, TypeError, RuntimeError):  # rows of unequal length, numbers that numpy does not have
        row = np.empty(0, dtype=object)
    if row.ndim == 2 and len(row) > 1:  # noqa: PLR2004 - a batch
        raise PromptError(
            f"The prompt is one non-empty sequence of token ids; these are {len(row)} of {row.shape[1]} tokens. Trace "
            "each, or give them all to strace_widgets.study."
        )
    row = row[0] if row.ndim == 2 else np.atleast_1d(row)  # noqa: PLR2004
    if row.dtype == object:
        raise PromptError(
            f"The prompt is one non-empty sequence of token ids, a text, or a list of messages; this "
            f"{type(values).__name__} is none of these."
        )
    if row.ndim != 1 or not row.size:
        raise PromptError(f"The prompt is one non-empty sequence of token ids; this has shape {np.shape(row)}.")
    return row


def _of_text(text: str, tokenizer: Any, *, special_tokens: bool) -> tuple[str, Array, Origin]:
    refuse_half_characters(text)
    before, bare, behind = _parts(text, tokenizer)
    full = [*before, *bare, *behind]
    if not (full if special_tokens else bare):
        raise PromptError("The prompt is empty: give at least one word to continue.")
    start, end = _written(tokenizer, before), _written(tokenizer, behind)
    if special_tokens:
        return text, np.asarray(full, dtype=np.int64), Origin(start=start, end=end)
    begins = _written(tokenizer, bare[: max(len(before), 1)])
    held = start if begins != start else ""
    starts = begins if begins == (start or getattr(tokenizer, "bos_token", None)) else ""
    return text, np.asarray(bare, dtype=np.int64), Origin(special_tokens=False, start=starts, withheld=held)


def refuse_half_characters(text: str) -> None:
    """Refuse a text that no tokenizer reads, since it has half a character in it.

    Raises
    ------
    PromptError
    """
    try:
        text.encode()
    except UnicodeEncodeError as reason:
        raise PromptError(
            f"The text has half a character, {text[reason.start]!r}, at position {reason.start} (a lone surrogate): "
            "take it out."
        ) from None


def _parts(text: str, tokenizer: Any) -> tuple[list[int], list[int], list[int]]:
    """Return the special tokens that a tokenizer puts in front of a text, the text's own tokens, and those behind."""
    full, bare = (asked.read(tokenizer, text, special_tokens=added) for added in (True, False))
    before = next((i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare), None)
    return ([], full, []) if before is None else (full[:before], bare, full[before + len(bare) :])


def _written(tokenizer: Any, ids: Sequence[int]) -> str:
    return "".join(map(str, asked.names(tokenizer, ids)))


def _doubled(ids: Array, tokenizer: Any, text_of: Callable[[Array], str]) -> str:
    """Return the start token, or tokens, where the prompt begins with it twice, perhaps with spaces between the two."""
    if tokenizer is None:
        return ""
    named = [getattr(tokenizer, name, None) for name in ("bos_token_id", "cls_token_id")]
    for start in (_start(tokenizer), *([token] for token in named if token is not None)):
        rest = ids[len(start) :].tolist()
        if not start or ids[: len(start)].tolist() != start:
            continue
        while rest and not text_of(np.asarray(rest[:1])).strip():
            rest.pop(0)
        if rest[: len(start)] == start:
            return _written(tokenizer, start)
    return ""


def _start(tokenizer: Any) -> list[int]:
    """Return what a tokenizer puts in front of a text; nothing is known where it cannot read a letter."""
    try:
        return _parts("a", tokenizer)[0]
    except PromptError:
        return []


def _held(messages: Any, start: str) -> str:
    """Return the start token where a message has it in its content."""
    contents = [text for message in messages for text in chat.texts(message["content"])]
    return start if start and any(start in text for text in contents) else ""


def _needed(tokenizer: Any, model: str) -> Any:
    if tokenizer is None:
        raise PromptError(f"{model} has no tokenizer, so give the prompt as token ids, or load it with tokenizer=....")
    return tokenizer
