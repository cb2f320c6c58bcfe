"""A study for `test_study_resume.py` to run in a process of its own, and to kill."""

from __future__ import annotations

# What a study imports when it starts, which takes longer than the study.
import nnsight  # noqa: F401
import pyarrow.parquet  # noqa: F401
import tiny_models
import transformers.models.llama.modeling_llama  # noqa: F401

import strace_widgets as sw
import strace_widgets.graph._best_first
import strace_widgets.model.loading

PROMPTS = [
    "" if n % 20 == 7 else " ".join(f"w{(7 * n + 13 * t) % 97}" for t in range(2 + n % 9))  # some fail
    for n in range(60)
]


def run(folder: str) -> sw.Study:
    model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
    return sw.study(
        model,
        PROMPTS,
        folder,
        importance=("l1", "l2"),
        sizes=(0.05, 0.3, 1),
        masks=("all", "mlp+residual"),
        baselines=("inverse", "random", "random-residual-kept"),
        hidden_states=True,
        progress=False,
    )
