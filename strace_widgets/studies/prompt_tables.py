"""What a study holds of one prompt: the rows of its four tables, from a trace by each measure and its sweeps."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PromptError, StraceError
from ..graph.counts import component_counts
from ..graph.edges import edges_kept
from ..graph.measures import depends_on_modes
from ..graph.order import checksum
from ..results import criteria, metrics
from ..results.run import trace
from .store import STATES
from .tables import CRITERIA
from .word_frequency import Unigram, rank_correlation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.model import Model
    from ..model.text.prompts import ReadPrompt
    from ..results.strace import STrace
    from ..results.sweep import Sweep
    from .prompts import Prompt
    from .store import Settings

BASELINES: dict[str, dict[str, Any]] = {
    "inverse": {"inverse": True},
    "random": {},
    "random-residual-kept": {"residual": "kept"},
}
"""The modes that each baseline is evaluated with, beside the masks mode."""


def prompt_tables(
    model: Model, prompt: Prompt, settings: Settings, words: Unigram
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Trace one prompt; return the columns of its tables, and its arrays by file name.

    Parameters
    ----------
    model : Model
    prompt : Prompt
    settings : Settings
    words : Unigram
        Of the model's vocabulary.
    """
    seed = zlib.crc32(f"{settings.seed}/{prompt.id}".encode())
    read = model.read(prompt.content)
    by_masks: list[dict[str, STrace]] = []
    identity = {"prompt_id": prompt.id}
    points, necessary = [], []
    for masks in settings.masks:
        modes = {"masks": masks} | settings.modes()
        known = by_masks[0] if by_masks else {}
        by_masks.append(_traces(model, read, settings.importance, seed, modes, known, prompt.question()))
        first = next(iter(by_masks[-1].values()))
        for name, traced in by_masks[-1].items():
            run = identity | {"importance": name, "masks": masks}
            sweep = traced.evaluate(settings.sizes, **modes)
            points.append(run | {"subgraph": "trace"} | _points(sweep, words))
            necessary.append(run | _necessary(sweep))
        for baseline in settings.baselines:
            traced = _baseline(first, baseline, seed)
            sweep = traced.evaluate(settings.sizes, **modes, **BASELINES[baseline])
            run = identity | {"importance": traced.importance, "masks": masks, "subgraph": baseline}
            points.append(run | _points(sweep, words))
    traces = by_masks[0]
    components = [
        identity | {"importance": name} | _components(traced, settings.sizes) for name, traced in traces.items()
    ]
    tables = {
        "prompts": described(model, prompt) | {"status": "ok"} | _full_model(first, prompt, words),
        "points": _joined(points),
        "necessary": _joined(necessary),
        "components": _joined(components),
    }
    return tables, _arrays(traces, settings)


def _traces(
    model: Model,
    read: ReadPrompt,
    importance: Iterable[str],
    seed: int,
    modes: dict[str, Any],
    known: dict[str, STrace],
    question: dict[str, Any],
) -> dict[str, STrace]:
    """Return a trace by each measure; one that is known serves again unless the measure depends on the modes."""
    return {
        name: trace(model, read, name, seed=seed, **question, **modes)
        if depends_on_modes(name)
        else known.get(name) or trace(model, read, name, seed=seed, **question)
        for name in importance
    }


def described(model: Model, prompt: Prompt) -> dict[str, Any]:
    """Return what the table of prompts holds of a prompt before it is run."""
    return {
        "prompt_id": prompt.id,
        "text": prompt_text(model, prompt),
        "kind": prompt.kind,
        "expected": prompt.expected,
        "language": prompt.language,
    }


def prompt_text(model: Model, prompt: Prompt) -> str:
    """Return the text of a prompt, also of one that is given as token ids or messages, or that cannot be traced."""
    text = prompt.content
    if not isinstance(text, str):
        try:
            text = model.read(text).text
        except (StraceError, TypeError, ValueError, OverflowError):
            text = str(text)
    return text.encode(errors="replace").decode()  # half a surrogate pair fits in no file


def _baseline(traced: STrace, baseline: str, seed: int) -> STrace:
    if baseline == "inverse":
        return traced
    return traced.random(seed, like_authors=baseline == "random-residual-kept")


def _arrays(traces: dict[str, STrace], settings: Settings) -> dict[str, Any]:
    """Return the hidden states and the edges of a prompt, those of them that the study keeps."""
    arrays: dict[str, Any] = {}
    if settings.hidden_states:
        first = next(iter(traces.values()))
        arrays[STATES] = first.hidden_states(settings.sizes, masks=settings.masks[0], **settings.modes())
    if settings.keep_traces:
        for name, traced in traces.items():
            weights = {f"weights_{kind}": values for kind, values in traced.weights._asdict().items()}
            arrays[f"edges-{name}.npz"] = weights | {"ranks_sha256": np.array(checksum(traced.ranks, traced.graph))}
    return arrays


def _full_model(traced: STrace, prompt: Prompt, words: Unigram) -> dict[str, Any]:
    log_p = metrics.log_probabilities(traced.full_logits)
    expected = _expected_id(traced, prompt)
    return {
        "n_tokens": len(traced.tokens),
        "n_edges": traced.n_edges,
        "full_top1_id": traced.top[0].id,
        "full_top1": traced.top[0].token,
        "full_top1_probability": traced.top[0].probability,
        "full_entropy": traced.entropy,
        "warning": traced.origin.warning or None,
        "expected_id": expected,
        "full_expected_probability": None if expected is None else float(np.exp(log_p[expected])),
        "full_unigram_correlation": float(rank_correlation(log_p[None, words.ids], words.log_frequency)[0]),
    }


def _expected_id(traced: STrace, prompt: Prompt) -> int | None:
    """Return the first token of the expected text; None where it is one token with the end of the prompt."""
    given, special_tokens = traced.origin.given, traced.origin.special_tokens
    if prompt.expected is None or given == "token ids":
        return None
    try:
        longer = traced.model.read(traced.prompt + prompt.expected, special_tokens=special_tokens).token_ids
    except PromptError:  # too long
        return None
    n_tokens = len(traced.token_ids)
    continues = len(longer) > n_tokens and np.array_equal(longer[:n_tokens], traced.token_ids)
    return int(longer[n_tokens]) if continues else None


def _points(sweep: Sweep, words: Unigram) -> dict[str, Any]:
    asked = {} if sweep.figure is None else {"figure": sweep.figure, "faithfulness": sweep.faithfulness}
    return {
        **sweep.columns(),
        **asked,
        "nucleus": np.rint(100 * sweep.nucleus).astype(int),  # the table has them in per cent
        "top1_id": [top[0].id for top in sweep.top],
        "top1_token": [top[0].token for top in sweep.top],
        "top1_probability": [top[0].probability for top in sweep.top],
        "full_correlation": rank_correlation(sweep.probabilities, sweep.full_probabilities),
        "unigram_correlation": rank_correlation(sweep.probabilities[:, words.ids], words.log_frequency),
    }


def _necessary(sweep: Sweep) -> dict[str, list[Any]]:
    """Return the smallest size of the sweep from which on each criterion holds."""
    sizes = [criteria.necessary_size(sweep, criteria.named(name)) for name in CRITERIA]
    return {"criterion": list(CRITERIA), "size": sizes}


def _components(traced: STrace, sizes: tuple[float, ...]) -> dict[str, Any]:
    """Count the edges of each head, MLP and layer's residual stream in the trace of each size; the last size is 1."""
    n_heads = traced.graph.n_heads
    counts, _ = component_counts(traced.ranks, np.array([edges_kept(size, traced.n_edges) for size in sizes]))
    heads, mlp = counts["head_edges"], counts["mlp_edges"][..., None]
    residual = counts["layer_edges"][..., None] - heads.sum(axis=2, keepdims=True) - mlp
    n_edges = np.concatenate([heads, mlp, residual], axis=2)  # (K, L, H + 2)
    n_sizes, n_layers, n_components = n_edges.shape
    return {
        "size": np.repeat(sizes, n_layers * n_components),
        "layer": np.tile(np.repeat(np.arange(n_layers), n_components), n_sizes),
        "kind": [*["attention"] * n_heads, "mlp", "residual"] * (n_sizes * n_layers),
        "head": [*range(n_heads), None, None] * (n_sizes * n_layers),
        "n_edges": n_edges.ravel(),
        "n_total": np.tile(n_edges[-1].ravel(), n_sizes),
    }


def _joined(blocks: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return blocks of columns one below another; a single value stands for all rows of its block."""
    joined: dict[str, list[Any]] = {name: [] for name in blocks[0]}
    for block in blocks:
        length = next(len(values) for values in block.values() if isinstance(values, (np.ndarray, list)))
        for name, values in block.items():
            joined[name] += list(values) if isinstance(values, (np.ndarray, list)) else [values] * length
    return joined
