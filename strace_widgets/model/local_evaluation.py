"""Masked runs of a module that is at hand: by hooks of torch, beside nnsight, whose way through a pass has its price.

What a mask does stands in `strace_widgets.interventions.masked` alone. Here a pass only leaves out what cannot matter:
the MLP of positions whose MLP edge is dropped, the projections and the attention of rows that keep no attention edge of
a layer, all but one of the positions at which a module is given zeros, and the layers below the first that runs
otherwise than before (`strace_widgets.model.reuse`).
"""

from __future__ import annotations

import inspect
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from transformers import AttentionInterface
from transformers.masking_utils import AttentionMaskInterface, eager_mask
from transformers.pytorch_utils import Conv1D

from ..graph.edges import NOT_IN_GRAPH
from ..interventions.access import find, first, predicted
from ..interventions.masked import (
    attention_mask,
    batch_of,
    mask_heads,
    mask_mlp,
    mask_residual,
    means_of_layer,
    token_masks,
)
from ..interventions.packing import packed
from .placement import token_device
from .reuse import begin
from .running import ATTENTION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .reuse import Reuse

MASKED = "strace_masked"
"""The name by which transformers knows `attend`."""

LINEAR = {torch.nn.Linear, Conv1D}
"""Modules that are a weight and perhaps a bias, which is what they say to zeros."""

WORTH = 0.8
"""Gathering positions costs time, too: it is done where no larger share of them is needed."""


# A pass.


def evaluate(model: Any, architecture: dict[str, Any], *masks: Any, reuse: Reuse | None = None) -> Any:
    """Return what `strace_widgets.interventions.masked.evaluate` does; ``masks`` are its other arguments, all given.

    ``reuse`` has what earlier runs of the same model left.
    """
    token_ids, ranks, kept, toggles, modes, states, half, means = masks
    module, of_tokens = model._module, token_masks(ranks, kept, toggles, modes)
    modules = list(find(module, architecture["layers"]))
    run = begin(reuse, module, of_tokens, masks, len(modules))
    # Edges that lead nowhere are in no mask, and may as well be there: a layer that lacks no other runs as the model's.
    whole: Any = [
        None if mask is None else (mask | (kind == NOT_IN_GRAPH)).all(0).all(-1).tolist()
        for mask, kind in zip(of_tokens, ranks[1:], strict=True)
    ]
    if not all(kind is None or all(kind) for kind in whole):  # then none of it is the model's to the bit
        whole[1] = of_tokens[1].all(0).all(-1).tolist()  # and MLPs whose edge leads nowhere need not run
    layers = []
    for index in range(run.start if run else 0, len(modules)):
        keep = [
            None if mask is None or all_kept[index] else mask[:, index]
            for mask, all_kept in zip(of_tokens, whole, strict=True)
        ]
        heads_kept = _attention_masks(ranks, kept, toggles, modes, index)
        of_layer = modules[index], architecture, heads_kept, keep, modes["frozen"], means_of_layer(means, index)
        layers.append(Layer(*of_layer))
    found: list[Any] = []
    with masked_run(layers), ExitStack() as hooks:
        if states:
            hooks.callback(_last_hidden(module, architecture, found).remove)
        for undo in run.hooked(modules, len(kept), architecture["layer_in_tuple"]) if run else ():
            hooks.callback(undo)
        output = module(batch_of(token_ids, len(kept)).to(token_device(module)), **architecture["keywords"])
    if run:
        run.done()
    last = found[-1] if states else predicted(output)[:, -1]
    return packed(last.float(), half)


def _attention_masks(ranks: Any, kept: Any, toggles: Any, modes: dict[str, bool], index: int) -> Callable[[Any], Any]:
    """Return what makes the attention mask of a layer where it is needed: all of them at once would be large."""
    return lambda stream: attention_mask(ranks, kept, toggles, modes, SimpleNamespace(input=stream), index)


def _last_hidden(module: Any, architecture: dict[str, Any], found: list[Any]) -> Any:
    """Have what the unembedding reads at the last position noted: see `access.last_hidden`."""
    if architecture["head"] is not None:
        head = find(module, architecture["head"])
        return head.register_forward_pre_hook(lambda _, args: found.append(args[0][:, -1]))
    norm, in_tuple = architecture["final_norm"], architecture["layer_in_tuple"]
    last = find(module, architecture["layers"])[architecture["n_layers"] - 1]
    part = last if norm is None else find(module, norm["path"])
    return part.register_forward_hook(
        lambda _, __, output: found.append(first(output, norm is None and in_tuple)[:, -1])
    )


# A layer.


@dataclass
class Taken:
    """A step of a block as `strace_widgets.interventions.masked` takes it, see `strace_widgets.interventions.block`."""

    residual: Any = None
    added: Any = None
    known: Any = None

    def read(self) -> Any:
        """Return the values and the attention probabilities."""
        return self.known

    def replace(self, added: Any) -> None:
        """Let the step say something else."""
        self.added = added


@dataclass
class Layer:
    """A layer under its masks while it runs.

    Attributes
    ----------
    heads_kept : callable
        Makes the attention mask (B, H, T, T), or None, for a stream.
    keep : three masks (B, T)
        As `token_masks` has them, of this layer; None where all are kept.
    """

    module: Any
    architecture: dict[str, Any]
    heads_kept: Callable[[Any], Any]
    keep: list[Any]
    frozen: bool
    means: Any
    streams: dict[str, Any] = field(default_factory=dict)
    heads: Any = None
    attending: Any = None
    sparse: bool = False

    @property
    def attention(self) -> Any:
        """The attention."""
        return find(self.module, self.architecture["attention"])

    def hooked(self) -> Iterator[Any]:
        """Register hooks on everything that is masked, or left out; yields what removes each."""
        a = self.architecture
        yield self.module.register_forward_pre_hook(self.begin, with_kwargs=True)
        read: list[Any] = []
        for part in self.attention.modules():
            if type(part) in LINEAR:
                yield from only_where_needed(part, lambda: self.attending if self.sparse else None, read)
        if self.keep[1] is not None and self.keep[1].float().mean() <= WORTH:
            for name, part in self.module.named_children():
                if name != a["attention"].split(".")[0] and any(weight.ndim > 1 for weight in part.parameters()):
                    yield from only_where_needed(part, lambda: self.keep[1], [])
        for sublayer in ("attention", "mlp"):
            path = a[f"{sublayer}_residual"]
            if path is not None:
                yield find(self.module, path).register_forward_hook(self.noting(sublayer))
        yield find(self.module, a["attention_write"]).register_forward_hook(self.after_attention)
        yield find(self.module, a["mlp_write"]).register_forward_hook(self.after_mlp)

    def begin(self, _: Any, args: tuple[Any, ...], others: dict[str, Any]) -> None:
        """Note the stream before the layer, and which rows attend to anything in it."""
        stream = args[0] if args else next(iter(others.values()))
        self.streams = {"before": stream}
        self.heads, self.attending, self.sparse = self.heads_kept(stream), None, False
        if self.heads is not None and self.means is None:
            rows = self.heads.flatten(1).view(torch.uint8).amax(1).bool()  # faster than `any`
            self.attending = rows[:, None].expand(stream.shape[:2])
            self.sparse = int((self.attending & not_zero(stream)).count_nonzero()) <= WORTH * self.attending.numel()

    def noting(self, sublayer: str) -> Callable[..., None]:
        """Return the hook of a module whose output is the stream past a sublayer."""

        def note(_: Any, __: Any, output: Any) -> None:
            self.streams[sublayer] = output

        return note

    def past(self, sublayer: str, stream: Any) -> Any:
        """Return the stream past a sublayer: see `strace_widgets.interventions.block.residual_past`."""
        scale = self.architecture[f"{sublayer}_residual_scale"]
        stream = self.streams.get(sublayer, stream)
        return stream if scale == 1 else stream * scale

    def after_attention(self, _: Any, __: Any, output: Any) -> Any:
        """Take away what dropped residual edges would have carried past the attention."""
        stream = self.past("attention", self.streams["before"])
        step, replaced = self.step("attention", stream, output), None
        if self.keep[0] is not None:
            mask_residual(step, self.keep[0], self.means and self.means[1])
            replaced = self.said("attention", step, output)
        reads = self.keep[2] is not None and not self.architecture["parallel"]
        self.streams["between"] = step.residual + step.added if reads else stream
        self.heads = None  # one layer's at a time, which bounds the memory
        return replaced

    def after_mlp(self, _: Any, __: Any, output: Any) -> Any:
        """Let the MLP add nothing where its edge is dropped, and drop the residual edges past it."""
        parallel, stream = self.architecture["parallel"], self.streams["between"]
        keep, keep_residual = self.keep[1], (None if parallel else self.keep[2])
        replaced = None
        if keep is not None or keep_residual is not None:
            step = self.step("mlp", stream if parallel else self.past("mlp", stream), output)
            keep = self.keep[2] | True if keep is None else keep
            mask_mlp(step, keep, keep_residual, self.means and self.means[2:])
            replaced = self.said("mlp", step, output)
        self.streams = {}
        return replaced

    def step(self, sublayer: str, residual: Any, output: Any) -> Taken:
        """Return what a sublayer adds, in the shape of the stream."""
        added = first(output, self.architecture[f"{sublayer}_write_in_tuple"]).view_as(residual)
        scale = self.architecture[f"{sublayer}_scale"]
        return Taken(residual, added if scale == 1 else added * scale)

    def said(self, sublayer: str, step: Taken, output: Any) -> Any:
        """Return the output of a sublayer's module by which it adds what it now is to add."""
        scale, in_tuple = self.architecture[f"{sublayer}_scale"], self.architecture[f"{sublayer}_write_in_tuple"]
        like = first(output, in_tuple)
        value = (step.added if scale == 1 else step.added / scale).view_as(like).to(like.dtype)
        step.added = step.added if scale == 1 else value.view_as(step.added) * scale  # as the block adds it up
        return (value, *output[1:]) if in_tuple else value


# What is left out.


def only_where_needed(part: Any, needed: Callable[[], Any], read: list[Any]) -> Iterator[Any]:
    """Let a module that reads one position at a time run at some positions only; yields what removes each hook.

    These are the positions that are ``needed`` (B, T), all without a mask. Those at which it is given zeros count as
    one, which is not run at all where it is known what a module says to zeros. Nothing reads what stands at the others.
    Modules that share ``read`` need the same, and it is looked up once if they are given the same.
    """
    given: Any = None
    where: Any = None
    of_zeros = False
    linear = type(part) in LINEAR

    def before(_: Any, args: tuple[Any, ...]) -> Any:
        nonlocal given, where, of_zeros
        where, need = None, needed()
        if need is None or not args or args[0].shape[:-1].numel() != need.numel():
            return None
        given = args[0]
        if not read or read[0] is not given:
            read[:] = given, *something_at(given, need)
        _, rows, where, zeros = read
        if where is None:
            return None
        of_zeros = zeros and not linear
        if of_zeros:
            rows = torch.cat([rows, rows.new_zeros(1, rows.shape[1])])
        return (rows.view(*[1] * (given.ndim - 2), *rows.shape), *args[1:])

    def after(_: Any, __: Any, output: Any) -> Any:
        if where is None:
            return None
        rows, shape = first(output, isinstance(output, tuple)).flatten(0, -2), given.shape[:-1]
        if of_zeros:
            whole = rows[-1:].repeat(shape.numel(), 1)
        elif linear and part.bias is not None:
            whole = part.bias.detach().repeat(shape.numel(), 1)
        else:
            whole = rows.new_zeros(shape.numel(), rows.shape[1])
        whole = whole.index_copy_(0, where, rows[: len(where)]).view(*shape, -1)
        return (whole, *output[1:]) if isinstance(output, tuple) else whole

    yield part.register_forward_pre_hook(before)
    yield part.register_forward_hook(after)


def something_at(given: Any, need: Any) -> tuple[Any, Any, bool]:
    """Return the rows of an input (..., M) that are needed and not zero, where they stand, and whether others are zero.

    None where these are nearly all.
    """
    rows, need = given.flatten(0, -2), need.to(given.device).flatten()
    where = (not_zero(rows) & need).nonzero()[:, 0]
    if len(where) > WORTH * len(rows):
        return None, None, False
    return rows[where], where, len(where) < int(need.sum())


def not_zero(stream: Any) -> Any:
    """Tell of each position whether anything stands there: `any`, which is slow on floating-point numbers."""
    return stream.abs().amax(-1) != 0


# Attention.


ATTENDING: ContextVar[dict[int, Layer]] = ContextVar("ATTENDING")
"""The layers that run, by their attention's id."""


def attend(
    attention: Any, query: Any, key: Any, value: Any, attention_mask: Any = None, **options: Any
) -> tuple[Any, Any]:
    """Return what the heads say (B, T, H, d) under the layer's mask; as transformers calls any attention function.

    The probabilities are those of the family's own eager function, which is given values without columns.
    """
    layer = ATTENDING.get()[id(attention)]
    eager = eager_of(attention)
    keep, frozen = layer.heads, layer.frozen
    if keep is None and not frozen:
        result: tuple[Any, Any] = eager(attention, query, key, value, attention_mask, **options)
        return result
    n_rows = len(query)
    rows: Any = slice(None)
    some: Any = range(n_rows) if layer.attending is None else layer.attending[:, 0].nonzero()[:, 0].tolist()
    if len(some) < n_rows:
        if not some:
            return value.new_zeros(n_rows, query.shape[2], query.shape[1], value.shape[-1]), None
        # Any other tensor with a row for each of the batch would have to be cut as well.
        batched = any(torch.is_tensor(each) and each.ndim and len(each) == n_rows for each in options.values())
        rows = rows if batched else some
    asked = slice(0, 1) if frozen and not isinstance(layer.means and layer.means[0], str) else rows
    if attention_mask is not None and len(attention_mask) == n_rows:
        attention_mask = attention_mask[asked]
    _, probabilities = eager(attention, query[asked], key[asked], value[asked][..., :0], attention_mask, **options)
    step = Taken(known=(value[rows], probabilities))
    mask_heads(step, keep if keep is None else keep[rows], frozen, layer.means and layer.means[0])
    said = step.added
    if not isinstance(rows, slice):
        said = said.new_zeros(n_rows, *said.shape[1:])
        said[rows] = step.added
    return said.transpose(1, 2).contiguous(), None


def eager_of(attention: Any) -> Any:
    """Return the eager attention function of an attention's family."""
    return inspect.unwrap(type(attention).forward).__globals__["eager_attention_forward"]


AttentionInterface.register(MASKED, attend)
AttentionMaskInterface.register(MASKED, eager_mask)


@contextmanager
def masked_run(layers: list[Layer]) -> Iterator[None]:
    """Let a module run with its layers under their masks; then leave it as it was."""
    token = ATTENDING.set({id(layer.attention): layer for layer in layers})
    configs = {id(layer.attention.config): layer.attention.config for layer in layers}
    given = [(config, getattr(config, ATTENTION)) for config in configs.values()]
    try:
        with ExitStack() as hooks:
            for config, _ in given:
                setattr(config, ATTENTION, MASKED)
            for layer in layers:
                for handle in layer.hooked():
                    hooks.callback(handle.remove)
            yield
    finally:
        ATTENDING.reset(token)
        for config, implementation in given:
            setattr(config, ATTENTION, implementation)
