"""What Python and the browser say to each other: every name, type and default, written once.

``js/generate_protocol.py`` makes the TypeScript types (``js/src/protocol/types.ts``) and the tables in
``docs/explorer-state.md`` from this file, which has the state, and from `strace_widgets.explorer.questions`; the text
beside a field is its comment there and its row in the table. `strace_widgets.explorer.view_state` computes the content.
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NotRequired, TypedDict, get_args, get_origin, get_type_hints

# They are part of this one, and read as it runs.
from .choices_contract import Choices, MeasureChoice  # noqa: F401, TC001
from .groups_contract import Colour, Group  # noqa: F401, TC001
from .inside_contract import HeadInside, Inside, LayerPrediction, Predicted, Promoted  # noqa: F401, TC001
from .jumps_contract import EnteringEdge, Jump  # noqa: F401, TC001
from .refined_contract import Refined, Refinement  # noqa: F401, TC001
from .status_contract import Job, Status  # noqa: F401, TC001
from .targets_contract import Ablation, Asked, AskedToken, Faithful, Question  # noqa: F401

VERSION: Final = 2
"""Of a view state and a history. Version 1 is read too: see `strace_widgets.results.upgrade`."""

Toggle = Literal["on", "off"]
Toggles = dict[str, Toggle]
"""By part: ``"21.4"`` is a head, ``"18.mlp"`` an MLP, ``"21@3"`` a position, ``"21.4@1>3"`` an edge, counted from 0;
one that is absent follows the trace. See `strace_widgets.graph.toggles`."""
Criterion = Literal["top1", "top5", "tv", "nucleus60"]
Dtype = Literal["int32", "float32", "uint8"]
Shade = Literal["share", "effect", "logit", "weight", "entry"]
"""What the cells of heads and MLPs are shaded by: their share of edges in the trace, total variation or the change of
logit once they are switched off, their weight into the explained token, the size at which they enter."""


class Settings(Asked):
    """What a trace was computed from."""

    prompt: Annotated[str, "the whole prompt"]
    importance: Annotated[str, "the importance measure"]
    masks: Annotated[str, "which edges a subgraph may lose"]
    position: Annotated[
        int, "index of the token in the whole prompt after which the prediction is explained; -1 asks for the last"
    ]
    special_tokens: NotRequired[
        Annotated[bool, "whether the tokenizer adds its own, as to a plain text; true where it is absent"]
    ]
    refined: NotRequired[
        Annotated[Refined, "how, where `importance` is `refined`; without it, as that measure is by default"]
    ]


class TopToken(TypedDict):
    """One of the leading next tokens."""

    id: Annotated[int, "its id in the vocabulary"]
    token: Annotated[str, "its text, which is data and never HTML"]
    probability: Annotated[float, "in the subgraph"]
    full_probability: Annotated[float, "in the full model"]


class Subgraph(TypedDict):
    """A subgraph of a trace."""

    n_edges: Annotated[int, "how many edges the trace has, before any toggles: 1..E"]
    toggles: Annotated[Toggles, "the parts that are put in or taken out"]


class Result(TypedDict):
    """What is remembered of a subgraph that was run."""

    edges_kept: Annotated[int, "edges that were kept, after the toggles"]
    total_variation: Annotated[float, "distance to the full model's prediction, 0..1"]
    top: Annotated[
        list[TopToken],
        "union of the subgraph's and the full model's leading tokens, the most probable in the subgraph first",
    ]


class Prediction(Result, Faithful):
    """What a subgraph predicts, against the full model."""

    kl: Annotated[float | None, "Kullback-Leibler divergence from the full model, in nats; null where it is infinite"]
    entropy: Annotated[float, "of the subgraph's prediction, in nats"]
    top1: Annotated[bool, "whether the most probable token is the full model's"]
    nucleus: Annotated[float, "recovered nucleus, as a fraction; 0 for none"]


class Evaluation(Subgraph, Prediction):
    """An exact result, with the request that it answers."""


class Refusal(Subgraph):
    """A subgraph that has no result, and why."""

    reason: Annotated[str, "in a sentence"]


class Step(Subgraph):
    """A state to go back to."""

    settings: Annotated[Settings, "of its trace"]
    groups: NotRequired[Annotated[list[Group], "the heads and MLPs that have a name. Old steps say nothing of them"]]


class Tried(Step, Result):
    """A subgraph whose exact result was seen; `top` has the subgraph's ten most probable tokens."""

    name: Annotated[str, "as the person calls it"]


class History(TypedDict):
    """What was tried, as the browser keeps it."""

    version: Annotated[Literal[2], "of this shape"]
    steps: Annotated[list[Step], "in the order in which they were made"]
    at: Annotated[int, "the present step, which undo and redo move; -1 before the first"]
    tried: Annotated[list[Tried], "the newest first"]


class SessionFile(Step):
    """A session as a file, JSON: everything that a person did, none of the model. Both sides write and read it."""

    format: Annotated[Literal["strace-session"], "what the file is"]
    version: Annotated[Literal[2], "of this shape"]
    model: Annotated[str, "the model that it belongs to"]
    history: Annotated[History, "what was tried"]
    shade: NotRequired[Annotated[Shade, "what the cells of heads and MLPs are shaded by"]]
    effects: NotRequired[Annotated[EffectMap, "what was known of each head and MLP, with arrays as base64 text"]]
    note: NotRequired[Annotated[str, "what was noted. Old files have none"]]


class Curve(TypedDict):
    """Another error curve on the same axes."""

    name: Annotated[str, "the measure's, or `inverse`, `random` or `refining`"]
    kind: Annotated[
        Literal["measure", "baseline", "refining"],
        "what it is a curve of; `refining`: of the best trace so far, at the few sizes that refining looks at",
    ]
    n_edges: Annotated[list[int], "its sizes, ascending"]
    total_variation: Annotated[list[float], "the error at each"]
    kl: NotRequired[Annotated[list[float | None], "in nats, null for infinite; not of `refining`, nor in old files"]]
    faithfulness: NotRequired[Annotated[list[float], "of the target's figure, where one is asked for"]]
    lasting_top1: NotRequired[
        Annotated[int | None, "from so many edges on the top token is the full model's; old files have none"]
    ]
    refined: NotRequired[Annotated[Refined, "how, where the measure is `refined`"]]


class Landmark(TypedDict):
    """From where on a criterion holds at every larger level."""

    key: Annotated[
        Criterion, "the top token, the five leading tokens, a total variation of 0.1 at most, the 60 % nucleus"
    ]
    n_edges: Annotated[int, "the size"]


class EncodedArray(TypedDict):
    """Numbers in C order, little-endian."""

    dtype: Annotated[Dtype, "what they are"]
    shape: Annotated[list[int], "how many of them, along each axis"]
    data: Annotated[bytes | str, "bytes (a DataView) over a comm, base64 text in a file or an exported page"]


class Arrays(TypedDict):
    """Numbers of K levels, edges at N sizes, J in the strip of C cells, G to be drawn; V tokens, S strongest edges."""

    level_n_edges: Annotated[EncodedArray, "int32 [K]", "the sizes, ascending; the last is E"]
    total_variation: Annotated[EncodedArray, "float32 [K]", "error at each level"]
    kl: Annotated[EncodedArray, "float32 [K]", "in nats; it may be infinite"]
    entropy: Annotated[EncodedArray, "float32 [K]", "in nats"]
    top1: Annotated[EncodedArray, "uint8 [K]", "1 where the top token is the full model's"]
    nucleus: Annotated[EncodedArray, "float32 [K]", "recovered nucleus, as a fraction; 0 for none"]
    faithfulness: NotRequired[Annotated[EncodedArray, "float32 [K]", "of the target's figure, where it has one"]]
    probabilities: Annotated[EncodedArray, "float32 [K, V]", "of each vocabulary token at each level"]
    full_probabilities: Annotated[EncodedArray, "float32 [V]", "in the full model"]
    count_n_edges: Annotated[
        EncodedArray,
        "int32 [N]",
        "the sizes at which edges are counted, ascending; the last is E. Old files have none: they count at the levels",
    ]
    head_edges: Annotated[EncodedArray, "int32 [N, L, H]", "edges of each head in the trace of each of these sizes"]
    mlp_edges: Annotated[EncodedArray, "int32 [N, L]", "edges of each MLP"]
    layer_edges: Annotated[EncodedArray, "int32 [N, L]", "attention, MLP and residual edges of each layer"]
    head_total: Annotated[
        EncodedArray, "int32 [L]", "edges of one head in the whole graph; the last layer's heads have fewer"
    ]
    mlp_total: Annotated[EncodedArray, "int32 [L]", "edges of the MLP in the whole graph"]
    layer_total: Annotated[EncodedArray, "int32 [L]", "edges of the layer in the whole graph"]
    strip_n_edges: Annotated[EncodedArray, "int32 [J]", "the sizes of the strip, the first and the last among them"]
    strip_shares: Annotated[
        EncodedArray, "uint8 [J, L, C]", "share of the edges into a cell's tokens that are kept, in 255ths"
    ]
    token_shares: Annotated[EncodedArray, "uint8 [N, T]", "the same for each token, over all layers"]
    weight_into_last: NotRequired[
        Annotated[
            EncodedArray,
            "float32 [L, H + 1]",
            "sum of the weights, signs aside, of the edges of each head and then of the MLP into the explained token. "
            "Old files have none",
        ]
    ]
    entry_n_edges: NotRequired[
        Annotated[
            EncodedArray,
            "int32 [L, H + 1]",
            "the smallest size at which the trace has an edge of it. Old files have none",
        ]
    ]
    strongest_source: Annotated[
        EncodedArray,
        "int32 [L, H + 1, S]",
        "tokens from which the strongest edges come, by weight, of each head and then of the MLP; -1 pads",
    ]
    strongest_target: Annotated[EncodedArray, "int32 [L, H + 1, S]", "tokens to which they lead"]
    strongest_weight: Annotated[EncodedArray, "float32 [L, H + 1, S]", "their weights"]
    strongest_rank: Annotated[EncodedArray, "int32 [L, H + 1, S]", "in the trace of n edges where below n"]
    graph_part: Annotated[
        EncodedArray,
        "int32 [G]",
        "of the first G edges of the order, one after another: layer · (H + 3) + part, where part H is the residual "
        "edge past the attention, H + 1 the MLP, H + 2 the residual edge past it. Old files have none",
    ]
    graph_link: Annotated[EncodedArray, "int32 [G]", "target token · T + source token"]
    graph_weight: Annotated[EncodedArray, "float32 [G]", "their weights"]


_ARRAYS = {
    name: (get_args(hint)[0] if get_origin(hint) is NotRequired else hint).__metadata__[0].rstrip("]").split(" [")
    for name, hint in get_type_hints(Arrays, include_extras=True).items()
}
DTYPES: dict[str, Dtype] = {name: dtype for name, (dtype, _) in _ARRAYS.items()}
"""The kind of numbers in each of the arrays."""
AXES = {name: axes.split(", ") for name, (_, axes) in _ARRAYS.items()}
"""What each of the arrays has along its axes."""


class ViewState(Settings):
    """Everything that the views need before the first request."""

    version: Annotated[Literal[2], "of this shape"]
    model: Annotated[str, "its name"]
    server: Annotated[str, "the server that it runs on, `host:port`; empty for the kernel itself"]
    tokens: Annotated[list[str], "the T token texts up to `position`"]
    all_tokens: Annotated[list[str], "the whole prompt's"]
    prompt_note: NotRequired[Annotated[str, "which chat template wrote it, and what was added; may be empty"]]
    prompt_warning: NotRequired[Annotated[str, "what is probably not meant, as two start tokens; may be empty"]]
    question: NotRequired[Annotated[Question, "what is asked beyond the whole distribution; absent where nothing is"]]
    n_layers: Annotated[int, "L"]
    n_heads: Annotated[int, "H"]
    n_tokens: Annotated[int, "T"]
    parallel: NotRequired[Annotated[bool, "whether attention and MLP enter one node; old files do not say"]]
    n_edges: Annotated[int, "E"]
    tokens_per_cell: Annotated[
        int, "how many neighbouring tokens share a cell of the strip: 1 but for long prompts on large models"
    ]
    full_entropy: Annotated[float, "of the full model's prediction, in nats"]
    vocabulary: Annotated[list[str], "the V texts of all leading tokens at any level, the full model's included"]
    vocabulary_ids: Annotated[list[int], "their ids"]
    landmarks: Annotated[list[Landmark], "those that are reached"]
    levels_follow: NotRequired[
        Annotated[bool, "whether more levels are to be computed; before the first, the whole graph is the only one"]
    ]
    arrays: Annotated[Arrays, "the numbers"]


class EffectMap(TypedDict):
    """What switching off each head and each MLP, one at a time, does to the whole model's prediction."""

    answer: Annotated[str, "the full model's most probable next token"]
    rival: Annotated[str, "the one after it"]
    known: Annotated[EncodedArray, "uint8 [L, H + 1], 1 where it was run: of each head and then of the MLP"]
    total_variation: Annotated[
        EncodedArray, "float32 [L, H + 1], from the full model's prediction; NaN where unknown, or where it overflows"
    ]
    logit_change: Annotated[
        EncodedArray, "float32 [L, H + 1], of the answer's logit less its rival's, in nats; NaN in the same places"
    ]


class ExplorerState(TypedDict):
    """The traits that are kept the same on both sides."""

    view_state: Annotated[ViewState | None, "Python, with a trace and its levels", "everything but exact results"]
    n_edges: Annotated[int, "both", "how many edges the person has chosen, 1..E: the slider's value"]
    toggles: Annotated[
        Toggles, "both", "the parts that are put in or taken out; one that is absent is *auto*, as the trace has it"
    ]
    evaluation: Annotated[Evaluation | None, "Python", "the last exact result; none before the first"]
    evaluations: Annotated[
        list[Evaluation],
        "Python",
        "exact results that are known ahead, on a page without a model: of each head and MLP toggled by itself",
    ]
    refused: Annotated[
        list[Refusal], "Python", "those of them that have no result, such as one that overflows; else empty"
    ]
    status: Annotated[Status, "Python", "what it is doing"]
    choices: Annotated[Choices, "Python", "what a person can change to"]
    curves: Annotated[list[Curve], "Python", "other curves, once computed"]
    jumps: Annotated[list[Jump], "Python", "what was asked of the curve's jumps"]
    inside: Annotated[Inside | None, "Python", "what was last seen inside a subgraph of the trace"]
    shade: Annotated[Shade, "both", "what the cells of heads and MLPs are shaded by"]
    effects: Annotated[
        EffectMap | None,
        "Python, and the browser from a session file",
        "what each head and MLP does, as far as it was asked for; it comes batch by batch",
    ]
    groups: Annotated[
        list[Group], "both", "heads and MLPs that have a name; from Python also a dict from names to members"
    ]
    note: Annotated[str, "both", "what a person notes of the trace, 2,000 characters at most; data and never HTML"]
    history: Annotated[History, "the browser", "what was tried; Python stores it, saves it and hands it back"]
    live: Annotated[
        bool,
        "Python",
        "whether a model stands behind the widget: not in an exported page, nor where a file is replayed",
    ]


DEFAULTS: ExplorerState = {
    "view_state": None,
    "n_edges": 1,
    "toggles": {},
    "evaluation": None,
    "evaluations": [],
    "refused": [],
    "status": {"state": "ready", "message": "", "progress": 0},
    "choices": {"importance": [], "masks": [], "ablation": []},
    "curves": [],
    "jumps": [],
    "inside": None,
    "shade": "share",
    "effects": None,
    "groups": [],
    "note": "",
    "history": {"version": 2, "steps": [], "at": -1, "tried": []},
    "live": False,
}
"""The traits before there is a trace, and those of a page without a kernel that nothing was tried in."""

RESTORED = (
    "toggles",
    "evaluation",
    "evaluations",
    "refused",
    "curves",
    "jumps",
    "inside",
    "history",
    "shade",
    "groups",
    "note",
)
"""The traits that a widget on a trace from a file takes from there as they are."""


class LinkedToken(TypedDict):
    """A leading token, for people who observe or link it."""

    token: Annotated[str, "its text"]
    probability: Annotated[float, "in the subgraph"]


class DerivedState(TypedDict):
    """The traits that follow from these, for people who set, observe or link them; the browser reads none of them."""

    size: Annotated[float, "Python", "`n_edges` as a share of E; it can be set, and moves the slider"]
    top_tokens: Annotated[list[LinkedToken], "Python", "of `evaluation`, the most probable first"]
    total_variation: Annotated[float | None, "Python", "of `evaluation`"]


DERIVED_DEFAULTS: DerivedState = {"size": 1.0, "top_tokens": [], "total_variation": None}

KEPT_BY_PYTHON = {name for name in DERIVED_DEFAULTS if name != "size"} | {
    name
    for name, hint in get_type_hints(ExplorerState, include_extras=True).items()
    if not {"both", "browser"} & {*hint.__metadata__[0].split()}
}
"""The traits that Python alone writes: what a browser says of them is passed over."""


def from_browser(state: dict[str, Any]) -> dict[str, Any]:
    """Return what is taken of a state that a browser sends: of a size that is there twice, the number of edges.

    Parameters
    ----------
    state : dict
    """
    twice = {"size"} if "n_edges" in state else set()
    return {name: value for name, value in state.items() if name not in KEPT_BY_PYTHON | twice}
