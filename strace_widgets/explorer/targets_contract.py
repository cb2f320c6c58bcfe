"""What is asked of a trace, and how well that is answered: a part of `strace_widgets.explorer.contract`."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

Ablation = Literal["zero", "mean", "patch", "patch values"]
"""What a dropped edge carries: nothing, a mean, or what it carries after the counterfactual prompt."""


class Asked(TypedDict):
    """The question of a trace; nothing where it asks about the whole distribution. Old files ask none."""

    target: NotRequired[Annotated[list[int], "ids of the tokens that are asked for"]]
    foil: NotRequired[Annotated[list[int], "and of those that they are set against"]]
    counterfactual: NotRequired[Annotated[list[int], "token ids of another prompt, as long as the whole prompt"]]
    ablation: NotRequired[Annotated[Ablation, "what dropped edges carry; nothing where it is absent"]]


class AskedToken(TypedDict):
    """A token that is asked for, or that it is set against."""

    id: Annotated[int, "its id in the vocabulary"]
    token: Annotated[str, "its text, which is data and never HTML"]


class Question(TypedDict):
    """The question in words, and its figures; the figure m is a difference of logits, in nats."""

    target: Annotated[list[AskedToken], "what is asked for; perhaps nothing"]
    foil: Annotated[list[AskedToken], "what that is set against; without, m is the target's log probability"]
    counterfactual: Annotated[list[str], "texts of the other prompt's tokens, beside those of `all_tokens`"]
    counterfactual_text: Annotated[str, "the same as a text to be edited"]
    ordered: Annotated[bool, "whether the order of the edges answers this question, or that about all tokens"]
    full_figure: Annotated[float | None, "m of the full model; null where nothing is asked for"]
    empty_figure: Annotated[float | None, "m of the subgraph without an edge, once that was run"]
    cpr: Annotated[float | None, "mean faithfulness over s, once all levels are there"]
    cmd: Annotated[float | None, "mean of its distance from 1"]
    cpr_log: Annotated[float | None, "the first over log10 s"]
    cmd_log: Annotated[float | None, "the second over log10 s"]


class Faithful(TypedDict):
    """How much of the target's figure there is."""

    faithfulness: NotRequired[
        Annotated[
            float | None, "(m - m(empty)) / (m(full) - m(empty)) of the target's figure m; null where that is nothing"
        ]
    ]
