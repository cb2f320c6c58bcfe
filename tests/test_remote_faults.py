"""Faults in what a server answers, one at a time: each ends in the right result or in an error that says what happened.

Never in another number, an exception of somebody else's, or a wait without end; and the same question, asked again once
the server is well, is answered. `make faults` tries them all; here a few of each kind.
"""

from __future__ import annotations

import os
import random
import re
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from conftest import PROMPT
from explorer_steps import Front, settled, wait_for
from explorer_steps import settings as front_settings
from mock_ndif import MockNDIF, PassingTime
from recorded_server import Fault, Live, Recorded, Tape, record, replayed
from remote_faults import every_fault

import strace_widgets as sw
from strace_widgets.errors import StraceError
from strace_widgets.model import request_estimates as estimates
from strace_widgets.remote import server
from strace_widgets.remote.server import Traffic

EACH = int(os.environ.get("FAULTS", "1"))
"""How many faults of a kind at a step are tried for each question."""
FLIPS = 4 * EACH
SECONDS = 20.0
"""What one question may take on a slow machine, however long the server's clock says."""
PROMPTS = PROMPT, "w9 w1 w44 w7 w30 w12"
SIZES = [0.1, 0.5], [0.2, 0.7]
SENTENCE = re.compile(r"[^ \n]+ [^\n]{20,}[.?)]")

MOST = {"load": 10 * EACH, "study": 14 * EACH, "rescored": 16 * EACH, "in parts": 20 * EACH, "refined": 16 * EACH}
"""How many faults are tried where asking takes long."""

Found = dict[str, Any]


class Asking(NamedTuple):
    """What a question is asked with: the model on the server, and traces of both prompts on it."""

    model: Any
    traces: tuple[sw.STrace, sw.STrace]
    folder: Path

    def load(self) -> Found:
        told = self.model.server
        found = sw.load_model(self.model.source, remote=told.url, client=told.client, clock=told.clock)
        return {name: np.array(gap) for name, gap in found.gaps.items()}

    def study(self, which: int) -> Found:
        folder = self.folder / f"study-{time.monotonic_ns()}"
        done = sw.study(self.model, [PROMPTS[which]], folder, baselines=(), sizes=SIZES[which], progress=False)
        return {"points": done.points["total_variation"].to_numpy(), "entropy": done.prompts["full_entropy"].to_numpy()}


def of_trace(trace: sw.STrace) -> Found:
    return {**trace.weights._asdict(), "logits": trace.full_logits}


def of_sweep(sweep: sw.Sweep) -> Found:
    return {"far": sweep.total_variation, "probabilities": sweep.probabilities, "top1": sweep.top1}


def of_effects(found: Any) -> Found:
    return {"far": found.total_variation, "change": found.logit_change, "known": found.known}


def of_lens(found: Any) -> Found:
    top = [[token.probability for token in row] for row in (*found.full, *found.subgraph)]
    return {"top": top, "chances": found.log_probabilities, "heads": found.heads, "mlp": found.mlp}


def of_head(found: Any) -> Found:
    promoted = [[written for _, written in row] for row in found.promoted]
    return of_lens(found.lens) | {"attention": found.attention, "direct": found.direct, "promoted": promoted}


def own_measure(captured: Any) -> Any:
    return sw.Edges(
        captured.factors * np.linalg.norm(captured.heads, axis=-1)[:, :, None],
        *(np.linalg.norm(kind, axis=-1) for kind in (captured.attention_residual, captured.mlp, captured.mlp_residual)),
    )


QUESTIONS: dict[str, Callable[[Asking, int], Found]] = {
    "l1": lambda ask, which: of_trace(sw.trace(ask.model, PROMPTS[which])),
    "fisher": lambda ask, which: of_trace(sw.trace(ask.model, PROMPTS[which], "fisher")),
    "eap-ig": lambda ask, which: of_trace(sw.trace(ask.model, PROMPTS[which], "eap-ig", steps=2)),
    "own": lambda ask, which: of_trace(sw.trace(ask.model, PROMPTS[which], own_measure)),
    "rescored": lambda ask, which: of_trace(sw.trace(ask.model, PROMPTS[which], "rescored")),
    "refined": lambda ask, which: of_trace(sw.trace(ask.model, PROMPTS[which], "refined", passes=8)),
    "toggles": lambda ask, which: of_sweep(ask.traces[which].evaluate(SIZES[which], {"1.2": "off", "0.mlp": "on"})),
    "means": lambda ask, which: of_sweep(ask.traces[which].evaluate(SIZES[which], ablation="mean")),
    "frozen": lambda ask, which: of_sweep(ask.traces[which].evaluate(SIZES[which], attention="frozen")),
    "effects": lambda ask, which: of_effects(ask.traces[which].effects(SIZES[which][1], progress=False)),
    "lens": lambda ask, which: of_lens(ask.traces[which].lens(SIZES[which][1])),
    "head": lambda ask, which: of_head(ask.traces[which].head("1.2", SIZES[which][1])),
    "trace job": lambda ask, which: of_trace(sw.submit(ask.model, PROMPTS[which]).result()),
    "sweep job": lambda ask, which: of_sweep(ask.traces[which].submit(SIZES[which], {"1.2": "off"}).result()),
    "in parts": lambda ask, which: of_trace(sw.submit(ask.model, PROMPTS[which], "l2").result()),
    "load": lambda ask, _: ask.load(),
    "study": lambda ask, which: ask.study(which),
}


HERE_AS_WELL = ("l1", "fisher", "own", "toggles", "means", "frozen", "effects", "lens", "head")
"""Questions that a model on this machine answers with the same numbers."""


class Bench:
    """A question on a recording of the server's words."""

    def __init__(
        self, name: str, remote: Any, tiny: Any, ndif: MockNDIF, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.name, self.folder, self.monkeypatch, self.question = name, folder, monkeypatch, QUESTIONS[name]
        if name == "in parts":
            monkeypatch.setattr(estimates, "BYTES_AN_ANSWER", 100)
        self.traces = tuple(sw.trace(tiny, prompt) for prompt in PROMPTS)
        self.passing = PassingTime()
        self.remote = remote
        recorded = [
            record(monkeypatch, ndif, f"{name} {which}", lambda which=which: self.asked(remote, which))
            for which in (0, 1)
        ]
        self.tape = Tape(recorded[0], self.passing, recorded[1])
        told = replace(remote.server, client=self.tape.client, clock=self.passing.clock, traffic=Traffic(), timeout=600)
        self.on_tape = replace(remote, server=told)
        self.tape.rewind()
        self.right = self.ask()
        if name in HERE_AS_WELL:
            assert same(self.right, self.asked(tiny, 0), 1e-5) == ""

    def asked(self, remote: Any, which: int) -> Found:
        model = replace(remote)  # which knows nothing of what was asked before
        first, second = (replace(each, model=model, model_state=None, effect_maps={}) for each in self.traces)
        return self.question(Asking(model, (first, second), self.folder), which)

    def ask(self) -> Found:
        with replayed(self.monkeypatch, f"{self.name} 0"):
            return self.asked(self.on_tape, 0)

    def wrong(self, fault: Fault) -> tuple[str, str]:
        """Put a fault in; return what became of the question, and what is wrong with that, if anything."""
        self.tape.rewind(fault)
        begun, before = time.monotonic(), self.passing.seconds
        try:
            found = self.ask()
        except StraceError as reason:
            outcome, trouble = type(reason).__name__, "" if self.is_sentence(str(reason)) else f"no sentence: {reason}"
        except Exception as reason:  # noqa: BLE001 - it is what is looked for
            outcome, trouble = type(reason).__name__, f"raw: {type(reason).__name__}: {reason}"
        else:
            outcome, trouble = "right", same(found, self.right)
        if self.passing.seconds - before > 30 * (self.on_tape.server.timeout + server.READ_SECONDS):
            trouble = trouble or f"waited {self.passing.seconds - before:.0f} s"
        if time.monotonic() - begun > SECONDS:
            trouble = trouble or "took too long"
        if not self.tape.hit:
            outcome = "not met"
        self.tape.rewind()
        return outcome, trouble or same(self.ask(), self.right)

    def is_sentence(self, text: str) -> bool:
        if self.name == "study":  # whose failed prompt says why below its own sentence
            text = text.partition(" All reasons:")[0].partition("the first says: ")[2] or text
        return bool(SENTENCE.fullmatch(text)) and not re.match(r"\w+(Error|Exception): ", text)


def same(found: Found, right: Found, close: float = 1e-6) -> str:
    """Return where a result is another than the right one."""
    for name, values in right.items():
        if np.shape(found[name]) != np.shape(values) or not np.allclose(
            found[name], values, atol=close, equal_nan=True
        ):
            return f"another {name}"
    return ""


def chosen(recorded: dict[str, Recorded], name: str) -> list[Fault]:
    """Return some faults of each kind at each step."""
    chance = random.Random(zlib.crc32(name.encode()))  # noqa: S311 - the same each time
    faults = every_fault(recorded, FLIPS, chance)
    chance.shuffle(faults)
    taken: Counter[tuple[str, str]] = Counter()
    found = []
    for fault in faults:
        key = fault.kind, fault.step
        taken[key] += 1
        if taken[key] <= EACH:
            found.append(fault)
    return found


@pytest.fixture(scope="module", autouse=True)
def tried() -> Iterator[Counter[str]]:
    """Count the faults, and say at the end how many there were of each kind."""
    found: Counter[str] = Counter()
    yield found
    print(f"\n{sum(found.values())} faults: {dict(sorted(found.items()))}")


@pytest.mark.parametrize("name", QUESTIONS)
def test_every_fault_ends_in_the_right_result_or_in_a_sentence(
    name: str,
    remote_tiny: Any,
    tiny: Any,
    ndif: MockNDIF,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tried: Counter[str],
) -> None:
    bench = Bench(name, remote_tiny, tiny, ndif, tmp_path, monkeypatch)
    outcomes: Counter[str] = Counter()
    troubles = []
    for fault in chosen(bench.tape.recorded, name)[: MOST.get(name)]:
        outcome, trouble = bench.wrong(fault)
        outcomes[outcome] += 1
        tried[fault.kind] += 1
        if trouble:
            troubles.append(f"{fault}: {trouble}")
    assert not troubles, f"{len(troubles)} of {outcomes.total()}:\n" + "\n".join(troubles[:40])
    assert outcomes["right"] > 0, "a server is asked again where that helps"
    assert {"RemoteError", "StudyError"} & set(outcomes), outcomes


# The Explorer on such a server.

EXPLORED: dict[str, dict[str, Any]] = {
    "evaluate": {},
    "trace": {},
    "compare": {"names": ["l2"]},
    "effects": {},
    "inside": {"node": "1.2"},
    "refine": {"passes": 8},
}


@pytest.mark.parametrize("kind", EXPLORED)
def test_an_explorer_says_what_happened_and_goes_on(
    kind: str, remote_tiny: Any, ndif: MockNDIF, monkeypatch: pytest.MonkeyPatch, tried: Counter[str]
) -> None:
    ndif.stages = ()
    passing = PassingTime()
    others = record(monkeypatch, ndif, "another", lambda: sw.trace(remote_tiny, PROMPTS[1]))
    recorded = record(monkeypatch, ndif, "this", lambda: sw.trace(remote_tiny, PROMPTS[0]))
    live = Live({}, passing, others, ndif=ndif)
    told = replace(remote_tiny.server, client=live.client, clock=passing.clock, traffic=Traffic(), timeout=600)
    model = replace(remote_tiny, server=told)
    faults = chosen(recorded, kind)[: 4 * EACH]
    troubles, outcomes = [], Counter[str]()
    for fault in faults:
        explorer = sw.trace(model, PROMPT).explore()
        before = settled(explorer)
        live.rewind(fault)
        outcome, trouble = explored(Front(explorer, monkeypatch), kind, before)
        live.rewind()
        again, still = explored(Front(explorer, monkeypatch), kind, before)
        outcomes[outcome] += 1
        tried[fault.kind] += live.hit or 1
        trouble = trouble or still or ("" if again == "right" else "it does not go on")
        if trouble:
            troubles.append(f"{fault}: {trouble}")
        explorer.close()
    assert not troubles, f"{len(troubles)} of {outcomes.total()}:\n" + "\n".join(troubles[:40])
    assert outcomes["error"] > 0, outcomes


def explored(front: Front, kind: str, before: dict[str, Any]) -> tuple[str, str]:
    """Ask something in an Explorer, as a person does, and return what became of it and what is wrong with that."""
    explorer = front.explorer
    if kind == "evaluate":
        explorer.toggles = {}
        explorer.toggles = {"1.2": "off", "0.mlp": "on"}
        answer: dict[str, Any] = {"ok": True}
    else:
        payload = {"settings": front_settings(explorer, importance="l2")} if kind == "trace" else EXPLORED[kind]
        answer = front.ask(kind, **payload)
    wait_for(explorer, lambda: explorer.status["state"] != "running")
    status = explorer.status
    failed = not answer["ok"] or status["state"] == "error"
    if not failed:
        return "right", ""
    text = str(answer.get("error") or status["message"])
    raw = re.search(r"\(\w+\)$", text) or not SENTENCE.fullmatch(text)
    anew = kind in ("trace", "refine") and answer["ok"]  # and its first result has failed
    kept = anew or explorer.evaluation == before
    return "error", f"no sentence: {text}" if raw else "" if kept else "what was shown is gone"
