"""What a masked run can take from an earlier one: below the first layer that runs otherwise, the streams are the same.

A toggle in layer l leaves the layers below it as they were, so only layers from l on run again. Whether a layer runs as
it did is told by its masks themselves, not by the size, the toggles and the modes that made them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ..interventions.access import first
from ..interventions.masked import attention_mask
from .changes import weights_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_BYTES = 1 << 26
"""What the streams of one run may take; where all layers would take more, those after every second, third, ... stay."""


class OfLayer(NamedTuple):
    """The masks of a layer: a digest of the first row's, and whether all rows have the same."""

    digest: bytes
    alike: bool


class Said(NamedTuple):
    """What a layer says, (1, T, M), how often it was written to then, and how many values follow in the output."""

    stream: Any
    version: int
    n_others: int

    def lasts(self) -> bool:
        """Tell whether nothing was written over it since, as by a next layer that adds in place."""
        return bool(self.stream._version == self.version)  # noqa: SLF001 - torch has no other word for it


@dataclass
class Pass:
    """The first row of a masked run.

    Attributes
    ----------
    about : tuple
        All that its streams depend on besides the masks.
    masks : list of bytes
        A digest of the masks of each layer.
    says : dict
        By layer, what it says.
    """

    about: tuple[Any, ...]
    masks: list[bytes] = field(default_factory=list)
    says: dict[int, Said] = field(default_factory=dict)


@dataclass
class Reuse:
    """The last masked run of a model, and the one that it began with: a subgraph, and that with a toggle.

    Attributes
    ----------
    passes : list of Pass
        At most two.
    """

    passes: list[Pass] = field(default_factory=list)

    def begin(self, about: tuple[Any, ...], layers: Iterator[OfLayer]) -> Run:
        """Return a run as it begins: how many layers need not run, and what the last of them says.

        Parameters
        ----------
        about : tuple
            See `Pass`.
        layers : iterator of OfLayer
        """
        new, alike = Pass(about), True
        known, best, n_same = [each for each in self.passes if each.about == about], None, 0
        for index, layer in enumerate(layers):
            new.masks.append(layer.digest)
            alike = alike and layer.alike
            known = [each for each in known if alike and each.masks[index] == layer.digest]
            if known:
                best, n_same = known[0], index + 1
        if best:
            new.says = {index: said for index, said in best.says.items() if index < n_same and said.lasts()}
        return Run(self, new, best, max(new.says, default=-1) + 1)


@dataclass
class Run:
    """A masked run that begins with layer ``start``, since the streams before it are those of an earlier one."""

    reuse: Reuse
    new: Pass
    before: Pass | None
    start: int

    def hooked(self, layers: Any, n_rows: int, in_tuple: bool) -> Iterator[Callable[[], Any]]:  # noqa: FBT001
        """Let layers below ``start`` say what they said, and note what others say; yields what undoes each.

        Parameters
        ----------
        layers : modules
        n_rows : int
            B, the rows of this run.
        in_tuple : bool
            Whether a layer's output is a tuple, its stream in front.
        """
        if self.start:
            said = self.new.says[self.start - 1]
            stream = said.stream.repeat(n_rows, 1, 1)
            output = (stream, *[None] * said.n_others) if in_tuple else stream
            for layer in layers[: self.start]:
                given = layer.__dict__.get("forward")
                layer.__dict__["forward"] = partial(_say, output)
                yield partial(_restore, layer, given)
        for index in range(self.start, len(layers)):
            yield layers[index].register_forward_hook(partial(self._note, index, len(layers), in_tuple)).remove

    def _note(self, index: int, n_layers: int, in_tuple: bool, _: Any, __: Any, output: Any) -> None:  # noqa: FBT001
        stream, others = first(output, in_tuple), output[1:] if in_tuple else ()
        stream = stream if len(stream) == 1 else stream[:1].clone()  # of a batch, the memory of one row
        every = -(-n_layers * stream.nbytes // MOST_BYTES)
        # What else a layer hands on may depend on the masks as well: then it has to run.
        if (index + 1) % every == 0 and all(each is None for each in others):
            self.new.says[index] = Said(stream, stream._version, len(others))  # noqa: SLF001

    def done(self) -> None:
        """Keep what the run has found, and what it began with: both the subgraph and its last toggle may come again."""
        self.reuse.passes = [self.new] if self.before is None else [self.before, self.new]


def begin(reuse: Reuse | None, module: Any, of_tokens: list[Any], masks: tuple[Any, ...], n_layers: int) -> Run | None:
    """Return how a masked run begins; None where rows read one another, or nothing tells whether weights changed.

    Parameters
    ----------
    reuse : Reuse or None
    module : torch.nn.Module
    of_tokens : list of tensors
        As `strace_widgets.interventions.masked.token_masks` returns them.
    masks : tuple
        The arguments of `strace_widgets.model.local_evaluation.evaluate`.
    n_layers : int
    """
    token_ids, ranks, kept, toggles, modes, _, _, means = masks
    weights = None if reuse is None or modes["frozen"] or isinstance(means, str) else weights_of(module)
    if reuse is None or weights is None:
        return None
    of_layers = (
        OfLayer(*_digest([attention_mask(ranks, kept, toggles, modes, HERE, index), *_at(of_tokens, index)]))
        for index in range(n_layers)
    )
    return reuse.begin((token_ids.numpy().tobytes(), id(means), weights), of_layers)


HERE = SimpleNamespace(input=torch.empty(0))
"""A layer that runs where masks are made."""


def _at(of_tokens: list[Any], index: int) -> list[Any]:
    return [mask if mask is None else mask[:, index] for mask in of_tokens]


def _digest(masks: list[Any]) -> tuple[bytes, bool]:
    """Return a digest of the first row of several masks, and whether other rows have the same."""
    found, alike = hashlib.sha256(), True
    for mask in masks:
        found.update(b"whole" if mask is None else np.packbits(mask[0].numpy()).tobytes())
        alike = alike and (mask is None or len(mask) == 1 or torch.equal(mask[1:], mask[:1].expand_as(mask[1:])))
    return found.digest(), alike


def _say(output: Any, *_: Any, **__: Any) -> Any:
    return output


def _restore(layer: Any, given: Any) -> None:
    if given is None:
        del layer.__dict__["forward"]
    else:
        layer.__dict__["forward"] = given
