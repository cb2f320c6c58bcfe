"""A study in a process of its own, for `test_study_resume.py` to kill: ``python resumed_study.py FOLDER``."""

from __future__ import annotations

import sys

import tiny_models

import strace_widgets as sw

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
        masks=("all", "mlp+residual"),
        baselines=("inverse", "random", "random-residual-kept"),
        hidden_states=True,
        progress=False,
    )


if __name__ == "__main__":
    run(sys.argv[1])
