"""Trace and evaluate again, in a fresh process, what an Explorer showed: `soak.py` writes the file.

    python tests/soak_recompute.py shown.json     # prints one line of JSON

Nothing of the Explorer is used: ``sw.trace``, ``refine`` and ``evaluate`` alone.
"""

from __future__ import annotations

import json
import re
import sys
from collections import defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import strace_widgets as sw
from strace_widgets.graph.edges import size_of

ROWS = 16
"""Subgraphs a pass."""

NEAR = 2e-4
"""How far two ways to the same number may be apart: masks in one batch or another, in float32."""

TIED = 1e-6
"""Below such a difference either of two tokens may come first."""


@cache
def loaded(name: str) -> Any:
    """Load a model by the name that the Explorer shows of it."""
    return sw.load_model({"gemma-3-270m": "google/gemma-3-270m"}.get(name))


def nearly_tied(full: Any, subgraph: Any, nucleus: float) -> bool:
    """Whether tokens of a nucleus of the full model are so close that rounding decides which comes first."""
    order = np.argsort(-full)
    n_tokens = int((np.cumsum(full[order]) < nucleus).sum()) + 1
    listed = order[: n_tokens + 1]
    return bool(np.abs(np.diff(full[listed])).min() < TIED or np.abs(np.diff(subgraph[listed])).min() < TIED)


class Recomputed:
    """What a file of shown numbers should say."""

    def __init__(self, shown: dict[str, Any]) -> None:
        self.prompts, self.passes = shown["prompts"], shown["passes"]
        self.records, self.effects = shown["records"], shown["effects"]
        self.n_numbers, self.wrong, self.farthest = 0, [], 0.0

    def all(self) -> dict[str, Any]:
        """Recompute everything, trace by trace."""
        groups = defaultdict(list)
        for record in self.records:
            groups[tuple(record[key] for key in ("model", "tokens", "position", "importance", "masks"))].append(record)
        for (model, tokens, position, importance, masks), records in groups.items():
            trace = self.traced(model, tokens, position, importance, masks)
            for start in range(0, len(records), ROWS):
                self.compare(trace, masks, records[start : start + ROWS])
        for effect in self.effects:
            self.compare_effect(effect)
        return {
            "traces": len(groups),
            "subgraphs": len(self.records),
            "numbers": self.n_numbers,
            "farthest": self.farthest,
            "wrong": self.wrong,
        }

    def traced(self, model: str, tokens: str, position: int, importance: str, masks: str) -> sw.STrace:
        ids = loaded(model).encode(self.prompts[f"{model}|{tokens}"])[: position + 1]
        if importance != "refined":
            return sw.trace(loaded(model), ids, importance)
        return sw.trace(loaded(model), ids).refine(self.passes, progress=False, masks=masks)

    def compare(self, trace: sw.STrace, masks: str, records: list[dict[str, Any]]) -> None:
        """Compare some of what was shown of a trace."""
        said = [re.search(r"([\d,]+) edges?,", record["said"]) for record in records]
        kept = [int(each[1].replace(",", "")) for each in said if each]
        sizes = [size_of(number, trace.n_edges) for number in kept]
        sweep = trace.evaluate(sizes, [record["toggles"] for record in records], masks=masks)
        for row, record in enumerate(records):
            self.number(record, "edges", record["edges"], int(sweep.n_edges_kept[row]), 0)
            self.number(record, "size", float(record["size"].removeprefix("s = ")), sizes[row], 0.006 * sizes[row])
            self.number(record, "TV", record["tv"], sweep.total_variation[row], 6e-4)
            self.number(record, "KL", record["kl"], sweep.kl[row], 6e-4 if sweep.kl[row] < 9.99 else 0.051)
            nucleus = 0 if record["nucleus"] == "none" else float(record["nucleus"].removesuffix("%"))
            tied = nearly_tied(
                sweep.full_probabilities, sweep.probabilities[row], max(nucleus / 100, sweep.nucleus[row])
            )
            self.number(record, "nucleus", nucleus, 100 * sweep.nucleus[row], np.inf if tied else 0.5)
            self.number(record, "top-1", float(record["top1"] == "true"), float(sweep.top1[row]), 0)
            self.compare_tokens(trace, sweep, row, record)

    def compare_tokens(self, trace: sw.STrace, sweep: sw.Sweep, row: int, record: dict[str, Any]) -> None:
        """Compare each token's probability in the subgraph, and in the full model as its bar says it."""
        subgraph, full = sweep.probabilities[row], sweep.full_probabilities
        # Several tokens may have one text: any of the leading ones may be meant.
        leading = np.unique(np.concatenate([np.argsort(-each)[:200] for each in (subgraph, full)]))
        for token, probability, title in record["rows"]:
            named = [i for i in leading if trace.model.decode(int(i)) == token]
            meant = min(named, key=lambda i: abs(float(subgraph[i]) - probability), default=None)
            if meant is None:
                self.wrong.append(["token", token, None, record])
                continue
            self.number(record, f"p{token!r}", probability, subgraph[meant], NEAR)
            if "<" not in title:
                self.number(
                    record, f"full p{token!r}", title.split()[-1], full[meant], 5.1e-3 if full[meant] > 0.099 else 6e-4
                )

    def compare_effect(self, effect: dict[str, Any]) -> None:
        """Compare what a cell says of a part that is switched off in the whole model."""
        trace = self.traced(effect["model"], effect["tokens"], effect["position"], "l1", "all")
        sweep = trace.evaluate([1.0], {effect["component"]: "off"})
        said = re.search(r"TV ([\d.]+) when off", effect["label"])
        self.number(effect, "effect", said[1] if said else "nan", sweep.total_variation[0], 6e-4)

    def number(self, record: dict[str, Any], what: str, shown: Any, right: Any, near: float) -> None:
        self.n_numbers += 1
        if shown == "∞":
            shown = np.inf
        apart = 0.0 if float(shown) == float(right) else abs(float(shown) - float(right))
        if what.startswith("p"):
            self.farthest = max(self.farthest, apart)
        if not apart <= near:
            self.wrong.append([what, float(shown), float(right), record])


if __name__ == "__main__":
    print(json.dumps(Recomputed(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))).all(), allow_nan=False))
