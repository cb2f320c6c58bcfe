"""What a trace is asked: why this token rather than that one, and against which other prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ...errors import PromptError
from . import tokenizer as asked
from .prompts import refuse_half_characters

if TYPE_CHECKING:
    from ...graph.edges import Array
    from ...graph.modes import Modes
    from .prompts import Prompt
    from .reader import Reader

Tokens = str | int | Sequence[str | int]
"""One token, or several that are right alike: texts or ids."""


@dataclass(frozen=True)
class Contrast:
    """The question of a trace; nothing where it asks about the whole distribution.

    Attributes
    ----------
    target, foil : tuple of int
        The tokens that are asked for, and those that they are set against. Of several the probabilities are added.
    counterfactual : tuple of int
        The token ids of another prompt, as long: dropped edges may carry what they carry there.
    """

    target: tuple[int, ...] = ()
    foil: tuple[int, ...] = ()
    counterfactual: tuple[int, ...] = ()

    @property
    def figure(self) -> str:
        """The metric that is asked for: see `strace_widgets.interventions.attribution.figure_of`."""
        return "logit difference" if self.foil else "target"

    def plain(self) -> dict[str, Any]:
        """Return what it says to `strace_widgets.interventions.attribution.capture_attributed`; {} where nothing."""
        asked = {"metric": self.figure, "target": list(self.target), "foil": list(self.foil)} if self.target else {}
        return asked | ({"counterfactual": list(self.counterfactual)} if self.counterfactual else {})

    def of(self, logits: Array) -> Array:
        """Return the figure of logits (..., V): log p(target) - log p(foil), which is their logit difference.

        Without a foil it is log p(target), in nats. Of several tokens p is the sum.

        Parameters
        ----------
        logits : (..., V) array
        """
        logits = np.asarray(logits, dtype=np.float64)
        against = logits[..., list(self.foil)] if self.foil else logits
        result: Array = _log_sum(logits[..., list(self.target)]) - _log_sum(against)
        return result

    def of_probabilities(self, probabilities: Array) -> Array:
        """Return the same of probabilities (..., V); minus infinity, or NaN, where those round to 0.

        Parameters
        ----------
        probabilities : (..., V) array
        """
        of_target, of_foil = (
            np.asarray(probabilities[..., list(ids)], dtype=np.float64).sum(axis=-1) for ids in (self.target, self.foil)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            result: Array = np.log(of_target) - (np.log(of_foil) if self.foil else 0.0)
        return result


def _log_sum(logits: Array) -> Array:
    result: Array = np.logaddexp.reduce(logits, axis=-1)
    return result


def check_rows(token_ids: Array, modes: Modes) -> None:
    """Refuse to patch from a counterfactual that is not there.

    Parameters
    ----------
    token_ids : (T,) or (2, T) array
        What is run: a prompt, or that and its counterfactual.
    modes : Modes

    Raises
    ------
    PromptError
    """
    if modes.patched and np.shape(token_ids)[:-1] != (2,):
        raise PromptError(
            f"ablation={modes.ablation!r} needs a counterfactual to patch from: the ids of two prompts of as many "
            f"tokens, as an array (2, T); this has the shape {np.shape(token_ids)}."
        )


def read_contrast(
    model: Reader,
    token_ids: Array,
    target: Tokens | None,
    foil: Tokens | None,
    counterfactual: Prompt | Mapping[Any, str | int] | None,
) -> Contrast:
    """Return the question that a person has put.

    Parameters
    ----------
    model : Reader
    token_ids : (T,) array
        The prompt.
    target, foil : str, int, or several
    counterfactual : prompt, or dict
        A dict puts tokens in the place of others: ``{3: " Spain"}`` at position 3, ``{(1, 4): "_"}`` at 1 to 3.

    Raises
    ------
    PromptError
        When a text is not one token, a foil is a target too or stands alone, or the counterfactual is the prompt or has
        another length.
    """
    wanted, other = _tokens(model, target, "target"), _tokens(model, foil, "foil")
    if other and not wanted:
        raise PromptError("A foil is what a target is set against: give a target, too.")
    if both := set(wanted) & set(other):
        names = ", ".join(repr(model.decode(token)) for token in sorted(both))
        raise PromptError(f"{names} is both target and foil: these have to be different tokens.")
    return Contrast(wanted, other, _counterfactual(model, token_ids, counterfactual))


def _tokens(model: Reader, tokens: Tokens | None, what: Literal["target", "foil"]) -> tuple[int, ...]:
    if tokens is None:
        return ()
    each = [tokens] if isinstance(tokens, (str, int, np.integer)) else list(tokens)
    if not each:
        raise PromptError(f"There is no {what} in the list: give at least one token, or leave it out.")
    found = []
    for token in each:
        try:
            found.append(model.encode_one(token if isinstance(token, str) else int(token)))
        except PromptError as reason:
            if not isinstance(token, str) or model.tokenizer is None:
                raise
            refuse_half_characters(token)
            ids = asked.read(model.tokenizer, token, special_tokens=False)
            pieces = " + ".join(repr(model.decode(piece)) for piece in ids)
            raise PromptError(
                f"A {what} is one token, and {token!r} is {len(ids)} of {model.name}: {pieces or 'nothing'}. Most "
                "words begin with a space inside a text; or give the first piece, or an id."
            ) from reason
    return tuple(dict.fromkeys(found))


def _counterfactual(
    model: Reader, token_ids: Array, counterfactual: Prompt | Mapping[Any, str | int] | None
) -> tuple[int, ...]:
    if counterfactual is None:
        return ()
    if isinstance(counterfactual, Mapping) and not hasattr(counterfactual, "input_ids"):
        ids = _with_others(model, token_ids, counterfactual)
    else:
        ids = model.encode(counterfactual)
    if len(ids) != len(token_ids):
        pairs = enumerate(zip(token_ids, ids, strict=False))
        at = next((place for place, (a, b) in pairs if a != b), min(len(ids), len(token_ids)))
        raise PromptError(
            f"The counterfactual has {len(ids)} tokens and the prompt {len(token_ids)}; dropped edges can carry what "
            f"they carry there only if these are as many.\n  prompt:         {_marked(model, token_ids, at)}\n"
            f"  counterfactual: {_marked(model, ids, at)}"
        )
    if np.array_equal(ids, token_ids):
        raise PromptError("The counterfactual is the prompt itself: give another one, of as many tokens.")
    return tuple(int(token) for token in ids)


def _marked(model: Reader, token_ids: Array, at: int) -> str:
    """Return the tokens side by side, with the first that differs in angle brackets."""
    shown = [repr(model.decode(int(token))) for token in token_ids]
    return " ".join(f"→{text}←" if place == at else text for place, text in enumerate(shown))


def _with_others(model: Reader, token_ids: Array, others: Mapping[Any, str | int]) -> Array:
    """Return a prompt's ids with other tokens in some places."""
    ids, positions = token_ids.copy(), range(len(token_ids))
    for where, token in others.items():
        first, end = where if isinstance(where, tuple) else (where, where + 1)
        if first not in positions or end - 1 not in positions or end <= first:
            raise PromptError(
                f"There are no tokens {where!r} to replace: positions of the prompt go from 0 to {len(ids) - 1}."
            )
        ids[first:end] = model.encode_one(token)
    return ids
