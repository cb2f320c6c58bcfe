"""How a subgraph is run: what is masked, and what stays as the full model had it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

CHOICES = {
    "masks": ("all", "mlp+residual"),
    "residual": ("traced", "kept"),
    "attention": ("recomputed", "frozen"),
    "ablation": ("zero", "mean", "patch", "patch values"),
}


@dataclass(frozen=True)
class Modes:
    """The evaluation's choices; the defaults are the method as it is written down.

    Attributes
    ----------
    masks : {"all", "mlp+residual"}
        Which edges a mask drops. ``"mlp+residual"`` leaves attention edges alone, which is what the authors' published
        code computes.
    inverse : bool
        Keep the edges that the trace drops, and all residual edges, to see what the rest of the model can do.
    residual : {"traced", "kept"}
        Whether residual edges are masked like the others, or all kept.
    attention : {"recomputed", "frozen"}
        Whether the attention probabilities come from the masked run or from the full one.
    ablation : {"zero", "mean", "patch", "patch values"}
        Whether a dropped edge carries nothing or a mean over a reference text: the mean of the head's values, of the
        MLP's output or of the residual stream in that layer. Position 0 has a mean of its own; all later positions
        share one. Or, patched, what it carries in the run of the trace's counterfactual prompt, whose attention
        probabilities go with its values; ``"patch values"`` takes the values alone.
    """

    masks: str = "all"
    inverse: bool = False
    residual: str = "traced"
    attention: str = "recomputed"
    ablation: str = "zero"

    def __post_init__(self) -> None:
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} does not exist: choose {' or '.join(map(repr, choices))}."
                )

    @property
    def patched(self) -> bool:
        """Whether dropped edges carry what they carry after the counterfactual prompt."""
        return self.ablation.startswith("patch")

    def flags(self) -> dict[str, bool]:
        """Return the modes as plain flags, which travel to a server; for ``ablation`` the means themselves travel."""
        return {
            "mask_attention": self.masks == "all",
            "inverse": self.inverse,
            "keep_residual": self.residual == "kept",
            "frozen": self.attention == "frozen",
        }


def modes_of(**choices: Any) -> Modes:
    """Return the modes of some choices, the others as they are by default.

    Parameters
    ----------
    **choices
        Modes by name.

    Raises
    ------
    TypeError
        When there is no mode of a name; says which there are.
    ValueError
        When a mode has no such choice.
    """
    known = [mode.name for mode in fields(Modes)]
    unknown = sorted(set(choices) - set(known))
    if unknown:
        raise TypeError(f"There is no evaluation mode {', '.join(unknown)}: choose among {', '.join(known)}.")
    return Modes(**choices)
