"""What the stream predicts after each layer, and what a head attends to and writes; the full model, then a subgraph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ToggleError
from ..model.looking import Looked, direct_refusal, looked
from .display import html_table, pandas
from .sweep import TopToken

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from ..graph.edges import Array
    from ..graph.modes import Modes
    from .explained import Explained

FULL, SUBGRAPH = 0, 1
"""The rows of what was seen."""


@dataclass(frozen=True, repr=False, eq=False)
class LogitLens:
    """The logit lens: what the last token's stream predicts after each layer, read by the model's own end.

    The first row is that of the embeddings, the one after layer l the (l + 1)-th. Arrays have the full model first, the
    subgraph second.

    Attributes
    ----------
    size : float
        The relative size s of the subgraph.
    n_edges : int
    modes : Modes
    answers, rivals : list of str
        The tokens asked for, and those that they are set against: the trace's target and foil, or else the full model's
        most probable next token and the one after it.
    full, subgraph : lists of L + 1 lists of TopToken
        The most probable next tokens.
    log_probabilities : (2, L + 1, 2) float64
        Of the answers and of the rivals, each added up.
    heads, mlp, embeddings : (2, L, H), (2, L) and (2,) float32, or None
        What each writes directly to the answers' logit above the rivals' (the mean of several): through the final norm
        held fixed at its true input, where later residual edges carry it on. Together with what biases write they are
        that logit difference. None for a model of which this cannot be said: ``refusal`` says why.
    refusal : str or None
    """

    size: float
    n_edges: int
    modes: Modes
    answers: list[str]
    rivals: list[str]
    full: list[list[TopToken]]
    subgraph: list[list[TopToken]]
    log_probabilities: Array
    heads: Array | None
    mlp: Array | None
    embeddings: Array | None
    refusal: str | None = None

    @property
    def logit_difference(self) -> Array:
        """The answers' log probability above the rivals' after each layer, (2, L + 1)."""
        result: Array = self.log_probabilities[..., 0] - self.log_probabilities[..., 1]
        return result

    def to_frame(self) -> pd.DataFrame:
        """Return a data frame with a row a layer; -1 is the embeddings.

        Returns
        -------
        pandas.DataFrame
            ``layer``; for ``full`` and ``subgraph`` the most probable ``token``, its ``probability``, and the answers'
            ``logit_difference``.

        Raises
        ------
        MissingPackageError
            When pandas is not installed.
        """
        columns: dict[str, Any] = {"layer": np.arange(len(self.full)) - 1}
        for row, name in enumerate(("full", "subgraph")):
            first = [tokens[0] for tokens in getattr(self, name)]
            columns[f"{name}_token"] = [each.token for each in first]
            columns[f"{name}_probability"] = [each.probability for each in first]
            columns[f"{name}_logit_difference"] = self.logit_difference[row]
        return pandas().DataFrame(columns)

    def __repr__(self) -> str:
        first = [next((at for at, each in enumerate(row) if each[0].token in self.answers), None) for row in self._rows]
        said = [
            f"{name} says {self._asked(self.answers)} " + ("nowhere" if at is None else f"first after layer {at - 1}")
            for name, at in zip(("the full model", "the subgraph"), first, strict=True)
        ]
        return f"LogitLens at s = {self.size:.3g}: {'; '.join(said)}"

    def _repr_html_(self) -> str:
        columns: dict[str, list[str]] = {"after": ["embeddings", *(f"layer {n}" for n in range(len(self.full) - 1))]}
        texts = []
        for name, row, differences in zip(("full model", "subgraph"), self._rows, self.logit_difference, strict=True):
            texts.append(name)
            columns[name] = [tokens[0].token for tokens in row]
            columns[f"{name}, probability"] = [f"{tokens[0].probability:.3f}" for tokens in row]
            columns[f"{name}, logit"] = [f"{difference:+.2f}" for difference in differences]
        title = f"{self!r}. Logits are those of {self._asked(self.answers)} above {self._asked(self.rivals)}."
        return html_table(title, columns, texts=texts)

    @property
    def _rows(self) -> tuple[list[list[TopToken]], list[list[TopToken]]]:
        return self.full, self.subgraph

    @staticmethod
    def _asked(tokens: list[str]) -> str:
        return " or ".join(map(repr, tokens))


@dataclass(frozen=True, repr=False, eq=False)
class HeadView:
    """What one head attends to and writes, in the full model and in a subgraph.

    Attributes
    ----------
    name : str
        As toggles have it, ``"21.4"``.
    tokens : list of str
    size : float
    n_edges : int
    modes : Modes
    attention : (2, T, T) float32
        Its attention probabilities [target, source] in the full model, and those of the edges that the subgraph keeps,
        from that run's own softmax.
    lens : LogitLens
        What was seen besides.
    direct : (2,) float32, or None
        What it writes directly to the answers' logit above the rivals': see `LogitLens`.
    promoted : two lists of (str, float)
        The tokens to which it writes most at the last position, and how much, in logits.
    """

    name: str
    tokens: list[str]
    size: float
    n_edges: int
    modes: Modes
    attention: Array
    lens: LogitLens
    direct: Array | None
    promoted: list[list[tuple[str, float]]]

    def __repr__(self) -> str:
        at = self.attention[FULL, -1].argmax()
        what = (
            f"HeadView of {self.name} at s = {self.size:.3g}: the last token attends most to {self.tokens[at]!r} ({at})"
        )
        if self.direct is None:
            return f"{what}. {self.lens.refusal}"
        return (
            f"{what}; it writes {self.direct[FULL]:+.2f} to the logit of {' or '.join(map(repr, self.lens.answers))} "
            f"above {' or '.join(map(repr, self.lens.rivals))}, in the subgraph {self.direct[SUBGRAPH]:+.2f}"
        )

    def _repr_html_(self) -> str:
        columns: dict[str, list[str]] = {}
        for name, tokens in zip(("full model", "subgraph"), self.promoted, strict=True):
            columns[f"{name} writes to"] = [token for token, _ in tokens]
            columns[f"{name}, logit"] = [f"{logit:+.2f}" for _, logit in tokens]
        return html_table(repr(self), columns, texts=[name for name in columns if name.endswith("writes to")])


def logit_lens(trace: Explained, s: float, toggles: Mapping[str, str] | None, modes: Modes) -> LogitLens:
    """Look into a subgraph of a trace and the full model: see `strace_widgets.STrace.lens`."""
    return _lens(trace, s, modes, _look(trace, s, toggles, modes))


def head_view(trace: Explained, name: str, s: float, toggles: Mapping[str, str] | None, modes: Modes) -> HeadView:
    """Look at one head: see `strace_widgets.STrace.head`."""
    layer, number = head_named(name, trace.graph.n_layers, trace.graph.n_heads)
    seen = _look(trace, s, toggles, modes, layer)
    lens = _lens(trace, s, modes, seen)
    assert seen.pattern is not None  # noqa: S101 - a layer was asked for
    promoted: list[list[tuple[str, float]]] = [[], []]
    if seen.promoted is not None and seen.promoted_logits is not None:
        promoted = [
            [(trace.model.decode(int(token)), float(logit)) for token, logit in zip(*of_row, strict=True)]
            for of_row in zip(seen.promoted[:, number], seen.promoted_logits[:, number], strict=True)
        ]
    direct = None if seen.heads is None else seen.heads[:, layer, number]
    attention = seen.pattern[:, number]
    return HeadView(name, trace.tokens, lens.size, lens.n_edges, modes, attention, lens, direct, promoted)


def head_named(name: str, n_layers: int, n_heads: int) -> tuple[int, int]:
    """Return the layer and the number of a head ``"21.4"``.

    Raises
    ------
    ToggleError
        When the model has no such head.
    """
    layer, _, number = name.partition(".")
    if not (layer.isdecimal() and number.isdecimal() and int(layer) < n_layers and int(number) < n_heads):
        raise ToggleError(
            f"There is no head {name!r}: heads are named 'layer.head', from '0.0' to '{n_layers - 1}.{n_heads - 1}'."
        )
    return int(layer), int(number)


def _look(
    trace: Explained, s: float, toggles: Mapping[str, str] | None, modes: Modes, layer: int | None = None
) -> Looked:
    (kept,) = trace.kept([s]).tolist()
    model = trace.traced_model()
    return looked(model, trace.rows(modes), trace.ranks, kept, trace.parsed(toggles), modes, trace.question, layer)


def _lens(trace: Explained, s: float, modes: Modes, seen: Looked) -> LogitLens:
    decode = trace.model.decode
    answers, rivals = trace.question
    full, subgraph = (
        [
            [
                TopToken(int(token), decode(int(token)), float(np.exp(chance)))
                for token, chance in zip(*layer, strict=True)
            ]
            for layer in zip(tokens, chances, strict=True)
        ]
        for tokens, chances in zip(seen.top, seen.top_log_probabilities, strict=True)
    )
    groups = np.split(seen.log_probabilities.astype(np.float64), [len(answers)], axis=-1)
    chances = np.stack([np.logaddexp.reduce(group, axis=-1) for group in groups], axis=-1)
    return LogitLens(
        float(s),
        trace.kept([s]).tolist()[0],
        modes,
        [decode(token) for token in answers],
        [decode(token) for token in rivals],
        full,
        subgraph,
        chances,
        seen.heads,
        seen.mlp,
        seen.embeddings,
        direct_refusal(trace.model.architecture),
    )
