"""A generated text, token by token: how much of the model each token needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from ..errors import NonFiniteError, PromptError
from ..extras import pd
from ..model.text.prompts import Origin, ReadPrompt
from ..waiting import silent
from .run import read_prompt, trace

if TYPE_CHECKING:
    from ..graph.edges import Array
    from ..graph.measures import Importance
    from ..model.model import Model
    from ..model.text.prompts import Prompt
    from .strace import STrace


def trace_generation(
    model: Model,
    prompt: Prompt,
    importance: Importance = "l1",
    *,
    max_new_tokens: int,
    progress: bool = True,
) -> pd.DataFrame:
    """Generate text greedily, and trace the prediction of every token.

    Parameters
    ----------
    model : Model
    prompt, importance
        As for `strace_widgets.trace`.
    max_new_tokens : int
        How many tokens to generate, each the full model's most probable one.
    progress : bool
        Show a progress bar.

    Returns
    -------
    pandas.DataFrame
        One row a generated token: ``step``, from 0; ``position``, its place in the whole text; ``token_id``, ``token``;
        ``probability`` and ``entropy`` (nats) of the full model's prediction; ``size``, the smallest share of edges
        from which on the subgraph predicts the same token; ``n_edges``, the whole graph's at that step.

    Raises
    ------
    PromptError
        When there is no token to generate, or the text would be longer than the model's context.
    """
    token_ids = read_prompt(model, prompt).token_ids
    context = model.architecture.context
    if max_new_tokens < 1:
        raise PromptError(f"There is no token to generate: max_new_tokens is {max_new_tokens}, give 1 or more.")
    if len(token_ids) + max_new_tokens - 1 > context:
        raise PromptError(
            f"{len(token_ids):,} tokens and {max_new_tokens:,} generated ones are more than the {context:,} that "
            f"{model.name} reads: shorten either."
        )
    rows = []
    for step in tqdm(range(max_new_tokens), desc="tokens", disable=not progress):
        with silent():
            traced = _traced(model, token_ids, importance, step)
        rows.append(
            {
                "step": step,
                "position": len(token_ids),
                "token_id": traced.top[0].id,
                "token": traced.top[0].token,
                "probability": traced.top[0].probability,
                "entropy": traced.entropy,
                "size": traced.smallest(top1=True),
                "n_edges": traced.n_edges,
            }
        )
        token_ids = np.append(token_ids, traced.top[0].id)
    return pd.DataFrame(rows)


def _traced(model: Model, token_ids: Array, importance: Importance, step: int) -> STrace:
    try:
        return trace(model, ReadPrompt(model.text(token_ids), token_ids, Origin()), importance)
    except NonFiniteError as reason:
        reason.add_note(f"This was at step {step} of the generated text, after {model.text(token_ids)!r}.")
        raise
