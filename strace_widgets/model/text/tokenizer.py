"""What is asked of a tokenizer; one that cannot answer says so in one way, whatever its library raises."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import PromptError, first_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def read(tokenizer: Any, text: str, *, special_tokens: bool = True) -> list[int]:
    """Return the token ids of a text.

    Parameters
    ----------
    tokenizer : Hugging Face tokenizer
    text : str
    special_tokens : bool
        Whether it adds its own.

    Raises
    ------
    PromptError
        When it cannot: one without an unknown token, where it needs that.
    """
    with _asked("read this text"):
        # A text longer than the model reads is refused with its prompt, and needs no warning here.
        return list(tokenizer(text, add_special_tokens=special_tokens, verbose=False)["input_ids"])


def placed(tokenizer: Any, text: str) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the token ids of a text, and the characters from where to where each stands; none for a special token.

    Raises
    ------
    PromptError
        When it cannot, as those that are written in Python.
    """
    with _asked("say where the tokens of a text stand in it"):
        found = tokenizer(text, return_offsets_mapping=True)
        return list(found["input_ids"]), [tuple(span) for span in found["offset_mapping"]]


def decoded(tokenizer: Any, runs: Sequence[Sequence[int]]) -> list[str]:
    """Return the text of each run of token ids, special tokens shown.

    Raises
    ------
    PromptError
        When it cannot: a tokenizer in Python raises for an id that it does not have.
    """
    with _asked("write these token ids as text"):
        fast = getattr(tokenizer, "backend_tokenizer", None)
        if fast and len(runs) > 1:  # one call for all of a large vocabulary
            return list(fast.decode_batch(list(map(list, runs)), skip_special_tokens=False))
        how = {"skip_special_tokens": False, "clean_up_tokenization_spaces": False}
        return [str(tokenizer.decode(list(run), **how)) if run else "" for run in runs]


def names(tokenizer: Any, ids: Sequence[int]) -> list[Any]:
    """Return what each token id is called in the vocabulary; None for one that is not there.

    Raises
    ------
    PromptError
        When it cannot: a tokenizer in Python raises for an id that it does not have.
    """
    with _asked("name these token ids"):
        return list(tokenizer.convert_ids_to_tokens(list(ids)))


def vocabulary(tokenizer: Any) -> tuple[dict[int, Any], dict[int, Any]]:
    """Return what each token id is called, and those that were added to the vocabulary, special ones among them.

    Raises
    ------
    PromptError
        When it cannot.
    """
    with _asked("list its vocabulary"):
        called = {i: name for name, i in tokenizer.get_vocab().items()}
        return called, {int(i): token for i, token in tokenizer.added_tokens_decoder.items()}


@contextmanager
def _asked(what: str) -> Iterator[None]:
    """Turn what a tokenizer raises into a sentence: any exception, or a panic of Rust's, which is none."""
    try:
        yield
    except BaseException as reason:
        if not isinstance(reason, Exception) and type(reason).__name__ != "PanicException":
            raise
        raise PromptError(f"The tokenizer cannot {what}: {first_line(reason).rstrip('.')}.") from reason
