"""Read one case of golden data into this project's shapes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strace_widgets.graph.edges import NOT_IN_GRAPH, Edges, Graph

FOLDER = Path(__file__).parent / "golden"
KINDS = ("attention_residual", "attention", "mlp_residual", "mlp")


@dataclass(frozen=True)
class GoldenCase:
    token_ids: np.ndarray[Any, Any]
    sizes: list[float]
    n_kept: list[int]
    weights: Edges
    ranks: Edges
    full_logits: np.ndarray[Any, Any]
    evaluations: dict[str, Any]
    arrays: Any

    @property
    def graph(self) -> Graph:
        return Graph(self.weights.n_layers, self.weights.n_heads, self.weights.n_tokens)

    @property
    def n_edges(self) -> int:
        return len(self.arrays["pop_order"])


def read(name: str) -> GoldenCase:
    arrays = np.load(FOLDER / f"{name}.npz")
    record = json.loads((FOLDER / f"{name}.json").read_text())
    n_layers, n_heads, n_tokens = record["n_layers"], record["n_heads"], record["n_tokens"]
    rank = np.empty(len(arrays["pop_order"]), dtype=np.int32)
    rank[arrays["pop_order"]] = np.arange(len(rank))

    def as_edges(values: np.ndarray[Any, Any], empty: float) -> Edges:
        shapes = [(n_layers, n_heads, n_tokens, n_tokens), *[(n_layers, n_tokens)] * 3]
        edges = Edges(*(np.full(shape, empty, dtype=values.dtype) for shape in shapes))
        layer = (arrays["edge_layer"].astype(int) - 1) // 2
        target, source, head = (arrays[f"edge_{key}"].astype(int) for key in ("target", "source", "head"))
        for kind, field in enumerate(KINDS):
            of_kind = arrays["edge_kind"] == kind
            place = (layer, head, target, source) if field == "attention" else (layer, target)
            getattr(edges, field)[tuple(index[of_kind] for index in place)] = values[of_kind]
        return edges

    return GoldenCase(
        token_ids=np.array(record["input_ids"][0]),
        sizes=record["sizes"],
        n_kept=record["raw_size"],
        weights=as_edges(arrays["edge_weight"], 0),
        ranks=as_edges(rank, NOT_IN_GRAPH),
        full_logits=arrays["full_last_logits"],
        evaluations={variant: record[f"eval_{variant}"]["results"] for variant in ("attnmasked", "released")},
        arrays=arrays,
    )
