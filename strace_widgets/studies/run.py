"""Studies: traces and sweeps of many prompts, written as they come, so that a stop loses at most the prompt under way.

Each prompt is a few batched passes: one capture an importance measure, one sweep an importance measure, masks mode
and baseline. Prompts are not batched with one another: a sweep of 25 sizes already fills the processor (four prompts'
worth of rows in one pass took 0.93 of the time a row on SmolLM2 and 2 CPU cores), and every prompt's results then
depend on that prompt alone.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ..errors import PromptError, StraceError, StudyError, UnsupportedArchitectureError
from ..graph.edges import Edges, edges_kept
from ..graph.measures import measure_named
from ..graph.modes import Modes
from ..results import criteria, metrics
from ..results.run import trace
from .model_sizes import dimensions
from .prompts import Prompt, read_prompts
from .store import Settings, Study, finished_parts, load_study, open_study, part_name, read_table, write_part
from .word_frequency import Unigram, rank_correlation, unigram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.model import Model
    from ..results.strace import STrace
    from ..results.sweep import Sweep

__all__ = ["SIZES", "Study", "load_study", "study"]

Array = np.ndarray[Any, Any]

SIZES = tuple(float(f"{size:.4g}") for size in np.geomspace(1e-4, 1, 25))
"""The grid of sizes: six a decade."""

BASELINES: dict[str, dict[str, Any]] = {
    "inverse": {"inverse": True},
    "random": {},
    "random-residual-kept": {"residual": "kept"},
}
"""The modes that each baseline is evaluated with, beside the masks mode."""

NECESSARY = (
    *("top1", "top5"),
    *(f"nucleus{percent}" for percent in (1, 5, 10, 20, 40, 60, 80, 90)),
    *("tv0.3", "tv0.1"),
)
"""The criteria of the table "necessary", as `strace_widgets.results.criteria` names them."""


def study(
    model: Model,
    prompts: Any,
    folder: str | Path,
    *,
    importance: Iterable[str] | str = ("l1",),
    masks: Iterable[str] | str = ("all",),
    baselines: Iterable[str] | str = ("inverse", "random"),
    attention: str = "recomputed",
    ablation: str = "zero",
    sizes: Iterable[float] | None = None,
    positions: str = "last",
    seed: int = 0,
    keep_traces: bool = False,
    hidden: bool = False,
    column: str | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Study:
    """Trace many prompts and evaluate their subgraphs, or go on with a study that was stopped.

    Parameters
    ----------
    model : Model
    prompts : iterable, str or Path, or table
        Texts, token id lists or dicts; the path of a text or ``.jsonl`` file; a column or data frame of pandas or
        polars; a `datasets` data set; `strace_widgets.shipped_prompts`. See `prompts.read_prompts`.
    folder : str or Path
        Where the results go. A folder of the same settings is gone on with: prompts that are done are skipped, and
        further prompts may follow them.
    importance, masks, baselines : str or several
        Measures by name, masks modes, and "inverse", "random" or "random-residual-kept" (the authors': random nodes,
        all residual edges kept). Everything is evaluated under each masks mode.
    attention, ablation : str
        The other modes of every sweep: see `strace_widgets.graph.modes.Modes`.
    sizes : floats in (0, 1], optional
        The grid, with 1 added where it lacks; `SIZES` unless given.
    positions : {"last", "all"}
        Explain the prediction after the whole prompt, or after each of its tokens from the second on, as prompts of
        their own named ``id@token``.
    seed : int
        Of the random baselines and of the draw for `limit`.
    keep_traces, hidden : bool
        Keep every edge's weight and rank (`Study.edges`), the last hidden states (`Study.states`).
    column, limit
        Where a table has its texts; how many prompts to draw. See `strace_widgets.studies.prompts.read_prompts`.
    progress : bool
        Show a progress bar.

    Returns
    -------
    Study
        Its tables are read from the folder.

    Raises
    ------
    StudyError
        When there is nothing to study, when the folder cannot be written or holds a study of other settings or prompts,
        or when not one prompt could be traced. A prompt that fails among others is recorded with its reason.
    ValueError
        When a measure, mode, baseline or size does not exist.
    """
    vocabulary = [model.decode(i) for i in range(model.vocabulary_size)]
    checksum = zlib.crc32("\0".join(vocabulary).encode())
    settings = Settings(
        model=model.name,
        tokenizer=f"{len(vocabulary)} tokens, {checksum:08x}",
        dimensions=_dimensions(model),
        importance=_names(importance),
        masks=_names(masks),
        baselines=_names(baselines),
        sizes=tuple(sorted({1.0, *map(float, SIZES if sizes is None else sizes)})),
        positions=positions,
        seed=int(seed),
        keep_traces=keep_traces,
        hidden=hidden,
        attention=attention,
        ablation=ablation,
    )
    _check(settings)
    asked: dict[str, Prompt] = {}
    for prompt in read_prompts(prompts, column=column, limit=limit, seed=seed):
        asked |= _positions(model, prompt, positions)
    result = open_study(Path(folder), settings, len(asked))
    waiting = _not_done(result, asked, model)
    words = unigram(vocabulary)
    bar = tqdm(
        waiting.items(), desc="prompts", total=len(asked), initial=len(asked) - len(waiting), disable=not progress
    )
    for name, prompt in bar:
        tables, arrays = _attempt(model, prompt, settings, words)
        try:
            write_part(result.folder, name, tables, arrays)
        except OSError as reason:
            raise StudyError(f"The results of {prompt.id!r} cannot be written: {reason}.") from reason
    failed = result.prompts[result.prompts["status"] == "failed"]
    if len(failed) == len(result.prompts):
        raise StudyError(
            f"Not one of {len(failed)} prompts could be traced; the first says: {failed['reason'].iloc[0]} "
            f"All reasons: strace_widgets.load_study({str(folder)!r}).prompts"
        )
    return result


def _dimensions(model: Model) -> dict[str, Any]:
    a = model.architecture
    known = {"n_layers": a.n_layers, "n_heads": a.n_heads, "parallel": a.parallel}
    try:
        return known | dimensions(model)
    except UnsupportedArchitectureError:  # it can be traced all the same; only `findings.savings` needs the rest
        return known


def _names(names: Iterable[str] | str) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def _check(settings: Settings) -> None:
    for name in settings.importance:
        measure_named(name)
    for name in settings.masks:
        Modes(masks=name, **settings.modes())
    for name in settings.baselines:
        if name not in BASELINES:
            raise ValueError(f"There is no baseline {name!r}: choose among {', '.join(map(repr, BASELINES))}.")
    if not settings.importance or not settings.masks:
        raise ValueError("A study needs at least one importance measure and one masks mode.")
    for size in settings.sizes:
        edges_kept(size, 1)
    if settings.positions not in {"last", "all"}:
        raise ValueError(f"positions={settings.positions!r} does not exist: choose 'last' or 'all'.")


def _positions(model: Model, prompt: Prompt, positions: str) -> dict[str, Prompt]:
    """Return the parts that a prompt makes, by name: itself, or one a token."""
    whole = {part_name(f"{prompt.number:06d}", prompt.id): prompt}
    if positions == "last":
        return whole
    try:
        token_ids = model.encode(prompt.content).tolist()
    except (StraceError, ValueError, TypeError):
        return whole  # where it is traced, it fails with a reason
    parts = {}
    for end in range(min(2, len(token_ids)), len(token_ids) + 1):
        identity = f"{prompt.id}@{end - 1}"
        cut = {} if end == len(token_ids) else {"content": token_ids[:end], "expected": None}
        parts[part_name(f"{prompt.number:06d}.{end:06d}", identity)] = replace(prompt, id=identity, **cut)
    return parts


def _not_done(there: Study, asked: dict[str, Prompt], model: Model) -> dict[str, Prompt]:
    """Return the prompts that are not in the folder yet; refuse a folder with other prompts."""
    parts = finished_parts(there.folder)
    done = read_table("prompts", parts)
    for part, identity, text in zip(parts, done["prompt_id"], done["text"], strict=True):
        prompt = asked.get(part.name)
        if prompt is None or prompt.id != identity or _text(model, prompt) != text:
            instead = "no such prompt" if prompt is None else repr(_text(model, prompt))
            raise StudyError(
                f"{str(there.folder)!r} holds a study of other prompts: {part.name} is {text!r} there, and this study "
                f"has {instead}. Give another folder, or the prompts that it was begun with (more may follow)."
            )
    names = {part.name for part in parts}
    return {name: prompt for name, prompt in asked.items() if name not in names}


def _text(model: Model, prompt: Prompt) -> str:
    if isinstance(prompt.content, str):
        return prompt.content.encode(errors="replace").decode()  # half a surrogate pair fits in no file
    try:
        return "".join(model.decode(int(i)) for i in prompt.content)
    except (TypeError, ValueError, OverflowError):
        return str(prompt.content)


def _attempt(model: Model, prompt: Prompt, settings: Settings, words: Unigram) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one prompt's tables and arrays; of a prompt that fails, what it was and why."""
    told = {
        "prompt_id": prompt.id,
        "text": _text(model, prompt),
        "kind": prompt.kind,
        "expected": prompt.expected,
        "language": prompt.language,
    }
    try:
        return _run(model, prompt, told, settings, words)
    except Exception as reason:  # noqa: BLE001 - whatever one prompt does, the others go on
        sentence = str(reason) if isinstance(reason, StraceError) else f"{type(reason).__name__}: {reason}"
        return {"prompts": told | {"status": "failed", "reason": sentence}}, {}


def _run(
    model: Model, prompt: Prompt, told: dict[str, Any], settings: Settings, words: Unigram
) -> tuple[dict[str, Any], dict[str, Any]]:
    seed = zlib.crc32(f"{settings.seed}/{prompt.id}".encode())
    token_ids = model.encode(prompt.content)
    traces = {name: trace(model, token_ids, name, seed=seed) for name in settings.importance}
    first = next(iter(traces.values()))
    names = {"prompt_id": prompt.id}
    points, necessary = [], []
    modes = settings.modes()
    for masks in settings.masks:
        for name, traced in traces.items():
            where = names | {"importance": name, "masks": masks}
            sweep = traced.evaluate(settings.sizes, masks=masks, **modes)
            points.append(where | {"subgraph": "trace"} | _points(sweep, words))
            necessary.append(where | _necessary(sweep))
        for baseline in settings.baselines:
            traced = _baseline(first, baseline, seed)
            sweep = traced.evaluate(settings.sizes, masks=masks, **modes, **BASELINES[baseline])
            where = names | {"importance": traced.importance, "masks": masks, "subgraph": baseline}
            points.append(where | _points(sweep, words))
    components = [names | {"importance": name} | _components(traced, settings.sizes) for name, traced in traces.items()]
    tables = {
        "prompts": told | {"status": "ok"} | _full(first, prompt, words),
        "points": _joined(points),
        "necessary": _joined(necessary),
        "components": _joined(components),
    }
    arrays: dict[str, Any] = {}
    if settings.hidden:
        arrays["states.npy"] = first.hidden_states(settings.sizes, masks=settings.masks[0], **modes)
    if settings.keep_traces:
        for name, traced in traces.items():
            kept = {"weights": traced.weights, "ranks": traced.ranks}
            arrays[f"edges-{name}.npz"] = {
                f"{what}_{kind}": values
                for what, edges in kept.items()
                for kind, values in zip(Edges._fields, edges, strict=True)
            }
    return tables, arrays


def _baseline(traced: STrace, baseline: str, seed: int) -> STrace:
    if baseline == "inverse":
        return traced
    return traced.random(seed, like_authors=baseline == "random-residual-kept")


def _full(traced: STrace, prompt: Prompt, words: Unigram) -> dict[str, Any]:
    log_p = metrics.log_probabilities(traced.full_logits)
    expected = _expected_id(traced, prompt)
    return {
        "n_tokens": len(traced.tokens),
        "n_edges": traced.n_edges,
        "full_top1_id": traced.top[0].id,
        "full_top1": traced.top[0].token,
        "full_top1_probability": traced.top[0].probability,
        "full_entropy": traced.entropy,
        "expected_id": expected,
        "full_expected_probability": None if expected is None else float(np.exp(log_p[expected])),
        "full_unigram_correlation": float(rank_correlation(log_p[None, words.ids], words.log_frequency)[0]),
    }


def _expected_id(traced: STrace, prompt: Prompt) -> int | None:
    """Return the first token of the expected text, as it is read after the prompt; None where the two melt together."""
    if prompt.expected is None or not isinstance(prompt.content, str):
        return None
    try:
        longer = traced.model.encode(prompt.content + prompt.expected)
    except PromptError:  # too long
        return None
    n_tokens = len(traced.token_ids)
    goes_on = len(longer) > n_tokens and np.array_equal(longer[:n_tokens], traced.token_ids)
    return int(longer[n_tokens]) if goes_on else None


def _points(sweep: Sweep, words: Unigram) -> dict[str, Any]:
    return {
        **sweep.columns(),
        "nucleus": np.rint(100 * sweep.nucleus).astype(int),  # the table has them in per cent
        "top1_id": [top[0].id for top in sweep.top],
        "top1_token": [top[0].token for top in sweep.top],
        "top1_probability": [top[0].probability for top in sweep.top],
        "full_correlation": rank_correlation(sweep.probabilities, sweep.full_probabilities),
        "unigram_correlation": rank_correlation(sweep.probabilities[:, words.ids], words.log_frequency),
    }


def _necessary(sweep: Sweep) -> dict[str, list[Any]]:
    sizes = [criteria.necessary_size(sweep, criteria.named(name)) for name in NECESSARY]
    return {"criterion": list(NECESSARY), "size": sizes}


def _components(traced: STrace, sizes: tuple[float, ...]) -> dict[str, Any]:
    """Count the edges of each head, MLP and layer's residual stream in the trace of each size."""
    graph, ranks = traced.graph, traced.ranks

    def count(mask: Edges) -> Array:
        residual = mask.attention_residual.sum(axis=1) + mask.mlp_residual.sum(axis=1)
        return np.column_stack([mask.attention.sum(axis=(2, 3)), mask.mlp.sum(axis=1), residual])

    kept = [edges_kept(size, traced.n_edges) for size in sizes]
    counted = np.stack([count(Edges(*(kind < n for kind in ranks))) for n in kept])
    kinds = [*["attention"] * graph.n_heads, "mlp", "residual"]
    heads = [*range(graph.n_heads), None, None]
    n_sizes, n_layers, n_components = counted.shape
    return {
        "size": np.repeat(sizes, n_layers * n_components),
        "layer": np.tile(np.repeat(np.arange(n_layers), n_components), n_sizes),
        "kind": kinds * (n_sizes * n_layers),
        "head": heads * (n_sizes * n_layers),
        "n_edges": counted.ravel(),
        "n_total": np.tile(count(graph.exists()).ravel(), n_sizes),
    }


def _joined(blocks: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return blocks of columns one below the other; a single value stands for all rows of its block."""
    joined: dict[str, list[Any]] = {name: [] for name in blocks[0]}
    for block in blocks:
        length = next(len(values) for values in block.values() if isinstance(values, (np.ndarray, list)))
        for name, values in block.items():
            joined[name] += list(values) if isinstance(values, (np.ndarray, list)) else [values] * length
    return joined
