"""Text to token ids and back, as a model reads them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from . import prompts, tokens, vocabulary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ...graph.edges import Array
    from ..architecture import Architecture
    from .prompts import Prompt, ReadPrompt


class Reader:
    """What a model does with text; `Model` is one.

    Attributes
    ----------
    name : str
    tokenizer : Hugging Face tokenizer or None
    architecture : Architecture
    """

    name: str
    tokenizer: Any
    architecture: Architecture

    @property
    def vocabulary_size(self) -> int:
        """How many token ids the model reads."""
        raise NotImplementedError

    def read(self, prompt: Prompt, *, special_tokens: bool = True) -> ReadPrompt:
        """Return the prompt as the model reads it: its text, its token ids, and how they came about.

        Parameters
        ----------
        prompt : str, token ids or messages
            Token ids are a list, an array or tensor of shape (T,) or (1, T), or a tokenizer's encoding of one prompt;
            messages a list of dicts with ``role`` and ``content``, which the tokenizer's chat template writes as text.
        special_tokens : bool
            Whether the tokenizer adds its special tokens to a text.

        Raises
        ------
        PromptError
            When the prompt is empty, several prompts, none of these, too long for the model, or holds ids outside the
            vocabulary; when messages have an unknown role, or the tokenizer has no chat template.
        """
        found = prompts.read(prompt, self.tokenizer, self.name, self.text, special_tokens=special_tokens)
        tokens.check(found.token_ids, self.vocabulary_size, self.architecture.context, self.name)
        return found

    def encode(self, prompt: Prompt) -> Array:
        """Return the prompt's token ids (T,), int64: see `read`. Text gets what special tokens its tokenizer adds.

        Parameters
        ----------
        prompt : str, token ids or messages

        Raises
        ------
        PromptError
        """
        return self.read(prompt).token_ids

    def encode_one(self, token: str | int) -> int:
        """Return the id of a single token, given as text or id.

        Parameters
        ----------
        token : str or int

        Raises
        ------
        PromptError
            When the text is not exactly one token.
        """
        if not isinstance(token, str):
            return int(self.encode([token])[0])
        return tokens.encoded_one(token, self.texts, self.tokenizer, self.name)

    def decode(self, token_id: int) -> str:
        """Return one token's text as it stands inside a prompt, with the space that it begins with: see `texts`.

        Parameters
        ----------
        token_id : int
        """
        return self.texts[token_id] if 0 <= token_id < len(self.texts) else f"<{token_id}>"

    @cached_property
    def texts(self) -> list[str]:
        """The text of each token id, a different one for each: see `vocabulary.texts`."""
        return vocabulary.texts(self.tokenizer, self.vocabulary_size)

    def text(self, token_ids: Iterable[int]) -> str:
        """Return the text of a prompt that is given as token ids: what the tokenizer makes of the whole.

        Parameters
        ----------
        token_ids : ints
        """
        return vocabulary.text_of(self.tokenizer, [int(i) for i in token_ids])
