"""A study on a cluster, in a process of its own, for tests to kill: ``python ray_study.py ADDRESS FOLDER``."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import tiny_models

import strace_widgets as sw

PROMPTS = [
    {"id": f"p{n}", "text": "" if n % 20 == 7 else " ".join(f"w{(7 * n + 13 * t) % 97}" for t in range(2 + n % 9))}
    for n in range(80)
]
SETTINGS: dict[str, Any] = {
    "importance": ("l1", "l2"),
    "baselines": ("inverse", "random"),
    "hidden_states": True,
    "keep_traces": True,
    "progress": False,
}


def loaded(folder: str) -> sw.Model:
    """Load the tiny model; leave a file that says which process on which node has it."""
    import ray  # noqa: PLC0415 - a worker has it

    model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
    node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else "here"
    marks = Path(folder).with_suffix(".workers")
    marks.mkdir(exist_ok=True, parents=True)
    (marks / f"{node}-{os.getpid()}").touch()
    return model


def run(address: str, folder: str) -> sw.Study:
    return sw.study(partial(loaded, folder), PROMPTS, folder, on=sw.RayCluster(address), **SETTINGS)


if __name__ == "__main__":
    print(run(*sys.argv[1:3]))
