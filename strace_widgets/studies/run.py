"""Studies: traces and sweeps of many prompts, written as they come, so that a stop loses at most the prompt under way.

Each prompt is a few batched passes: one capture an importance measure, one sweep an importance measure, masks mode
and baseline. Prompts are not batched with one another: a sweep of 25 sizes already fills the processor (four prompts'
worth of rows in one pass took 0.93 of the time a row on SmolLM2 and 2 CPU cores), and every prompt's results then
depend on that prompt alone.
"""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm.auto import tqdm

from ..errors import StraceError, StudyError, UnsupportedArchitectureError
from ..graph.edges import edges_kept
from ..graph.measures import measure_named
from ..graph.modes import Modes
from ..paths import expanded
from ..waiting import silent
from .model_sizes import dimensions
from .prompt_tables import BASELINES, described, prompt_tables, prompt_text
from .prompts import Prompt, read_prompts
from .store import Settings, Study, finished_parts, open_study, part_name, write_part
from .tables import as_tables, read_table
from .word_frequency import Unigram, unigram

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from ..extras import pa
    from ..model.model import Model
    from ..paths import AnyPath

SIZES = tuple(float(f"{size:.4g}") for size in np.geomspace(1e-4, 1, 25))
"""The grid of sizes: six a decade."""


def study(
    model: Model,
    prompts: AnyPath | Any,
    folder: AnyPath,
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
    hidden_states: bool = False,
    column: str | None = None,
    limit: int | None = None,
    progress: bool = True,
) -> Study:
    """Trace many prompts and evaluate their subgraphs, or continue a study that was stopped.

    Parameters
    ----------
    model : Model
    prompts, column, limit
        What to study, the column of its texts, and how many prompts to draw at random: see `prompts.read_prompts`.
    folder : str or Path
        For the results. A study of the same settings in the folder is continued; there may be further prompts.
    importance, masks, baselines : str or several
        Measures by name, masks modes (each with everything), and "inverse", "random" or "random-residual-kept" (the
        authors': random nodes, all residual edges kept).
    attention, ablation : str
        The other modes of every sweep: see `strace_widgets.graph.modes.Modes`.
    sizes : floats in (0, 1], optional
        The grid, with 1 added where it lacks; `SIZES` unless given.
    positions : {"last", "all"}
        Explain the prediction after the prompt, or after each token from the second on (prompts named ``id@token``).
    seed : int
        The seed of the random baselines and of the draw for `limit`.
    keep_traces, hidden_states, progress : bool
        Keep weights and ranks (`Study.edges`) or last states (`Study.hidden_states`); show a progress bar.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        When there is nothing to study, the folder holds another study, or not one prompt could be traced.
    ValueError
        When a measure, mode, baseline or size does not exist.
    """
    vocabulary = model.texts
    names = {"importance": importance, "masks": masks, "baselines": baselines}
    kept = {"keep_traces": keep_traces, "hidden_states": hidden_states}
    others = {"attention": attention, "ablation": ablation, "positions": positions, "seed": int(seed)}
    settings = _settings(model, vocabulary, sizes, names, **kept, **others)
    asked = _parts(model, read_prompts(prompts, column=column, limit=limit, seed=seed), positions)
    return _run(model, asked, expanded(folder), settings, unigram(vocabulary), progress=progress)


def _settings(
    model: Model,
    vocabulary: list[str],
    sizes: Iterable[float] | None,
    names: dict[str, Iterable[str] | str],
    **others: Any,
) -> Settings:
    """Return the settings of a study; refuse what does not exist."""
    checksum = zlib.crc32("\0".join(vocabulary).encode())
    settings = Settings(
        model=model.name,
        tokenizer=f"{len(vocabulary)} tokens, {checksum:08x}",
        dimensions=_dimensions(model),
        sizes=tuple(sorted({1.0, *map(float, SIZES if sizes is None else sizes)})),
        importance=several(names["importance"]),
        masks=several(names["masks"]),
        baselines=several(names["baselines"]),
        **others,
    )
    _check(settings)
    return settings


def _dimensions(model: Model) -> dict[str, int | bool]:
    a = model.architecture
    known: dict[str, int | bool] = {"n_layers": a.n_layers, "n_heads": a.n_heads, "parallel": a.parallel}
    try:
        return known | dimensions(model)
    except UnsupportedArchitectureError:  # it can be traced all the same; only `findings.savings` needs the rest
        return known


def several(names: Iterable[str] | str) -> tuple[str, ...]:
    """Return names as a tuple, each once; a single name needs no list."""
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


def _parts(model: Model, prompts: list[Prompt], positions: str) -> dict[str, Prompt]:
    """Return what is to be traced, by the name of its folder: each prompt, or each token of each prompt."""
    parts: dict[str, Prompt] = {}
    for prompt in prompts:
        parts |= _every_token(model, prompt) if positions == "all" else _whole(prompt)
    return parts


def _whole(prompt: Prompt) -> dict[str, Prompt]:
    return {part_name(f"{prompt.number:06d}", prompt.id): prompt}


def _every_token(model: Model, prompt: Prompt) -> dict[str, Prompt]:
    try:
        token_ids = model.encode(prompt.content).tolist()
    except (StraceError, ValueError, TypeError):
        return _whole(prompt)  # it fails with a reason when it is traced
    parts = {}
    for end in range(min(2, len(token_ids)), len(token_ids) + 1):
        identity = f"{prompt.id}@{end - 1}"
        cut = {} if end == len(token_ids) else {"content": token_ids[:end], "expected": None}
        parts[part_name(f"{prompt.number:06d}.{end:06d}", identity)] = replace(prompt, id=identity, **cut)
    return parts


def _run(
    model: Model, asked: dict[str, Prompt], folder: Path, settings: Settings, words: Unigram, *, progress: bool
) -> Study:
    """Trace the prompts that the folder does not hold yet."""
    result = open_study(folder, settings, len(asked))
    waiting = _not_done(result, asked, model)
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


def _not_done(study: Study, asked: dict[str, Prompt], model: Model) -> dict[str, Prompt]:
    """Return the prompts that are not in the folder yet; refuse a folder with other prompts."""
    parts = finished_parts(study.folder)
    done = read_table("prompts", parts)
    for part, identity, text in zip(parts, done["prompt_id"], done["text"], strict=True):
        prompt = asked.get(part.name)
        if prompt is None or prompt.id != identity or prompt_text(model, prompt) != text:
            instead = "no such prompt" if prompt is None else repr(prompt_text(model, prompt))
            raise StudyError(
                f"{str(study.folder)!r} holds a study of other prompts: {part.name} is {text!r} in it, and this study "
                f"has {instead}. Give another folder, or the prompts that it was begun with (more may follow)."
            )
    names = {part.name for part in parts}
    return {name: prompt for name, prompt in asked.items() if name not in names}


def _attempt(
    model: Model, prompt: Prompt, settings: Settings, words: Unigram
) -> tuple[dict[str, pa.Table], dict[str, Any]]:
    """Return one prompt's tables and arrays; of a prompt that fails, what it was and why."""
    try:
        with silent():  # the study's own bar says how far it is
            columns, arrays = prompt_tables(model, prompt, settings, words)
        return as_tables(columns), arrays
    except Exception as reason:  # noqa: BLE001 - whatever one prompt does, the others go on
        sentence = str(reason) if isinstance(reason, StraceError) else f"{type(reason).__name__}: {reason}"
        return as_tables({"prompts": described(model, prompt) | {"status": "failed", "reason": sentence}}), {}
