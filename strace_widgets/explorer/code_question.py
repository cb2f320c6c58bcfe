"""What a trace asks, in the programs of "copy as code": target, foil, and the counterfactual that is patched in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PromptError

if TYPE_CHECKING:
    from ..graph.modes import Modes
    from ..model.text.contrasts import Contrast
    from ..results.strace import STrace


def arguments(trace: STrace) -> dict[str, Any]:
    """Return the question as keyword arguments of `strace_widgets.trace`, as texts where these are read back alike."""
    contrast, model = trace.contrast, trace.model
    found: dict[str, Any] = {}
    for name, ids in (("target", contrast.target), ("foil", contrast.foil)):
        named = [_named(trace, token) for token in ids]
        found |= {name: named[0] if len(named) == 1 else named} if named else {}
    if contrast.counterfactual:
        text = model.text(contrast.counterfactual)
        if trace.origin.special_tokens:
            text = text.removeprefix(trace.origin.start).removesuffix(trace.origin.end)
        alike = model.tokenizer is not None and np.array_equal(model.encode(text), contrast.counterfactual)
        found["counterfactual"] = text if alike else list(contrast.counterfactual)
    return found


def _named(trace: STrace, token: int) -> str | int:
    text = trace.model.decode(token)
    try:
        return text if trace.model.tokenizer and trace.model.encode_one(text) == token else token
    except PromptError:
        return token


@dataclass(frozen=True)
class Written:
    """The lines that a question adds to a program with nnsight alone.

    Attributes
    ----------
    contrast : Contrast
    modes : Modes
    run : str
        Further arguments of each run.
    layers : str
        Where the layers are.
    """

    contrast: Contrast
    modes: Modes
    run: str
    layers: str

    @property
    def rows(self) -> str:
        """What runs: the prompt under its mask, and where that is patched in, its counterfactual with all edges."""
        lines = []
        if self.contrast.target:
            lines.append("nothing = [[None] * L if kind[0] is None else torch.zeros_like(kind) for kind in keep]")
        if self.modes.patched:
            lines += [
                "# Dropped edges carry what they carry in the last row.",
                f"rows = torch.cat([token_ids, torch.tensor([{list(self.contrast.counterfactual)}])])",
                "with_other = lambda masks: [",
                "    masks if masks[0] is None else torch.cat([masks, torch.ones_like(masks)], 1) for masks in masks",
                "]",
                "keep = with_other(keep)",
            ]
            lines += ["nothing = with_other(nothing)"] if self.contrast.target else []
        return "".join(f"{line}\n" for line in lines)

    def masked_run(self, masks: str, name: str) -> str:
        """Return a run under some masks, whose logits get a name."""
        rows, carried = ("rows", f", False, [{self.modes.ablation!r}] * 4") if self.modes.patched else ("token_ids", "")
        return f"""    with model.trace({rows}{self.run}):
        for index in range(L):
            mask_block(model.{self.layers}[index], architecture, [kind[index] for kind in {masks}]{carried})
        {name} = predicted(model.output)[0, -1].float().save()
"""

    @property
    def empty_run(self) -> str:
        """The run without an edge, against which faithfulness is measured."""
        return f"\n{self.masked_run('nothing', 'empty')}" if self.contrast.target else ""

    @property
    def figure(self) -> str:
        """How much of the target's figure the subgraph has."""
        if not self.contrast.target:
            return ""
        against = f"x[{list(self.contrast.foil)}].logsumexp(0)" if self.contrast.foil else "x.logsumexp(0)"
        return f"""m, m_full, m_empty = (
    (x[{list(self.contrast.target)}].logsumexp(0) - {against}).item() for x in (logits, full, empty)
)
print("f", (m - m_empty) / (m_full - m_empty))
"""
