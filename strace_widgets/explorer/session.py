"""One prompt under exploration: the settings of its trace, the subgraphs that were run, and what can be asked of them.

Nothing here knows of a widget: `strace_widgets.explorer.widget` shows a session, and a program can drive one as well.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..cache import Cache
from ..errors import PromptError, ToggleError
from ..graph.edges import size_of
from ..graph.measures import MEASURES
from ..graph.modes import CHOICES, Modes
from ..graph.toggles import Toggles
from ..model.text.prompts import ReadPrompt
from ..results import adaptive_sweep
from ..results.asking import asked_by_its_order, asking, with_question
from ..results.run import trace as trace_prompt
from ..results.sweep import compare
from ..results.switching_off import known_effects
from . import targets
from . import view_state as view
from .code_export import note, programs
from .curves import curve, lasting_top1, unasked
from .settings import ABLATIONS, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..graph.refining import Refined
    from ..model.text.contrasts import Contrast
    from ..results.effects import Effects
    from ..results.strace import STrace
    from ..results.sweep import Sweep
    from .choices_contract import Choices, MeasureChoice
    from .contract import Curve, Evaluation, ViewState
    from .jumps_contract import Jump
    from .questions import NodeDetails
    from .requests import Progress

KEPT, KEPT_BYTES = 4, 2**30
"""How many sessions can be returned to, and what their weights and ranks may take together."""

EVALUATIONS = 1000
"""How many exact results a session keeps; one takes a few kilobytes."""

LAST = -1
"""The position of the last token, for a caller that does not know how many there are."""

Subgraph = tuple[int, Toggles]
"""What an exact result is about: a number of edges, and the toggles in order."""


@dataclass(eq=False)
class Session:
    """A trace under exploration; it keeps exact results and other traces, so that going back takes no new pass.

    Attributes
    ----------
    trace : STrace
    masks, ablation : str
        See `strace_widgets.graph.modes.Modes`.
    evaluations : Cache
        Exact results, by number of edges and toggles.
    sessions : Cache
        By settings, the sessions that can be returned to. All that come from one another share it.
    """

    trace: STrace
    masks: str = "all"
    _whole: ReadPrompt | None = None  # the trace may explain an earlier token of it
    ablation: str = "zero"
    _other: tuple[int, ...] = ()  # the whole counterfactual
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
        plain = Settings(text, self.trace.importance, self.masks, position, origin.special_tokens, refined)
        asked = self.trace.contrast
        return replace(plain, target=asked.target, foil=asked.foil, counterfactual=self.other, ablation=self.ablation)

    @property
    def other(self) -> tuple[int, ...]:
        """The token ids of the counterfactual to the whole prompt, if there is one."""
        return self._other or self.trace.contrast.counterfactual

    @property
    def levels(self) -> Sweep:
        """The levels that there are; before the first were run, that the whole graph is the model."""
        found = self.trace.sweeps.get(self.modes) or self._found
        if found is not None:
            return found
        trace, whole = self.trace, np.array([self.trace.n_edges])
        return compare(trace.full_logits, trace.full_logits[None], [1.0], whole, whole, trace.model.decode)

    @property
    def complete(self) -> bool:
        """Whether all levels are there."""
        return self.modes in self.trace.sweeps

    @property
    def settled(self) -> float:
        """How much of the curve is known, 0 to 1."""
        return adaptive_sweep.settled(self.trace.standard_sizes(), self._found) if self._found else float(self.complete)

    def more_levels(self) -> None:
        """Run the next round of levels, coarse to fine: see `strace_widgets.results.adaptive_sweep`."""
        if self.complete:
            return
        self._found = next(adaptive_sweep.rounds(self.trace, self.modes, self._found))
        if not adaptive_sweep.next_sizes(self.trace.standard_sizes(), self._found):
            self.trace.sweeps[self.modes] = self._found

    def sweep(self) -> Sweep:
        """Return all levels; those that are not there yet are run."""
        while not self.complete:
            self.more_levels()
        return self.levels

    @property
    def modes(self) -> Modes:
        """How subgraphs are run."""
        return Modes(masks=self.masks, ablation=self.ablation)

    @property
    def effect_modes(self) -> Modes:
        """How heads and MLPs are switched off in the whole model, where no masks mode matters."""
        return Modes(ablation=self.ablation)

    @property
    def effects(self) -> Effects:
        """What is known of each head and MLP switched off in the whole model."""
        return known_effects(self.trace, "component", self.trace.n_edges, self.effect_modes)

    @cached_property
    def _counts(self) -> view.EdgeCounts:
        return view.edge_counts(self.trace)

    def view_state(self) -> ViewState:
        """Return what the views read before the first request, with the levels that there are."""
        settings, whole, levels = self.settings.plain(), self.whole, self.levels
        state = view.view_state(self.trace, levels, settings, whole, self._counts, complete=self.complete)
        asked = targets.question(self.trace, levels, whole, self.other, complete=self.complete)
        return cast("ViewState", {**state, **asked})

    def start_size(self) -> int:
        """Return the number of edges to open at: where the top token returns for good, by the levels that there are."""
        return lasting_top1(self.levels) or self.trace.n_edges

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
            sweep = self.trace.evaluate([size_of(n_edges, self.trace.n_edges)], toggles, **asdict(self.modes))
            self.evaluations[key] = view.evaluation(sweep, self.trace, toggles.plain())
        return self.evaluations[key]

    def with_settings(
        self, settings: Settings, progress: Progress = lambda *_: None, counterfactual: str | None = None
    ) -> Session:
        """Return a session on the same model under other settings, made anew or kept from before; this one stays.

        Parameters
        ----------
        settings : Settings
        progress : callable
            Is told each step and how far the work is, 0 to 1. It may raise: that ends the work.
        counterfactual : str, optional
            The text of another prompt, in the place of the settings'; none where it is empty.

        Raises
        ------
        PromptError, ValueError
            When the prompt, position, measure, mode, target, foil or counterfactual does not exist.
        """
        model = self.trace.model
        settings.check()
        whole = self.whole
        if settings.prompt != whole.text:
            whole = model.read(settings.prompt, special_tokens=settings.special_tokens)
        token_ids = whole.token_ids
        position = len(token_ids) - 1 if settings.position == LAST else settings.position
        if not 0 <= position < len(token_ids):
            raise ValueError(f"The prompt's positions are 0 to {len(token_ids) - 1}; {position} is not one of them.")
        if counterfactual is not None:
            settings = replace(settings, counterfactual=targets.read_other(model, whole, counterfactual))
        settings = replace(settings, position=position, special_tokens=whole.origin.special_tokens).named()
        return self._at(settings, whole, progress)

    def swapped(self, progress: Progress = lambda *_: None) -> Session:
        """Return a session with the prompt and its counterfactual, and target and foil, in each other's place.

        Raises
        ------
        PromptError
            When there is no counterfactual.
        """
        if not self.other:
            raise PromptError("There is no counterfactual to swap the prompt with: give one first.")
        other = targets.other_prompt(self.trace.model, self.whole, self.other)
        return self._at(targets.swapped(self.settings, self.whole, other), other, progress)

    def _at(self, settings: Settings, whole: ReadPrompt, progress: Progress) -> Session:
        """Return a session under settings of a whole prompt."""
        self.sessions[self.settings] = self
        kept = self.sessions.get(settings)
        if kept is not None:
            return kept
        contrast = targets.contrast_of(self.trace.model, whole, settings)
        for known in (self, *self.sessions.values()):
            if known.orders_as(settings):  # no weight depends on the mode, and few on the question
                return known.asked(contrast, settings, whole)
        progress("weighing and ranking every edge", 0.1)
        seen, ids = whole, whole.token_ids[: settings.position + 1]
        if len(ids) < len(whole.token_ids):
            # What the tokenizer or the template puts behind the prompt comes after this token.
            origin = replace(whole.origin, generation_prompt="", end="")
            seen = ReadPrompt(self.trace.model.text(ids), ids, origin)
        return self.on(self._traced(seen, settings, contrast), settings, whole)

    def orders_as(self, settings: Settings) -> bool:
        """Return whether a trace under other settings has the edges in the same order."""
        own = self.settings
        same = replace(own, masks=settings.masks, ablation=settings.ablation) == settings
        asked = replace(settings, target=own.target, foil=own.foil, counterfactual=own.counterfactual)
        unasked = replace(asked, masks=own.masks, ablation=own.ablation) == own
        return same or (unasked and not asked_by_its_order(self.trace))

    def asked(self, contrast: Contrast, settings: Settings, whole: ReadPrompt) -> Session:
        """Return a session on the same order with another question or mode; levels that were run are not run again."""
        trace = asking(self.trace, contrast)
        patched_anew = self.modes.patched and contrast.counterfactual != self.trace.contrast.counterfactual
        if settings.modes != self.modes or patched_anew:
            return self.on(trace, settings, whole)
        found = self._found and with_question(trace, self._found, self.modes)
        return self.on(trace, settings, whole, jumps=self.jumps, _found=found)

    def _traced(self, prompt: ReadPrompt, settings: Settings, contrast: Contrast) -> STrace:
        """Return the trace of a prompt by a measure; of the same tokens it shares what heads and MLPs do."""
        asked: dict[str, Any] = {name: list(ids) for name, ids in asdict(contrast).items() if ids}
        if settings.refined is None:
            options = self.trace.options if settings.importance == self.trace.importance else {}
            trace = trace_prompt(self.trace.model, prompt, settings.importance, **options, **asked)
        else:
            trace = self._refined(prompt, settings.refined, asked)
        same = np.array_equal(trace.token_ids, self.trace.token_ids)
        known = same and contrast.counterfactual == self.trace.contrast.counterfactual
        return replace(trace, effect_maps=self.trace.effect_maps) if known else trace

    def _refined(self, prompt: ReadPrompt, how: Refined, asked: dict[str, Any]) -> STrace:
        """Return a trace that is refined as another one was."""
        first, later = ({}, how.refinements) if how.start else (how.refinements[0].options(), how.refinements[1:])
        trace = trace_prompt(self.trace.model, prompt, how.start or "refined", **first, **asked)
        for each in later:
            trace = trace.refine(progress=False, **each.options())
        return trace

    def on(self, trace: STrace, settings: Settings, whole: ReadPrompt, **known: Any) -> Session:
        """Return a session on another trace, of a token of a whole prompt; both are kept to be returned to."""
        self.sessions[self.settings] = self
        session = Session(
            trace, settings.masks, whole, settings.ablation, settings.counterfactual, sessions=self.sessions, **known
        )
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
                drawn = curve(name, self.trace.sweep(**asdict(replace(self.modes, inverse=True))))
            elif name == "random":
                drawn = curve(name, self.trace.random().sweep(**asdict(self.modes)))
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
        return programs(self.trace, n_edges, dict(toggles), self.modes)

    def code_note(self) -> str:
        """Return what those programs need besides themselves; empty where that is nothing."""
        return note(self.trace.model)


def curves_after(curves: list[Curve], before: Session, after: Session) -> list[Curve]:
    """Return the other curves that hold once a session stands in another's place.

    They belong to a prompt, a position and the modes. The inverse trace belongs to a measure as well, a random order
    to none. Another question leaves what does not answer it. The measure that was shown takes the place of the one that
    now is.
    """
    if before.settings == after.settings:
        return curves
    now, then = after.settings, before.settings
    if replace(then, importance=now.importance, refined=now.refined) != now:
        patch_held = not before.modes.patched or then.counterfactual == now.counterfactual
        return unasked(curves) if before.modes == after.modes and patch_held and after.orders_as(then) else []
    former = before.curve()
    others = [each for each in curves if each["name"] not in ("inverse", former["name"])]
    if former["name"] == now.importance or not before.complete:  # refined further, or back; or no curve yet
        return others
    if now.importance in (each["name"] for each in others):
        return [former if each["name"] == now.importance else each for each in others]
    return [*others, former]


def choices() -> Choices:
    """Return what a person can change to."""
    measures: list[MeasureChoice] = [
        {"name": name, "group": measure.group, "label": measure.label}
        for name, measure in MEASURES.items()
        if name != "random"
    ]
    return {"importance": measures, "masks": list(CHOICES["masks"]), "ablation": list(ABLATIONS)}
