"""What a long session leaves behind: whether anything grows after warm-up, and what the session comes to in words."""

from __future__ import annotations

import statistics
from typing import Any

WARM = 0.25
"""The share of the Explorers after which nothing may grow any more."""

MAY_GROW = {"rss": 0.03, "heap": 0.1, "nodes": 0.1, "listeners": 0.1, "widgets": 0.0, "threads": 0.2, "hooks": 0.0}
"""By how much the second half of the Explorers on a model may take more than the first, as a share of that."""


def growth(measured: list[dict[str, Any]]) -> dict[str, float]:
    """Return how much of everything there is later in a session more than before, as a share, with the same model."""
    first_life = [each for each in measured if each["life"] == "first"]
    warm = first_life[max(1, int(WARM * len(first_life))) :]
    by_model = [[each for each in warm if each["turn"] % 2 == which] for which in (0, 1)]
    return {key: max(increase([each[key] for each in same]) for same in by_model) for key in MAY_GROW}


def increase(numbers: list[float]) -> float:
    """Return by how much the second half of some numbers lies over the first, as a share of it."""
    if len(numbers) < 2:
        return 0.0
    before, after = (statistics.median(half) for half in (numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]))
    return after / before - 1 if before else float(after > 0)


def told(done: dict[str, int], measured: list[dict[str, Any]], answer: dict[str, Any], seconds: float) -> str:
    """Return what a session has shown, in lines."""
    head = f"{'life':>10} {'turn':>5}" + "".join(f" {key:>10}" for key in MAY_GROW)
    rows = [
        f"{each['life']:>10} {each['turn']:5}"
        + "".join(f" {each[key] / (1e6 if key in ('rss', 'heap') else 1):10,.1f}" for key in MAY_GROW)
        for each in measured
    ]
    grown = ", ".join(f"{key} {share:+.1%}" for key, share in growth(measured).items())
    moves = ", ".join(f"{number:,} {what}" for what, number in done.items())
    numbers = (
        f"{answer['numbers']:,} numbers of {answer['subgraphs']:,} subgraphs of {answer['traces']} traces recomputed, "
        f"{len(answer['wrong'])} wrong; a probability is {answer['farthest']:.1e} away at most"
    )
    return "\n".join(
        [
            f"{moves} in {seconds / 60:.1f} minutes",
            numbers,
            head + "   (rss and heap in MB)",
            *rows,
            f"second half over first, after warm-up: {grown}",
        ]
    )
