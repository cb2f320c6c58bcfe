"""The user's own calls of a module beside runs of ours on other threads: each waits, and says what it says alone."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch

import strace_widgets as sw

PROMPT = [5, 17, 3, 88, 41, 2]
SIZES = [0.05, 0.3]
IDS = torch.tensor([[7, 3, 11, 60]])
N_CALLS = 60


@pytest.fixture
def module() -> Any:
    return tiny_models.tiny()


@contextmanager
def running_meanwhile(*runs: Callable[[], Any]) -> Iterator[list[Any]]:
    """Run these over and over, each on a thread of its own; yields what they say, and raises what they raise."""
    over, answers = threading.Event(), []

    def again(run: Callable[[], Any]) -> None:
        while not over.is_set():
            answers.append(run())

    with ThreadPoolExecutor() as threads:
        futures = [threads.submit(again, run) for run in runs]
        try:
            yield answers
        finally:
            over.set()
        for future in futures:
            future.result()
    assert answers


def by_nnsight_and_by_hooks(trace: sw.STrace) -> list[Callable[[], Any]]:
    """Return runs that go each of the two ways: a capture goes by nnsight."""
    return [lambda: trace.evaluate(SIZES).probabilities, lambda: sw.trace(trace.model, PROMPT).full_logits]


def test_calls_beside_runs_say_what_they_say_alone(module: Any) -> None:
    with torch.no_grad():
        alone = [module(IDS).logits, module.model(IDS).last_hidden_state]
    trace = sw.trace(sw.load_model(module), PROMPT)
    evaluated = trace.evaluate(SIZES).probabilities
    runs = by_nnsight_and_by_hooks(trace)
    with running_meanwhile(*runs) as answers:
        for _ in range(N_CALLS):
            with torch.no_grad():
                beside = [module(IDS).logits, module.model(IDS).last_hidden_state]
            for one, other in zip(beside, alone, strict=True):
                torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    for answer in answers:
        truth = evaluated if answer.shape == evaluated.shape else trace.full_logits
        np.testing.assert_allclose(answer, truth, atol=1e-4)


def test_training_beside_runs_has_the_gradients_that_it_has_alone(module: Any) -> None:
    """With layers that are run again for the gradients, in the middle of them."""
    trace = sw.trace(sw.load_model(module), PROMPT)
    module.train()
    module.gradient_checkpointing_enable()

    def gradients() -> list[torch.Tensor]:
        module.zero_grad()
        module(IDS, labels=IDS).loss.backward()
        return [parameter.grad.clone() for parameter in module.parameters()]

    alone = gradients()
    with running_meanwhile(*by_nnsight_and_by_hooks(trace)):
        for _ in range(N_CALLS // 4):
            for one, other in zip(gradients(), alone, strict=True):
                torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    assert module.training


def test_a_run_waits_for_a_call_that_has_begun(module: Any) -> None:
    trace = sw.trace(sw.load_model(module), PROMPT)
    begun, let_go = threading.Event(), threading.Event()

    def slowly(*_: Any) -> None:
        begun.set()
        let_go.wait(30)

    def called() -> None:
        hook = module.model.layers[1].register_forward_pre_hook(slowly)
        module(IDS)
        hook.remove()

    with ThreadPoolExecutor() as threads:
        call = threads.submit(called)
        begun.wait(30)
        ours = threads.submit(trace.evaluate, SIZES)
        with pytest.raises(TimeoutError):
            ours.result(1)
        let_go.set()
        call.result(30)
        assert ours.result(30).sizes.tolist() == SIZES


def test_a_call_that_waits_can_be_interrupted(module: Any) -> None:
    """By Ctrl-C, which is a signal; whoever comes later finds everything as it was."""
    model = sw.load_model(module)
    trace = sw.trace(model, PROMPT)
    here, inside, let_go = threading.get_ident(), threading.Event(), threading.Event()

    def slowly(*_: Any) -> None:
        assert threading.get_ident() != here, "the call did not wait"
        inside.set()
        let_go.wait(30)

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    with torch.no_grad():
        alone = module(IDS).logits
    hook = module.lm_head.register_forward_pre_hook(slowly)
    with ThreadPoolExecutor() as threads:
        ours = threads.submit(lambda: trace.evaluate(SIZES).probabilities)
        inside.wait(30)
        before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        try:
            with pytest.raises(KeyboardInterrupt):
                module(IDS)
        finally:
            signal.signal(signal.SIGALRM, before)
            let_go.set()
        assert ours.result(30).shape[0] == len(SIZES)
    hook.remove()
    with torch.no_grad():
        torch.testing.assert_close(module(IDS).logits, alone)
    assert trace.evaluate(SIZES).probabilities.shape[0] == len(SIZES)
    assert not any("_compiled_call_impl" in part.__dict__ for part in module.modules())


def test_a_model_that_another_loads_meanwhile_is_not_taken_for_a_compiled_one(
    module: Any, recwarn: pytest.WarningsRecorder
) -> None:
    trace = sw.trace(sw.load_model(module), PROMPT)
    recwarn.clear()
    with running_meanwhile(*by_nnsight_and_by_hooks(trace)):
        for _ in range(3):
            assert sw.load_model(module).nnsight._module is module
    assert not [warned for warned in recwarn if "compiled model" in str(warned.message)]
