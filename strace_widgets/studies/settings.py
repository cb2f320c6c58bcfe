"""How a study is run: what all prompts in its folder share."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..errors import StudyError, UnsupportedArchitectureError
from ..graph.edges import edges_kept
from ..graph.measures import measure_named
from ..graph.modes import Modes
from .model_sizes import dimensions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.model import Model

SIZES = tuple(float(f"{size:.4g}") for size in np.geomspace(1e-4, 1, 25))
"""The grid of sizes: six a decade."""

BASELINES: dict[str, dict[str, Any]] = {
    "inverse": {"inverse": True},
    "random": {},
    "random-residual-kept": {"residual": "kept"},
}
"""The modes that each baseline is evaluated with, beside the masks mode."""

GROWING = ("importance", "masks", "baselines", "sizes")
"""What may be added to a study that exists."""


class Settings(msgspec.Struct, frozen=True):
    """How a study was run; all prompts in a folder share the same settings.

    Attributes
    ----------
    model, tokenizer : str
        The model's name; how many tokens its vocabulary has, and a checksum of their texts.
    dimensions : dict
        The model's sizes: ``n_layers``, ``n_heads``, and whether its blocks are ``parallel``. Where the model's weights
        can be counted, also ``n_key_value_heads``, ``d_model``, ``d_head`` and ``mlp_weights``
        (`strace_widgets.studies.model_sizes.dimensions`).
    importance, masks, baselines : tuple of str
    sizes : tuple of float
        Ascending, the last is 1.
    positions : str
    seed : int
    keep_traces, hidden_states : bool
    attention, ablation : str
        The other modes of every sweep; the first studies do not name them, and have the default ones.
    """

    model: str
    tokenizer: str
    dimensions: dict[str, int | bool]
    importance: tuple[str, ...]
    masks: tuple[str, ...]
    baselines: tuple[str, ...]
    sizes: tuple[float, ...]
    positions: str
    seed: int
    keep_traces: bool
    hidden_states: bool = msgspec.field(name="hidden")  # the name that the file has always had
    attention: str = "recomputed"
    ablation: str = "zero"

    def modes(self) -> dict[str, Any]:
        """Return what every sweep is evaluated with, beside its masks mode."""
        return {"attention": self.attention, "ablation": self.ablation}

    def choices(self) -> Choices:
        """Return what of the settings is chosen, without what the model says."""
        return Choices(**{name: getattr(self, name) for name in Choices.__struct_fields__})


class Choices(msgspec.Struct, frozen=True):
    """What a person chooses of a study's `Settings`; checked when it is made.

    Raises
    ------
    ValueError
        When a measure, mode, baseline or size does not exist.
    """

    importance: tuple[str, ...]
    masks: tuple[str, ...]
    baselines: tuple[str, ...]
    sizes: tuple[float, ...]
    positions: str = "last"
    seed: int = 0
    keep_traces: bool = False
    hidden_states: bool = False
    attention: str = "recomputed"
    ablation: str = "zero"

    def __post_init__(self) -> None:
        for name in self.importance:
            measure_named(name)
        for name in self.masks:
            Modes(masks=name, attention=self.attention, ablation=self.ablation)
        for name in self.baselines:
            if name not in BASELINES:
                raise ValueError(f"There is no baseline {name!r}: choose among {', '.join(map(repr, BASELINES))}.")
        if not self.importance or not self.masks:
            raise ValueError("A study needs at least one importance measure and one masks mode.")
        for size in self.sizes:
            edges_kept(size, 1)
        if self.positions not in {"last", "all"}:
            raise ValueError(f"positions={self.positions!r} does not exist: choose 'last' or 'all'.")

    def on(self, model: Model) -> Settings:
        """Return the settings of a study of a model."""
        vocabulary = model.texts
        checksum = zlib.crc32("\0".join(vocabulary).encode())
        return Settings(
            model=model.name,
            tokenizer=f"{len(vocabulary)} tokens, {checksum:08x}",
            dimensions=_dimensions(model),
            **msgspec.structs.asdict(self),
        )


def grid(sizes: Iterable[float] | None) -> tuple[float, ...]:
    """Return the sizes of a study, ascending, the last is 1; `SIZES` unless others are given."""
    return tuple(sorted({1.0, *map(float, SIZES if sizes is None else sizes)}))


def several(names: Iterable[str] | str) -> tuple[str, ...]:
    """Return names as a tuple, each once; a single name needs no list."""
    return (names,) if isinstance(names, str) else tuple(dict.fromkeys(names))


def refuse_less(where: str, old: Settings, new: Settings) -> None:
    """Refuse to extend a study by settings that lack something of it, or begin with another measure or masks mode.

    Hidden states and inverse subgraphs are those of the first measure, and components of the first masks mode.
    """
    for name in GROWING:
        had, has = getattr(old, name), getattr(new, name)
        if missing := [each for each in had if each not in has]:
            raise StudyError(
                f"{where!r} holds a study with the {name} {', '.join(map(repr, missing))}, which extend=True does not "
                "take away: name all that it has, and what is new."
            )
        if name in {"importance", "masks"} and had[0] != has[0]:
            raise StudyError(f"{where!r} holds a study whose first {name} is {had[0]!r}: name that first here, too.")


def _dimensions(model: Model) -> dict[str, int | bool]:
    a = model.architecture
    known: dict[str, int | bool] = {"n_layers": a.n_layers, "n_heads": a.n_heads, "parallel": a.parallel}
    try:
        return known | dimensions(model)
    except UnsupportedArchitectureError:  # it can be traced all the same; only `findings.savings` needs the rest
        return known
