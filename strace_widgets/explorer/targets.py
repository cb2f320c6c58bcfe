"""The question of a trace in the Explorer: what is asked for, and against which other prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import PromptError
from ..model.text.contrasts import Contrast, read_contrast
from ..model.text.prompts import ReadPrompt
from ..results.asking import asked_by_its_order

if TYPE_CHECKING:
    from ..graph.edges import Array
    from ..model.model import Model
    from ..results.strace import STrace
    from ..results.sweep import Sweep
    from .settings import Settings
    from .targets_contract import AskedToken, Question


def contrast_of(model: Model, whole: ReadPrompt, settings: Settings) -> Contrast:
    """Return the question of settings about the tokens of a whole prompt up to their position.

    Raises
    ------
    PromptError
        When it cannot be asked: see `strace_widgets.model.text.contrasts.read_contrast`.
    """
    target, foil, other = (list(ids) or None for ids in (settings.target, settings.foil, settings.counterfactual))
    found = read_contrast(model, whole.token_ids, target, foil, other)
    seen = found.counterfactual[: settings.position + 1]
    if seen and seen == tuple(whole.token_ids[: settings.position + 1].tolist()):
        raise PromptError(
            "Up to this token the counterfactual is the prompt itself: explain a later token, or take the "
            "counterfactual out."
        )
    return replace(found, counterfactual=seen)


def read_other(model: Model, whole: ReadPrompt, text: str) -> tuple[int, ...]:
    """Return the token ids of a counterfactual that was typed, read as the prompt was; none of an empty text.

    Raises
    ------
    PromptError
        When it cannot be read.
    """
    if not text.strip():
        return ()
    return tuple(model.read(text, special_tokens=whole.origin.special_tokens).token_ids.tolist())


def other_prompt(model: Model, whole: ReadPrompt, ids: tuple[int, ...]) -> ReadPrompt:
    """Return the counterfactual of a whole prompt as a prompt, which begins and ends as that does."""
    origin, text = whole.origin, model.text(ids)
    if origin.special_tokens:  # the tokenizer puts them there again
        text = text.removeprefix(origin.start).removesuffix(origin.end)
    return ReadPrompt(text, np.array(ids, dtype=np.int64), replace(origin, given="text", template=""))


def swapped(settings: Settings, whole: ReadPrompt, other: ReadPrompt) -> Settings:
    """Return settings with the prompt and its counterfactual, and target and foil, in each other's place."""
    target, foil = (settings.foil, settings.target) if settings.foil else (settings.target, ())
    return replace(
        settings, prompt=other.text, counterfactual=tuple(whole.token_ids.tolist()), target=target, foil=foil
    )


def question(
    trace: STrace, sweep: Sweep, whole: ReadPrompt, other: tuple[int, ...], *, complete: bool
) -> dict[str, Any]:
    """Return what a view state has of a trace's question: nothing where it asks about the whole distribution alone.

    Parameters
    ----------
    trace : STrace
    sweep : Sweep
        Its levels.
    whole : ReadPrompt
    other : tuple of int
        The whole counterfactual.
    complete : bool
        Whether these are all levels.
    """
    contrast = trace.contrast
    if not contrast.target and not other:
        return {}
    scored = complete and faithfulness(sweep) is not None

    def score(name: Literal["cpr", "cmd"], axis: Literal["s", "log10 s"]) -> float | None:
        return round(float(getattr(sweep, name)(axis)), 5) if scored else None

    found: Question = {
        "target": _tokens(trace, contrast.target),
        "foil": _tokens(trace, contrast.foil),
        "counterfactual": [trace.model.decode(token) for token in other],
        "counterfactual_text": other_prompt(trace.model, whole, other).text if other and not trace.replayed else "",
        "ordered": asked_by_its_order(trace),
        "full_figure": _known(float(contrast.of(trace.full_logits))) if contrast.target else None,
        "empty_figure": _known(sweep.empty_figure),
        "cpr": score("cpr", "s"),
        "cmd": score("cmd", "s"),
        "cpr_log": score("cpr", "log10 s"),
        "cmd_log": score("cmd", "log10 s"),
    }
    return {"question": found}


def faithfulness(sweep: Sweep) -> Array | None:
    """Return how much of the target's figure there is at each size (K,); None where no target has one."""
    if sweep.figure is None:
        return None
    found = sweep.faithfulness
    return found if np.isfinite(found).all() else None


def of_row(sweep: Sweep, row: int) -> dict[str, float | None]:
    """Return the same of one size, as results have it: nothing where no target is asked for."""
    if sweep.figure is None:
        return {}
    return {"faithfulness": _known(float(sweep.faithfulness[row]))}


def of_curve(sweep: Sweep) -> dict[str, list[float]]:
    """Return the same of all sizes, as curves have it."""
    found = faithfulness(sweep)
    return {} if found is None else {"faithfulness": np.round(found, 5).tolist()}


def _tokens(trace: STrace, ids: tuple[int, ...]) -> list[AskedToken]:
    return [{"id": token, "token": trace.model.decode(token)} for token in ids]


def _known(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None
