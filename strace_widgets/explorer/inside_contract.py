"""What the Explorer has seen inside a subgraph: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, TypedDict


class Predicted(TypedDict):
    """What the last token's stream predicts."""

    token: Annotated[str, "the most probable next token"]
    probability: Annotated[float, "its probability"]
    logit: Annotated[float, "of the answer, above the rival's"]


class LayerPrediction(TypedDict):
    """The logit lens after one layer."""

    full: Annotated[Predicted, "in the full model"]
    subgraph: Annotated[Predicted, "in the subgraph"]


class Promoted(TypedDict):
    """A token that a head writes to."""

    token: Annotated[str, "its text"]
    logit: Annotated[float, "by how much its logit grows"]


class HeadInside(TypedDict):
    """What a head attends to and writes; the full model first, then the subgraph."""

    node: Annotated[str, "the head, `21.4`"]
    first: Annotated[int, "the first token of those that are shown: the last N"]
    attention: Annotated[
        list[int], "[2, N, N] by target and source, in 255ths: its probabilities; in the subgraph of the edges kept"
    ]
    promoted: Annotated[list[list[Promoted]], "the tokens to which it writes most; empty where that cannot be said"]


class Inside(TypedDict):
    """What a subgraph looks like inside."""

    n_edges: Annotated[int, "of the subgraph"]
    toggles: Annotated[dict[str, str], "under which it was run"]
    answer: Annotated[str, "the token asked for; of several, all their names"]
    rival: Annotated[str, "the one that it is set against"]
    layers: Annotated[list[LayerPrediction], "of the embeddings, then after each layer"]
    direct: Annotated[
        list[float],
        "[2, L, H + 1], heads and then the MLP: what each writes directly to the answer's logit above the rival's; "
        "empty where that cannot be said",
    ]
    refusal: Annotated[str, "why it cannot be said; empty where it can"]
    head: Annotated[HeadInside | None, "the head that was asked about"]
