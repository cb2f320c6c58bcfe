"""Ctrl-C at any moment leaves a module as it was: what is hooked into it while it runs is gone, and all of it."""

from __future__ import annotations

import copy
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch

import strace_widgets as sw
from strace_widgets.model import interrupts

PROMPT = [5, 17, 3, 88, 41, 2]
SIZES = [0.1, 0.5]
N_MOMENTS = 250
"""How many of the moments of a run, each a call or a return of a function, are tried."""


def interrupted_after(n_events: float, run: Callable[[], Any]) -> int:
    """Raise SIGINT once that many functions were called or left; return how many were."""
    count = 0

    def profile(*_: Any) -> None:
        nonlocal count
        count += 1
        if count == n_events:
            sys.setprofile(None)
            signal.raise_signal(signal.SIGINT)

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


def moments(run: Callable[[], Any], number: int) -> list[int]:
    """Return some moments of a run from its beginning to its end, each as the calls and returns until then."""
    return [int(moment) for moment in np.linspace(1, interrupted_after(np.inf, run), number)]


def outside(module: Any) -> list[Any]:
    """Return what a run changes about a module."""
    return [
        (sorted(part.__dict__), len(part._forward_hooks), len(part._forward_pre_hooks), part.training)
        for part in module.modules()
    ] + [module.config._attn_implementation, torch.is_grad_enabled(), torch.is_inference_mode_enabled()]


@pytest.mark.parametrize("way", ["hooks", "nnsight", "capture", "backward", "loading"])
def test_an_interrupt_at_any_moment_leaves_the_module_as_it_was(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = tiny_models.tiny(attention_dropout=0.5).train()
    model = sw.load_model(module)
    if way == "nnsight":
        monkeypatch.setattr(type(model), "_by_hooks", False)
    trace = sw.trace(model, PROMPT)
    runs: dict[str, Callable[[], Any]] = {
        "capture": lambda: sw.trace(model, PROMPT),
        "backward": lambda: sw.trace(model, PROMPT, "eap"),
        "loading": lambda: sw.load_model(module),
    }
    run = runs.get(way, lambda: trace.evaluate(SIZES))
    before, truth = outside(module), trace.evaluate(SIZES).probabilities
    run()
    n_threads = threading.active_count()
    n_interrupted = 0
    for moment in moments(run, N_MOMENTS):
        try:
            interrupted_after(moment, run)
        except KeyboardInterrupt:
            n_interrupted += 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        assert outside(module) == before, f"after {moment} calls and returns"
        np.testing.assert_allclose(trace.evaluate(SIZES).probabilities, truth, atol=1e-6)
    assert n_interrupted > 0.9 * N_MOMENTS
    ends = time.monotonic() + 10
    while threading.active_count() > n_threads and time.monotonic() < ends:
        time.sleep(0.02)
    assert threading.active_count() <= n_threads


def test_a_module_can_be_loaded_after_an_interrupt_at_any_moment_of_the_first_time() -> None:
    module = tiny_models.tiny()
    truth = sw.trace(sw.load_model(copy.deepcopy(module)), PROMPT).evaluate(SIZES).probabilities
    whole = moments(partial(sw.load_model, copy.deepcopy(module)), 1200)
    for moment in (*whole[::30], *whole[:80]):  # nnsight wraps it in the beginning
        own = copy.deepcopy(module)
        with suppress(KeyboardInterrupt):
            interrupted_after(moment, partial(sw.load_model, own))
        assert own.config._attn_implementation == "sdpa"
        found = sw.trace(sw.load_model(own), PROMPT).evaluate(SIZES).probabilities
        np.testing.assert_allclose(found, truth, atol=1e-6, err_msg=f"after {moment} calls and returns")


def test_a_signal_is_handled_between_two_parts_of_the_model() -> None:
    """By its own handler, which need not raise, long before the run is over."""
    model = sw.load_model(tiny_models.tiny())
    trace = sw.trace(model, PROMPT)
    seen: list[str] = []
    parts = model.nnsight._module.model.layers
    hooks = [parts[1].register_forward_pre_hook(lambda *_: signal.raise_signal(signal.SIGALRM))]
    hooks += [parts[2].register_forward_pre_hook(lambda *_: seen.append("third layer"))]
    before = signal.signal(signal.SIGALRM, lambda *_: seen.append("handled"))
    try:
        trace.evaluate([0.5])
        assert signal.getsignal(signal.SIGALRM)(None, None) is None
    finally:
        signal.signal(signal.SIGALRM, before)
        for hook in hooks:
            hook.remove()
    assert seen == ["handled", "third layer"] * (len(seen) // 2) + ["handled"]


def test_a_run_that_hangs_is_left_by_the_second_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrupts, "PATIENCE", 0.05)

    def hangs() -> None:
        with interrupts.held_back():
            for _ in range(2):
                signal.raise_signal(signal.SIGINT)
                time.sleep(0.1)
            raise AssertionError("it goes on")

    with pytest.raises(KeyboardInterrupt):
        hangs()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_is_set_meanwhile_stays() -> None:
    def of_the_run(*_: Any) -> None:
        pass

    before = signal.getsignal(signal.SIGALRM)
    try:
        with interrupts.held_back():
            signal.signal(signal.SIGALRM, of_the_run)
        assert signal.getsignal(signal.SIGALRM) is of_the_run
    finally:
        signal.signal(signal.SIGALRM, before)


def test_on_another_thread_nothing_is_held_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where that is taken for the main thread, as in a program that embeds Python."""

    def handler_inside() -> Any:
        with interrupts.held_back():
            return signal.getsignal(signal.SIGINT)

    with ThreadPoolExecutor() as threads:
        assert threads.submit(handler_inside).result() is signal.getsignal(signal.SIGINT)
        monkeypatch.setattr(threading, "main_thread", threading.current_thread)
        assert threads.submit(handler_inside).result() is signal.getsignal(signal.SIGINT)


CALLS: dict[str, Callable[[sw.STrace], Any]] = {
    "evaluate": lambda trace: trace.evaluate(SIZES, ablation="mean").probabilities,
    "toggled": lambda trace: trace.evaluate(SIZES, {"1.2": "off"}).probabilities,
    "sweep": lambda trace: np.stack([trace.sweep().n_edges, trace.sweep().total_variation]),
    "smallest": lambda trace: np.array(trace.smallest(total_variation=0.2)),
    "effects": lambda trace: trace.effects(by="component", progress=False).total_variation,
    "refine": lambda trace: trace.refine(8, progress=False).weights.attention,
    "lens": lambda trace: trace.lens().heads,
    "head": lambda trace: trace.head("1.2").attention,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_trace_says_the_same_after_an_interrupt_at_any_moment(name: str, tiny: sw.Model) -> None:
    """What it keeps of its own work is whole, or is not there."""
    call = CALLS[name]
    truth = call(sw.trace(tiny, PROMPT))
    for moment in moments(partial(call, sw.trace(tiny, PROMPT)), 40):
        trace = sw.trace(tiny, PROMPT)
        with suppress(KeyboardInterrupt):
            interrupted_after(moment, partial(call, trace))
        np.testing.assert_allclose(call(trace), truth, atol=1e-6, err_msg=f"after {moment} calls and returns")


def test_a_server_is_asked_again_after_an_interrupt_at_any_moment(remote_tiny: sw.Model) -> None:
    trace = sw.trace(remote_tiny, PROMPT)
    truth = trace.evaluate(SIZES).probabilities
    for moment in moments(partial(trace.evaluate, SIZES), 20):
        with suppress(KeyboardInterrupt):
            interrupted_after(moment, partial(trace.evaluate, SIZES))
        np.testing.assert_allclose(trace.evaluate(SIZES).probabilities, truth, atol=1e-6)
