"""What a trace is computed from, as the browser and files have it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import msgspec

from ..graph.modes import CHOICES, Modes
from ..graph.refining import PASSES, Refined, Refinement

if TYPE_CHECKING:
    from . import contract

QUESTION = ("target", "foil", "counterfactual")

ABLATIONS = ("zero", "patch", "patch values")
"""What dropped edges may carry in the Explorer; the last two need a counterfactual."""


@dataclass(frozen=True)
class Settings:
    """What a trace was made from, besides the model.

    Attributes
    ----------
    prompt : str
        The whole prompt.
    importance : str
    masks : str
        See `strace_widgets.graph.modes.Modes`.
    position : int
        Index of the explained token: the trace explains the prediction after it and sees the tokens up to it. -1 asks
        for the last.
    special_tokens : bool
        Whether the tokenizer adds its special tokens to the prompt; not to one that was given as messages or token ids,
        whose text has them.
    refined : Refined, optional
        How, by the measure ``"refined"``: without what was measured on the way. None asks for that measure's defaults.
    target, foil, counterfactual : tuple of int
        What is asked: see `strace_widgets.model.text.contrasts.Contrast`; the last is as long as the whole prompt.
    ablation : str
        See `strace_widgets.graph.modes.Modes`.
    """

    prompt: str
    importance: str
    masks: str
    position: int
    special_tokens: bool = True
    refined: Refined | None = None
    target: tuple[int, ...] = ()
    foil: tuple[int, ...] = ()
    counterfactual: tuple[int, ...] = ()
    ablation: str = "zero"

    def plain(self) -> contract.Settings:
        """Return them as the browser and files have them."""
        found = asdict(self)
        if self.refined is None:
            del found["refined"]
        else:
            del found["refined"]["total_variation"]
            found["refined"]["refinements"] = list(found["refined"]["refinements"])
        for name in QUESTION:
            ids = found.pop(name)
            found |= {name: list(ids)} if ids else {}
        if self.ablation == "zero":
            del found["ablation"]
        return cast("contract.Settings", found)

    def named(self) -> Settings:
        """Return the same as the settings of the trace that they ask for say it."""
        ablation = self.ablation if self.counterfactual else "zero"  # there is nothing left to patch from
        if self.importance != "refined":
            return replace(self, refined=None, ablation=ablation)
        refined = self.refined if self.refined and self.refined.refinements else None
        return replace(
            self, refined=refined or Refined(refinements=(Refinement(PASSES, self.masks),)), ablation=ablation
        )

    def check(self) -> None:
        """Refuse a mode that does not exist.

        Raises
        ------
        ValueError
        """
        for name, choices in (("masks", CHOICES["masks"]), ("ablation", ABLATIONS)):
            if getattr(self, name) not in choices:
                raise ValueError(
                    f"{name}={getattr(self, name)!r} does not exist: choose {' or '.join(map(repr, choices))}."
                )

    @property
    def modes(self) -> Modes:
        """How subgraphs are run."""
        return Modes(masks=self.masks, ablation=self.ablation)


def settings_of(plain: Any) -> Settings:
    """Return settings that came from the browser.

    Raises
    ------
    ValueError
        When they are not what settings are.
    """
    try:
        return msgspec.convert(plain, Settings)
    except msgspec.ValidationError as reason:
        raise ValueError(f"These are no settings of a trace: {reason}.") from reason
