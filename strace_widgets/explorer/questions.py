"""What the browser asks by a message, and what Python answers; the state is in `strace_widgets.explorer.contract`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict

from .contract import Settings, Toggles  # noqa: TC001 - the types are read as the module runs


class Nothing(TypedDict):
    """No more than the kind."""


class TraceQuestion(TypedDict):
    """Another trace, and where to open it."""

    settings: Annotated[Settings, "what to compute it from"]
    n_edges: NotRequired[Annotated[int, "without it, the size from which on the top token returns"]]
    toggles: NotRequired[Annotated[Toggles, "without them, none"]]
    counterfactual: NotRequired[
        Annotated[str, "another prompt's text, in the place of the one in the settings; none where it is empty"]
    ]
    swap: NotRequired[
        Annotated[bool, "the present prompt and its counterfactual in each other's place, whatever the settings say"]
    ]


class CompareQuestion(TypedDict):
    """Other curves."""

    names: Annotated[list[str], "measures, `inverse` or `random`"]


class RefineQuestion(TypedDict):
    """A better trace than the present one."""

    passes: Annotated[float, "the budget, in forward passes of the prompt"]


class WhyQuestion(TypedDict):
    """A jump of the curve."""

    n_edges: Annotated[list[int], "the two sizes between which it lies, the smaller first"]


class InsideQuestion(TypedDict):
    """What to look at inside the present subgraph."""

    node: Annotated[str, "a head, `21.4`, whose attention is told; anything else: none"]


class NodeQuestion(TypedDict):
    """A head or an MLP."""

    node: Annotated[str, "`21.4` or `21.mlp`"]


class NodeEdge(TypedDict):
    """An edge of a head or an MLP."""

    source: Annotated[int, "the token from which it comes"]
    target: Annotated[int, "the token to which it leads"]
    weight: Annotated[float, "its weight"]
    rank: Annotated[int, "in the trace of n edges where below n"]


class NodeDetails(TypedDict):
    """What a head or an MLP does in the present trace."""

    shares: Annotated[list[float], "of each token: the share of the node's weight, signs aside, that comes from it"]
    edges: Annotated[list[NodeEdge], "the 32 strongest, by weight"]


class Programs(TypedDict):
    """Programs that reproduce the numbers on screen. They never hold an API key."""

    strace_widgets: Annotated[str, "with this package"]
    nnsight: Annotated[str, "with nnsight alone"]
    note: Annotated[str, "what they need besides themselves; empty where that is nothing"]


@dataclass(frozen=True)
class Message:
    """What the browser asks that is no state, and what Python answers."""

    question: type
    answer: type
    about: str


MESSAGES = {
    "hello": Message(
        Nothing,
        Nothing,
        "A kernel is there. Sent when a view opens, and where a new `n_edges` or `toggles` has brought no sign of "
        "life within 2 s. No answer within 4 s: the kernel is busy with a cell, or gone, and only the size moves",
    ),
    "evaluate": Message(
        Nothing, Nothing, "Tries the present state again, after an error; answered when it was taken up"
    ),
    "levels": Message(
        Nothing,
        Nothing,
        "Goes on with the levels where `levels_follow` and none is under way, after an error or a cancelling; answered "
        "when it was taken up. With a trace they come by themselves, a few at a time: `view_state` is written anew",
    ),
    "effects": Message(
        Nothing,
        Nothing,
        "Switches off each head and MLP, one at a time, a batch after the other, where that is not known: `effects` is "
        "written anew after each. Answered when it was taken up; another prompt ends it",
    ),
    "trace": Message(
        TraceQuestion,
        Nothing,
        "Computes the trace anew, then writes `view_state`, `n_edges`, `toggles` and `curves`. The browser gives the "
        "present size and toggles where the graph is the same: under another measure or mode. Where only the measure "
        "is another, `curves` keeps what still holds, and the former measure's takes the new one's place; with another "
        "target, what does not answer it; else it is emptied. What the session has kept is not computed again",
    ),
    "compare": Message(
        CompareQuestion, Nothing, "Computes other measures and baselines, each at its own levels, into `curves`"
    ),
    "refine": Message(
        RefineQuestion,
        Nothing,
        "Goes on from the present trace, under the present masks mode. Each improvement is written into `curves` as "
        "`refining`; at the end, or once it is cancelled, the best trace that was seen takes the present one's place, "
        "as after `trace`, at the size and with the toggles that then are. Where nothing better was found, `status` "
        "says so. Sizes and toggles are evaluated in between",
    ),
    "why": Message(
        WhyQuestion,
        Nothing,
        "Looks for the few edges whose entering makes a jump, by subgraphs of sizes in between, a round after the "
        "other, and writes them into `jumps`. What the session knows is not looked for again",
    ),
    "inside": Message(
        InsideQuestion,
        Nothing,
        "Runs the present subgraph beside the full model once, and writes into `inside` what the stream predicts after "
        "each layer, what each component writes, and what a head attends to",
    ),
    "node": Message(NodeQuestion, NodeDetails, "Answered at once, also while the model runs"),
    "cancel": Message(
        Nothing,
        Nothing,
        "The `trace`, `compare`, `levels`, `effects`, `why` and `inside` under way end at their next step, a `refine` "
        "with the best that it has seen; no job on a server is waited for any longer",
    ),
    "code": Message(Nothing, Programs, "The programs for the present state"),
}
"""By kind."""
