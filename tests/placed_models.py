"""All that a model is asked for, to compare where and how it runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import tiny_models
from held_models import PROMPT

import strace_widgets as sw

MEASURES = ("l1", "l2", "proximity", "cosine", "projection", "fisher", "rescored", "refined", "eap", "eap-ig")


def lengths(captured: Any) -> sw.Edges:
    """A measure of one's own."""
    by_head = np.linalg.norm(captured.heads, axis=-1)[:, :, None, :]
    others = (captured.attention_residual, captured.mlp, captured.mlp_residual)
    return sw.Edges(np.abs(captured.factors) * by_head, *(np.linalg.norm(each, axis=-1) for each in others))


def everything(module: Any, measures: tuple[str, ...] = MEASURES) -> dict[str, Any]:
    """Every measure, sweeps in every mode, and a measure of one's own, of a module."""
    model = sw.load_model(module, tokenizer=tiny_models.words())
    found = {}
    for measure in measures:
        trace = sw.trace(model, PROMPT, importance=measure)
        found |= {f"{measure}, {kind}": getattr(trace.weights, kind) for kind in sw.Edges._fields}
    modes: list[dict[str, Any]] = [{}, {"ablation": "mean"}, {"attention": "frozen"}, {"residual": "kept"}]
    found |= {str(mode): trace.evaluate([1.0, 0.5, 0.2], **mode).probabilities for mode in modes}
    found["toggled"] = trace.evaluate([0.5], {"1.2": "off", "0.mlp": "on"}).probabilities
    own = sw.trace(model, PROMPT, importance=lengths)
    return found | {"own": own.weights.attention, "states": trace.hidden_states([0.5]), "logits": trace.full_logits}


def largest_gap(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest difference, relative to the largest of its kind."""
    assert all(value.dtype == np.float32 or name == "own" for name, value in found.items())
    return max(
        float(np.abs(found[name] - value).max() / max(np.abs(value).max(), 1e-30)) for name, value in expected.items()
    )
