"""One prompt under exploration: the settings of its trace, the subgraphs that were run, and what can be asked of them.

Nothing here knows of a widget: `strace_widgets.explorer.widget` shows a session, and a program can drive one as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from ..cache import Cache
from ..errors import ToggleError
from ..graph.edges import size_of
from ..graph.measures import MEASURES
from ..graph.modes import CHOICES, Modes
from ..graph.refining import PASSES, Refined, Refinement
from ..graph.toggles import Toggles
from ..model.text.prompts import ReadPrompt
from ..results import adaptive_sweep, criteria
from ..results.run import trace as trace_prompt
from ..results.sweep import compare
from ..results.switching_off import known_effects
from . import view_state as view
from .code_export import note, programs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..results.effects import Effects
    from ..results.strace import STrace
    from ..results.sweep import Sweep
    from . import contract
    from .contract import Choices, Curve, Evaluation, MeasureChoice, ViewState
    from .jumps_contract import Jump
    from .questions import NodeDetails
    from .requests import Progress

BASELINES = ("inverse", "random")
KEPT, KEPT_BYTES = 4, 2**30
"""How many sessions can be returned to, and what their weights and ranks may take together."""

EVALUATIONS = 1000
"""How many exact results a session keeps; one takes a few kilobytes."""

LAST = -1
"""The position of the last token, for a caller that does not know how many there are."""

Subgraph = tuple[int, Toggles]
"""What an exact result is about: a number of edges, and the toggles in order."""


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
    """

    prompt: str
    importance: str
    masks: str
    position: int
    special_tokens: bool = True
    refined: Refined | None = None

    def plain(self) -> contract.Settings:
        """Return them as the browser and files have them."""
        found = asdict(self)
        if self.refined is None:
            del found["refined"]
        else:
            del found["refined"]["total_variation"]
            found["refined"]["refinements"] = list(found["refined"]["refinements"])
        return cast("contract.Settings", found)

    def named(self) -> Settings:
        """Return the same as the settings of the trace that they ask for say it."""
        if self.importance != "refined":
            return replace(self, refined=None)
        known = self.refined and self.refined.refinements
        return self if known else replace(self, refined=Refined(refinements=(Refinement(PASSES, self.masks),)))


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


@dataclass(eq=False)
class Session:
    """A trace under exploration; it keeps exact results and other traces, so that going back takes no new pass.

    Attributes
    ----------
    trace : STrace
    masks : str
        See `strace_widgets.graph.modes.Modes`.
    evaluations : Cache
        Exact results, by number of edges and toggles.
    sessions : Cache
        By settings, the sessions that can be returned to. All that come from one another share it.
    """

    trace: STrace
    masks: str = "all"
    _whole: ReadPrompt | None = None  # the trace may explain an earlier token of it
    jumps: list[Jump] = field(default_factory=list, repr=False)  # what was found: see `strace_widgets.explorer.why`
    _found: Sweep | None = field(default=None, repr=False)  # the levels that there are before all are
    evaluations: Cache[Subgraph, Evaluation] = field(default_factory=lambda: Cache(EVALUATIONS), repr=False)
    sessions: Cache[Settings, Session] = field(
        default_factory=lambda: Cache(KEPT, lambda session: session.n_bytes, KEPT_BYTES), repr=False
    )

    @property
    def whole(self) -> ReadPrompt:
        """The whole prompt."""
        return self._whole or ReadPrompt(self.trace.prompt, self.trace.token_ids, self.trace.origin)

    @property
    def settings(self) -> Settings:
        """What the present trace was made from."""
        position = len(self.trace.tokens) - 1
        text, _, origin = self.whole
        how = self.trace.refined
        refined = replace(how, total_variation=()) if how else None
        return Settings(text, self.trace.importance, self.masks, position, origin.special_tokens, refined)

    @property
    def levels(self) -> Sweep:
        """The levels that there are; before the first were run, that the whole graph is the model."""
        found = self.trace.sweeps.get(self._modes) or self._found
        if found is not None:
            return found
        trace, whole = self.trace, np.array([self.trace.n_edges])
        return compare(trace.full_logits, trace.full_logits[None], [1.0], whole, whole, trace.model.decode)

    @property
    def complete(self) -> bool:
        """Whether all levels are there."""
        return self._modes in self.trace.sweeps

    @property
    def settled(self) -> float:
        """How much of the curve is known, 0 to 1."""
        return adaptive_sweep.settled(self.trace.standard_sizes(), self._found) if self._found else float(self.complete)

    def more_levels(self) -> None:
        """Run the next round of levels, coarse to fine: see `strace_widgets.results.adaptive_sweep`."""
        if self.complete:
            return
        self._found = next(adaptive_sweep.rounds(self.trace, self._modes, self._found))
        if not adaptive_sweep.next_sizes(self.trace.standard_sizes(), self._found):
            self.trace.sweeps[self._modes] = self._found

    def sweep(self) -> Sweep:
        """Return all levels; those that are not there yet are run."""
        while not self.complete:
            self.more_levels()
        return self.levels

    @property
    def _modes(self) -> Modes:
        return Modes(masks=self.masks)

    @property
    def effects(self) -> Effects:
        """What is known of each head and MLP switched off in the whole model, where no masks mode matters."""
        return known_effects(self.trace, "component", self.trace.n_edges, Modes())

    @cached_property
    def _counts(self) -> view.EdgeCounts:
        return view.edge_counts(self.trace)

    def view_state(self) -> ViewState:
        """Return what the views read before the first request, with the levels that there are."""
        settings, whole = self.settings.plain(), self.whole
        return view.view_state(self.trace, self.levels, settings, whole, self._counts, complete=self.complete)

    def start_size(self) -> int:
        """Return the number of edges to open at: where the top token returns for good, by the levels that there are."""
        return _lasting_top1(self.levels) or self.trace.n_edges

    def evaluate(self, n_edges: int, toggles: Mapping[str, str] | Toggles) -> Evaluation:
        """Return the exact result for one size and set of toggles, in the form that the views read.

        Raises
        ------
        ToggleError, ValueError
            When a component or a size does not exist.
        """
        toggles = self.trace.parsed(toggles)
        key = (n_edges, toggles)
        if key not in self.evaluations:
            levels = self.levels
            known = np.flatnonzero(levels.n_edges == n_edges)
            if len(known) and not toggles:
                return view.evaluation(levels, self.trace, {}, int(known[0]))
            sweep = self.trace.evaluate([size_of(n_edges, self.trace.n_edges)], toggles, masks=self.masks)
            self.evaluations[key] = view.evaluation(sweep, self.trace, toggles.plain())
        return self.evaluations[key]

    def with_settings(self, settings: Settings, progress: Progress = lambda *_: None) -> Session:
        """Return a session on the same model under other settings, made anew or kept from before; this one stays.

        Parameters
        ----------
        settings : Settings
        progress : callable
            Is told each step and how far the work is, 0 to 1. It may raise: that ends the work.

        Raises
        ------
        PromptError, ValueError
            When the prompt, position, measure or mode does not exist.
        """
        model = self.trace.model
        if settings.masks not in CHOICES["masks"]:
            raise ValueError(
                f"masks={settings.masks!r} does not exist: choose {' or '.join(map(repr, CHOICES['masks']))}."
            )
        whole = self.whole
        if settings.prompt != whole.text:
            whole = model.read(settings.prompt, special_tokens=settings.special_tokens)
        token_ids = whole.token_ids
        position = len(token_ids) - 1 if settings.position == LAST else settings.position
        if not 0 <= position < len(token_ids):
            raise ValueError(f"The prompt's positions are 0 to {len(token_ids) - 1}; {position} is not one of them.")
        settings = replace(settings, position=position, special_tokens=whole.origin.special_tokens).named()
        self.sessions[self.settings] = self
        kept = self.sessions.get(settings)
        if kept is not None:
            return kept
        if replace(settings, masks=self.masks) == self.settings:  # no weight depends on the mode
            return self.on(self.trace, settings.masks, whole)
        progress("weighing and ranking every edge", 0.1)
        seen = whole
        if position + 1 < len(token_ids):
            ids = token_ids[: position + 1]
            # What the tokenizer or the template puts behind the prompt comes after this token.
            seen = ReadPrompt(model.text(ids), ids, replace(whole.origin, generation_prompt="", end=""))
        return self.on(self._traced(seen, settings), settings.masks, whole)

    def _traced(self, prompt: ReadPrompt, settings: Settings) -> STrace:
        """Return the trace of a prompt by a measure; of the same tokens it shares what heads and MLPs do."""
        if settings.refined is None:
            options = self.trace.options if settings.importance == self.trace.importance else {}
            trace = trace_prompt(self.trace.model, prompt, settings.importance, **options)
        else:
            trace = self._refined(prompt, settings.refined)
        same = np.array_equal(trace.token_ids, self.trace.token_ids)
        return replace(trace, effect_maps=self.trace.effect_maps) if same else trace

    def _refined(self, prompt: ReadPrompt, how: Refined) -> STrace:
        """Return a trace that is refined as another one was."""
        first, later = ({}, how.refinements) if how.start else (how.refinements[0].options(), how.refinements[1:])
        trace = trace_prompt(self.trace.model, prompt, how.start or "refined", **first)
        for each in later:
            trace = trace.refine(progress=False, **each.options())
        return trace

    def on(self, trace: STrace, masks: str, whole: ReadPrompt) -> Session:
        """Return a session on another trace, of a token of a whole prompt; both are kept to be returned to."""
        self.sessions[self.settings] = self
        session = Session(trace, masks, whole, sessions=self.sessions)
        self.sessions[session.settings] = session
        return session

    @property
    def n_bytes(self) -> int:
        """What the trace's weights and ranks take."""
        return 2 * sum(kind.nbytes for kind in self.trace.weights)  # four bytes an edge, both

    def compare(self, names: list[str], progress: Progress = lambda *_: None) -> list[Curve]:
        """Return the curves of other measures and baselines, each at its own standard sweep's sizes, for one picture.

        The sessions under those measures are kept, as `with_settings` keeps them.

        Raises
        ------
        ValueError
            When a name is neither a measure nor a baseline.
        """
        curves = []
        for done, name in enumerate(names):
            progress(f"running {name}", done / len(names))
            if name == "inverse":
                drawn = curve(name, self.trace.sweep(masks=self.masks, inverse=True))
            elif name == "random":
                drawn = curve(name, self.trace.random().sweep(masks=self.masks))
            else:
                session = self.with_settings(replace(self.settings, importance=name, refined=None))
                while not session.complete:
                    progress(f"running {name}", done / len(names))
                    session.more_levels()
                drawn = session.curve()
            curves.append(drawn)
        return curves

    def curve(self) -> Curve:
        """Return the levels that there are as a curve among others."""
        settings = self.settings.plain()
        how: dict[str, Any] = {"refined": settings["refined"]} if "refined" in settings else {}
        return cast("Curve", curve(settings["importance"], self.levels) | how)

    def node(self, node: str) -> NodeDetails:
        """Return what one head (``"21.4"``) or MLP (``"21.mlp"``) does at full detail.

        See `strace_widgets.explorer.view_state.node_details`.

        Raises
        ------
        ToggleError
            When it does not exist, or is a whole layer.
        """
        components = list(self.trace.parsed({node: "on"}).plain())
        if len(components) > 1:
            raise ToggleError(f"{node!r} is a whole layer: ask for one of its heads, '{node}.0', or its MLP.")
        return view.node_details(self.trace, components[0])

    def code(self, n_edges: int, toggles: Mapping[str, str]) -> dict[str, str]:
        """Return two programs that reproduce one evaluation: with this package, and with nnsight alone."""
        return programs(self.trace, n_edges, dict(toggles), self.masks)

    def code_note(self) -> str:
        """Return what those programs need besides themselves; empty where that is nothing."""
        return note(self.trace.model)


def curve(name: str, sweep: Sweep) -> Curve:
    """Return one error curve as the views read it: a measure's, or a baseline's."""
    return {
        "name": name,
        "kind": "baseline" if name in BASELINES else "measure",
        "n_edges": sweep.n_edges.tolist(),
        "total_variation": np.round(sweep.total_variation, 5).tolist(),
        "kl": [round(kl, 5) if np.isfinite(kl) else None for kl in sweep.kl.tolist()],
        "lasting_top1": _lasting_top1(sweep),
    }


def curves_after(curves: list[Curve], before: Session, after: Session) -> list[Curve]:
    """Return the other curves that hold once a session stands in another's place.

    They belong to a prompt, a position and a masks mode. The inverse trace belongs to a measure as well, a random order
    to none. The measure that was shown takes the place of the one that now is.
    """
    if before.settings == after.settings:
        return curves
    now = after.settings
    if replace(before.settings, importance=now.importance, refined=now.refined) != now:
        return []
    former = before.curve()
    others = [each for each in curves if each["name"] not in ("inverse", former["name"])]
    if former["name"] == now.importance or not before.complete:  # refined further, or back; or no curve yet
        return others
    if now.importance in (each["name"] for each in others):
        return [former if each["name"] == now.importance else each for each in others]
    return [*others, former]


def _lasting_top1(sweep: Sweep) -> int | None:
    return criteria.necessary_edges(sweep, criteria.top(1))


def choices() -> Choices:
    """Return what a person can change to."""
    measures: list[MeasureChoice] = [
        {"name": name, "group": measure.group, "label": measure.label}
        for name, measure in MEASURES.items()
        if name != "random"
    ]
    return {"importance": measures, "masks": list(CHOICES["masks"])}
