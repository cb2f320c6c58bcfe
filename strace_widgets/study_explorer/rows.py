"""From the tables of a study to the portions of prompts that are shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import StudyError
from ..explorer.view_state import encoded
from ..extras import pd
from ..findings.composition import SIZES
from ..findings.tables import nearest_size
from ..studies.tables import CRITERIA, read_table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from ..graph.edges import Array
    from ..studies.store import Study
    from .contract import StudyColumn, StudyRows, StudyRun

COLUMNS: tuple[StudyColumn, ...] = (
    {"key": "full_entropy", "label": "entropy, in nats"},
    {"key": "full_top1_probability", "label": "top probability"},
    {"key": "n_tokens", "label": "tokens"},
    {"key": "full_expected_probability", "label": "probability of the expected"},
    {"key": "full_unigram_correlation", "label": "correlation with frequency"},
)
"""What the table of prompts knows of each before it is traced: all of the full model's prediction."""

USE_BYTES = 9_000_000
"""What the use of components may take of all prompts together, in the kernel and in the browser."""

LONGEST_TEXT = 300
"""Characters of a prompt that a list shows."""


@dataclass(frozen=True)
class Plan:
    """What is told of every prompt of several studies.

    Attributes
    ----------
    runs : tuple of StudyRun
        Those that all studies have.
    sizes, use_sizes : tuple of float
        The grid, and where on it the use of components is told.
    n_components : int
        The heads and MLPs of the largest model; the others' places are a part of its.
    """

    runs: tuple[StudyRun, ...]
    sizes: tuple[float, ...]
    use_sizes: tuple[float, ...]
    n_components: int

    @property
    def importances(self) -> list[str]:
        """The measures of the runs, each once."""
        return list(dict.fromkeys(run["importance"] for run in self.runs))


def planned(studies: Sequence[Study]) -> Plan:
    """Return what can be told of every prompt of these studies.

    Raises
    ------
    StudyError
        When they have no sizes, or no measure and masks mode, in common.
    """
    first, *rest = [study.settings for study in studies]
    for settings in rest:
        if settings.sizes != first.sizes:
            raise StudyError(
                f"The study of {settings.model} has other sizes than that of {first.model}: their curves can be shown "
                "together only on one grid."
            )
    shared = [
        {"importance": importance, "masks": masks}
        for importance in first.importance
        for masks in first.masks
        if all(importance in each.importance and masks in each.masks for each in rest)
    ]
    if not shared:
        raise StudyError("These studies have no importance measure and masks mode in common.")
    runs = tuple(cast("list[StudyRun]", shared))
    n_components = max(n_components_of(study) for study in studies)
    n_rows = max(sum(study.n_asked for study in studies), 1)
    room = USE_BYTES // (n_rows * n_components * len({run["importance"] for run in runs}))
    return Plan(runs, first.sizes, _use_sizes(first.sizes, room), n_components)


def n_components_of(study: Study) -> int:
    """Return how many heads and MLPs the model of a study has."""
    n_layers, n_heads = (int(study.settings.dimensions[name]) for name in ("n_layers", "n_heads"))
    return n_layers * (n_heads + 1)


def _use_sizes(sizes: tuple[float, ...], room: int) -> tuple[float, ...]:
    """Return as many sizes of a grid as there is room for, one at least: those of findings, then others, spread."""
    partial = pd.Series([size for size in sizes if size < 1] or list(sizes))
    usual = list(dict.fromkeys(nearest_size(partial, size) for size in SIZES))
    if room < len(usual):
        return tuple(usual[-max(room, 1) :])
    others = [float(size) for size in partial if size not in usual]
    more = min(room - len(usual), len(others))
    spread = [others[int(k)] for k in np.linspace(0, len(others) - 1, more).round()] if more else []
    return tuple(sorted({*usual, *spread}))


def portion(study: Study, model: int, parts: Sequence[Path], plan: Plan) -> StudyRows:
    """Return what is shown of some prompts of a study.

    Parameters
    ----------
    study : Study
    model : int
        The place of its model among those shown.
    parts : sequence of Path
        The folders of the prompts.
    plan : Plan

    Raises
    ------
    StudyError
        When a file is damaged.
    """
    names = ("prompt_id", "text", "kind", "language", "status", "reason", "full_top1")
    prompts = read_table("prompts", parts, [*names, *(column["key"] for column in COLUMNS)])
    ids = pd.Index(prompts["prompt_id"])
    failed = prompts["status"] == "failed"
    return {
        "model": model,
        "ids": ids.tolist(),
        "texts": [text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…" for text in prompts["text"]],
        "kinds": _texts(prompts["kind"]),
        "languages": _texts(prompts["language"]),
        "top1": _texts(prompts["full_top1"]),
        "reasons": _texts(prompts["reason"].where(failed)),
        "arrays": {
            "numbers": encoded(_numbers(prompts), "float32"),
            "curves": encoded(_curves(study, parts, ids, plan), "float32"),
            "necessary": encoded(_necessary(parts, ids, plan), "float32"),
            "use": encoded(_use(study, parts, ids, plan), "uint8"),
        },
    }


def _texts(column: pd.Series) -> list[str]:
    return ["" if pd.isna(text) else str(text) for text in column]


def _numbers(prompts: pd.DataFrame) -> Array:
    return np.stack([prompts[column["key"]].to_numpy(dtype=np.float64, na_value=np.nan) for column in COLUMNS])


def _curves(study: Study, parts: Sequence[Path], ids: pd.Index, plan: Plan) -> Array:
    names = ["prompt_id", "importance", "masks", "subgraph", "size", "total_variation"]
    points = read_table("points", parts, names)
    points = points[points["subgraph"] == "trace"]
    run, row = _run_of(points, plan), ids.get_indexer(points["prompt_id"])
    at = pd.Index(study.settings.sizes).get_indexer(points["size"])
    curves = np.full((len(plan.runs), len(ids), len(plan.sizes)), np.nan)
    known = run >= 0
    curves[run[known], row[known], at[known]] = points["total_variation"].to_numpy()[known]
    return curves


def _necessary(parts: Sequence[Path], ids: pd.Index, plan: Plan) -> Array:
    found = read_table("necessary", parts, ["prompt_id", "importance", "masks", "criterion", "size"])
    run, row = _run_of(found, plan), ids.get_indexer(found["prompt_id"])
    criterion = pd.Index(CRITERIA).get_indexer(found["criterion"])
    necessary = np.full((len(plan.runs), len(CRITERIA), len(ids)), np.nan)
    known = run >= 0
    necessary[run[known], criterion[known], row[known]] = found["size"].to_numpy()[known]
    return necessary


def _use(study: Study, parts: Sequence[Path], ids: pd.Index, plan: Plan) -> Array:
    names = ["prompt_id", "importance", "size", "layer", "kind", "head", "n_edges", "n_total"]
    found = read_table("components", parts, names)
    found = found[found["size"].isin(plan.use_sizes) & (found["kind"] != "residual")]
    importance = pd.Index(plan.importances).get_indexer(found["importance"])
    size = pd.Index(plan.use_sizes).get_indexer(found["size"])
    row = ids.get_indexer(found["prompt_id"])
    n_heads = int(study.settings.dimensions["n_heads"])
    head = found["head"].to_numpy(dtype=np.int64, na_value=n_heads)  # an MLP has none, and comes last
    component = found["layer"].to_numpy() * (n_heads + 1) + head
    share = np.ceil(255 * found["n_edges"].to_numpy() / found["n_total"].to_numpy())
    use = np.zeros((len(plan.importances), len(plan.use_sizes), len(ids), plan.n_components), dtype=np.uint8)
    known = importance >= 0
    use[importance[known], size[known], row[known], component[known]] = share[known]
    return use


def _run_of(frame: pd.DataFrame, plan: Plan) -> Any:
    """Return the place of each row's run, and -1 for those that are not shown."""
    runs = pd.MultiIndex.from_tuples([(run["importance"], run["masks"]) for run in plan.runs])
    given: Iterable[Any] = zip(frame["importance"], frame["masks"], strict=True)
    return runs.get_indexer(pd.MultiIndex.from_tuples(list(given))) if len(frame) else np.zeros(0, dtype=np.int64)
