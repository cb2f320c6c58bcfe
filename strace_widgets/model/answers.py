"""What an answer from a server has to be: looked at where it comes in, before anything is computed with it.

A `strace_widgets.model.calls.Call` says the form of its answer, and each request has a mark that its answer repeats. So
neither another request's answer nor numbers of another shape or kind are taken for what was asked.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import torch

from ..errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .architecture import Architecture

WHOLE = (torch.float32,)
FORMATS = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
"""The number formats of models."""


class Numbers(NamedTuple):
    """A tensor.

    Attributes
    ----------
    shape : tuple of int or None
        None where any length will do.
    kinds : tuple of torch.dtype
    below : int, optional
        Of whole numbers from 0 on, what they are below.
    """

    shape: tuple[int | None, ...]
    kinds: tuple[torch.dtype, ...] = WHOLE
    below: int | None = None


Form = Numbers | list[Any] | None
"""A tensor, several answers in a row, or nothing."""


def packed(*shape: int | None, half: bool) -> Form:
    """Return the form of what `strace_widgets.interventions.packing.packed` returns."""
    return [Numbers(shape, (torch.float16,) if half else WHOLE), Numbers(())]


def new_mark() -> str:
    """Return what a request and its answer are known by."""
    return secrets.token_hex(8)


def of_server(run: Callable[..., Any], form: Callable[[], Form], url: str) -> Any:
    """Run a call on a server and return its answer, which is one to this call.

    Parameters
    ----------
    run : callable
        Takes the request's ``mark``, and returns the answer.
    form : callable
        Returns the form that it has to have.
    url : str
        The server's address.

    Raises
    ------
    RemoteError
        When it is none.
    """
    mark = new_mark()
    answer = run(mark=mark)
    try:
        return opened(answer, form(), mark)
    except ValueError as reason:
        raise RemoteError(
            f"The answer of {url} is none to what was asked: {reason}. Nothing was done with it; ask again.",
            str(reason),
        ) from None


def opened(answer: Any, form: Form, mark: str = "") -> Any:
    """Return an answer without its mark: see `strace_widgets.interventions.packing.marked`.

    Parameters
    ----------
    answer : object
    form : Form
    mark : str
        The request's; of one whose mark is not known, nothing.

    Raises
    ------
    ValueError
        When it is an answer to another request, or of another form; says what is wrong with it.
    """
    found = ""
    if isinstance(answer, (list, tuple)) and len(answer) == 2 and isinstance(answer[1], str):  # noqa: PLR2004
        answer, found = answer
    if mark and found != mark:
        raise ValueError("it answers another request" if found else "it does not say which request it answers")
    return taken(answer, form)


def taken(answer: Any, form: Form, place: str = "it") -> Any:
    """Return an answer, of which nothing wants gradients any more, if it has a form.

    Raises
    ------
    ValueError
        Says what is there, and what should be.
    """
    if isinstance(form, list):
        if not isinstance(answer, (list, tuple)) or len(answer) != len(form):
            raise ValueError(f"{place} is {_said(answer)}, not {len(form)} parts")
        pairs = enumerate(zip(answer, form, strict=True))
        return [taken(each, wanted, f"part {number + 1} of {place}") for number, (each, wanted) in pairs]
    if form is None:
        if answer is not None:
            raise ValueError(f"{place} is {_said(answer)}, where nothing was asked for")
        return None
    if not torch.is_tensor(answer) or answer.dtype not in form.kinds or not _fits(answer.shape, form.shape):
        raise ValueError(f"{place} is {_said(answer)}, not {_wanted(form)}")
    if form.below is not None and answer.numel() and not 0 <= int(answer.min()) <= int(answer.max()) < form.below:
        raise ValueError(f"{place} has numbers that are none of 0 to {form.below - 1}")
    return answer.detach()


def _fits(shape: torch.Size, wanted: tuple[int | None, ...]) -> bool:
    return len(shape) == len(wanted) and all(
        right is None or size == right for size, right in zip(shape, wanted, strict=True)
    )


def _said(answer: Any) -> str:
    if torch.is_tensor(answer):
        return f"a tensor {tuple(answer.shape)} of {str(answer.dtype).removeprefix('torch.')}"
    if isinstance(answer, (list, tuple)):
        return f"{len(answer)} part{'s' * (len(answer) != 1)}"
    return "nothing" if answer is None else f"a {type(answer).__name__}"


def _wanted(form: Numbers) -> str:
    shape = ", ".join("any" if size is None else str(size) for size in form.shape)
    return f"a tensor ({shape}) of {' or '.join(str(kind).removeprefix('torch.') for kind in form.kinds)}"


# The forms of what is asked: see the functions of `strace_widgets.interventions`, which say what they return.


class Sized(Protocol):
    """A model, as far as the form of its answers goes by it: a `strace_widgets.model.model.Model`."""

    @property
    def nnsight(self) -> Any:
        """The nnsight model."""

    @property
    def architecture(self) -> Architecture:
        """Where its parts are."""

    @property
    def d_model(self) -> int:
        """The width of the residual stream."""

    @property
    def dtype(self) -> str:
        """The weights' number format; empty before the proof has found it."""

    @property
    def half(self) -> bool:
        """Whether large arrays come in float16."""


def n_logits(model: Sized) -> int | None:
    """Return how many tokens a prediction has, where the module says so."""
    unembedding = model.nnsight._module.get_output_embeddings()  # noqa: SLF001 - nnsight's own name for it
    return getattr(unembedding, "out_features", None)


def scores(model: Sized, n_tokens: int, layers: int | None = None) -> Form:
    """Return the form of scores of every edge of some layers, all by default, and the model's logits."""
    n_layers, n_heads = model.architecture.n_layers if layers is None else layers, model.architecture.n_heads
    attention = packed(n_layers, n_heads, n_tokens, n_tokens, half=model.half)
    return [attention, *[Numbers((n_layers, n_tokens))] * 3, packed(n_logits(model), half=model.half)]


def captured(model: Sized, n_tokens: int, score: str | tuple[str, ...] | None, part: tuple[int, int]) -> Form:
    """Return the form of what a call of `Model.captures` returns of some layers."""
    n_layers = part[1] - part[0]
    if score is None:
        return vectors(model, n_tokens, n_layers)
    of_one = scores(model, n_tokens, n_layers)
    return of_one if isinstance(score, str) else [of_one] * len(score)


def vectors(model: Sized, n_tokens: int, layers: int) -> Form:
    """Return the form of what every edge of some layers carries, and the model's logits."""
    n_heads, width = model.architecture.n_heads, model.d_model
    of_heads = (layers, n_heads, n_tokens, n_tokens), (layers, n_heads, n_tokens, width)
    shapes: list[tuple[int, ...]] = [*of_heads, *[(layers, n_tokens, width)] * 5]
    own = [getattr(torch, model.dtype)] if model.dtype else []
    kinds = (torch.float16,) if model.half else (*WHOLE, *own)
    return [*([Numbers(shape, kinds), Numbers(())] for shape in shapes), packed(n_logits(model), half=model.half)]


def logits(model: Sized, n_rows: int | None, *, states: bool = False) -> Form:
    """Return the form of last logits, or of last hidden states."""
    return packed(n_rows, model.d_model if states else n_logits(model), half=model.half)


def means(model: Sized) -> Form:
    """Return the form of the reference means."""
    n_layers = model.architecture.n_layers
    values = packed(n_layers, None, 2, None, half=model.half)  # some layers may have fewer or narrower heads
    return [values, *[packed(n_layers, 2, model.d_model, half=model.half)] * 3]


def gains(model: Sized, n_tokens: int, n_rows: int, *, each: bool) -> Form:
    """Return the form of what edges gain some subgraphs, in the mean or each, and of the subgraphs' errors."""
    rows = (model.architecture.n_layers, *([n_rows] if each else []))
    attention = packed(*rows, model.architecture.n_heads, n_tokens, n_tokens, half=model.half)
    return [attention, *[Numbers((*rows, n_tokens))] * 3, Numbers((n_rows,))]


def looks(model: Sized, n_tokens: int, n_rows: int, asked: dict[str, Any]) -> Form:
    """Return the form of what `strace_widgets.interventions.lens.look` sees."""
    n_layers, n_heads, n_top = model.architecture.n_layers, model.architecture.n_heads, asked["n_top"]
    top = Numbers((n_rows, n_layers + 1, n_top), (torch.int64,), n_logits(model))
    n_asked = sum(map(len, asked["tokens"]))
    direct = promoted = pattern = None
    if asked["direct"]:
        direct = [Numbers(shape) for shape in ((n_rows, n_layers, n_heads), (n_rows, n_layers), (n_rows,))]
    if asked["layer"] is not None:
        pattern = packed(n_rows, n_heads, n_tokens, n_tokens, half=model.half)
        if asked["direct"]:
            shape = (n_rows, n_heads, n_top)
            promoted = [Numbers(shape, (torch.int64,), n_logits(model)), Numbers(shape)]
    shown = [Numbers((n_rows, n_layers + 1, n_top)), Numbers((n_rows, n_layers + 1, n_asked))]
    return [top, *shown, direct, pattern, promoted]


def steps(model: Any, n_rows: int) -> Form:
    """Return the form of what is found at each step of a pass: see `strace_widgets.interventions.finite.steps`."""
    return Numbers((5 * model.architecture.n_layers + 3, n_rows), (torch.int8,))


def identity_gaps(model: Sized) -> Form:
    """Return the form of what the first pass of the proof measures."""
    of_layers = [Numbers((model.architecture.n_layers,))] * 5
    return [*of_layers, Numbers(()), Numbers((model.d_model,), FORMATS)]


def reading_gaps(model: Sized, kind: torch.dtype) -> Form:
    """Return the form of what the second pass of the proof measures, of a model in a number format."""
    return [*[Numbers((model.architecture.n_layers,))] * 2, Numbers((model.d_model,), (kind,))]
