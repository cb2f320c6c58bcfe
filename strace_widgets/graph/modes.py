"""How a subgraph is run: what is masked, and what stays as the full model had it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

CHOICES = {
    "masks": ("all", "mlp+residual"),
    "residual": ("traced", "kept"),
    "attention": ("recomputed", "frozen"),
    "ablation": ("zero", "mean"),
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
        Keep what the trace drops, and all residual edges: what the rest of the model knows.
    residual : {"traced", "kept"}
        Whether residual edges are masked like the others, or all kept.
    attention : {"recomputed", "frozen"}
        Whether the attention probabilities come from the masked run or from the full one.
    ablation : {"zero", "mean"}
        Whether a dropped edge carries nothing, or the mean of its kind over a reference text: of the head's values, of
        what the MLP writes, or of the stream that is passed on, in its layer, at position 0 or at those after it.
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

    def flags(self) -> dict[str, bool]:
        """Return the plain flags that travel to a server; of ``ablation`` the means themselves do."""
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
