"""Studies whose numbers are given, written and checked as `strace_widgets.study` writes its own.

Whatever a study could not have written, such as a missing necessary size, is refused when it is made.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np

import strace_widgets as sw
from strace_widgets.studies.folder import STATES, open_study, part_files, part_name, write_part
from strace_widgets.studies.settings import Settings
from strace_widgets.studies.tables import CRITERIA, as_tables

SIZES = (*np.geomspace(1e-4, 1e-2, 5).tolist(), *(k / 10 for k in range(1, 11)))

COMPONENTS = [  # layer, kind, head, edges: two layers of two heads on three tokens
    (0, "attention", 0, 6),
    (0, "attention", 1, 6),
    (0, "mlp", None, 3),
    (0, "residual", None, 6),
    (1, "attention", 0, 3),
    (1, "attention", 1, 3),
    (1, "mlp", None, 1),
    (1, "residual", None, 2),
]
N_EDGES = sum(n for *_, n in COMPONENTS)


@cache
def _temporary() -> TemporaryDirectory[str]:
    return TemporaryDirectory(prefix="strace-")


def temporary_folder() -> Path:
    """Make a folder that goes with the process."""
    return Path(mkdtemp(dir=_temporary().name))


def hand_made_study(
    n_prompts: int = 6,
    *,
    folder: Path | None = None,
    sizes: Any = SIZES,
    importance: Any = ("l1",),
    error: Any = lambda prompt, x, measure: 1 - (x + 4) / 4,  # noqa: ARG005 - as others read them
    needed: Any = lambda prompt, measure: (prompt + 1) / 10,  # noqa: ARG005
    kept: Any = lambda prompt, layer, kind, head, size, n: round(size * n),  # noqa: ARG005
    kind: Any = lambda prompt: "ab"[prompt % 2],
    states: Any = None,
) -> sw.Study:
    """Write a study of n prompts, and read it.

    Parameters
    ----------
    n_prompts : int
        Prompt i is ``p<i>``, and its entropy i.
    folder : Path, optional
        A new one unless given.
    sizes : floats
        The last is 1.
    importance : names
    error : function of the prompt's number, log10 s and the measure
        The total variation of the trace; at s = 1 it is 0.
    needed : function of the prompt's number and the measure
        The necessary size by every criterion.
    kept : function of the prompt's number, layer, kind, head, size and number of edges
        How many edges of a component are in the trace; at s = 1 it is all of them.
    kind : function of the prompt's number
    states : function of the prompt's number, optional
        Its hidden states.
    """
    sizes, folder = tuple(map(float, sizes)), folder or temporary_folder()
    settings = Settings(
        model="hand-made",
        tokenizer="100 tokens",
        dimensions={"n_layers": 2, "n_heads": 2, "parallel": False},
        importance=tuple(importance),
        masks=("all",),
        baselines=(),
        sizes=sizes,
        positions="last",
        seed=0,
        keep_traces=False,
        hidden_states=states is not None,
    )
    open_study(folder, settings, n_prompts)
    for i in range(n_prompts):
        name = f"p{i}"
        points = [
            {
                "importance": measure,
                "size": size,
                "n_edges": int(size * N_EDGES),
                "total_variation": 0.0 if size == 1 else error(i, np.log10(size), measure),
                "full_correlation": size,
            }
            for measure, size in product(settings.importance, sizes)
        ]
        necessary = [
            {"importance": measure, "criterion": criterion, "size": needed(i, measure)}
            for measure, criterion in product(settings.importance, CRITERIA)
        ]
        components = [
            {"importance": measure, "size": size, "layer": layer, "kind": what, "head": head, "n_total": n}
            | {"n_edges": n if size == 1 else kept(i, layer, what, head, size, n)}
            for measure, size, (layer, what, head, n) in product(settings.importance, sizes, COMPONENTS)
        ]
        tables = {
            "prompts": _prompt(i) | {"kind": kind(i)},
            "points": _point(name) | {"unigram_correlation": 0.5 - i / 100} | _columns(points),
            "necessary": {"prompt_id": name, "masks": "all"} | _columns(necessary),
            "components": {"prompt_id": name} | _columns(components),
        }
        arrays = {} if states is None else {STATES: states(i)}
        write_part(folder, part_name(f"{i:06d}", name), part_files(as_tables(tables), arrays))
    return sw.load_study(folder)


def _prompt(i: int) -> dict[str, Any]:
    """Return a row of the table of prompts."""
    return {
        "prompt_id": f"p{i}",
        "text": f"text {i}",
        "language": "en",
        "status": "ok",
        "n_tokens": 3,
        "n_edges": N_EDGES,
        "full_top1_id": 7,
        "full_top1": " seven",
        "full_top1_probability": 0.5,
        "full_entropy": float(i),
        "full_unigram_correlation": 0.2,
    }


def _point(name: str) -> dict[str, Any]:
    """Return what no finding reads of a point, and what all points of a prompt share."""
    return {
        "prompt_id": name,
        "masks": "all",
        "subgraph": "trace",
        "kl": 1.0,
        "entropy": 1.0,
        "top1": True,
        "nucleus": 20,
        "top1_id": 7,
        "top1_token": " seven",
        "top1_probability": 0.5,
    }


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}
