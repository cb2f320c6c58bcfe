"""The request runner by itself: no widget, no browser; a loop of the test's own stands for the kernel's."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from strace_widgets.errors import CancelledError
from strace_widgets.explorer.requests import CANCELLED, STOPPED, RequestRunner, SupersededError
from strace_widgets.explorer.worker import kernel_loop
from strace_widgets.remote import stages
from strace_widgets.remote.stages import Stage

QUEUED = Stage("queued", "Added to Queue at position 3.")


class Kernel:
    """A loop that turns when the test says so, a worker, and all that a runner tells, in order."""

    def __init__(self) -> None:
        self.loop, self.executor = asyncio.new_event_loop(), ThreadPoolExecutor(1)
        self.told: list[tuple[Any, ...]] = []
        self.runner = RequestRunner(
            lambda step, share: self.tell("progress", step, share),
            lambda job: self.tell("job", job["stage"], job["description"]),
            loop=self.loop,
            executor=self.executor,
        )

    def tell(self, *news: Any) -> None:
        assert threading.current_thread() is threading.main_thread()
        self.told.append(news)

    def ask(self, kind: str, work: Callable[[Any], Any], name: str = "") -> None:
        name = name or kind
        self.runner.run(
            kind,
            work,
            lambda result: self.tell(name, result),
            lambda reason: self.tell(name, type(reason), str(reason)),
        )

    def hold(self) -> threading.Event:
        """Keep the worker busy until the event is set."""
        release = threading.Event()
        self.executor.submit(release.wait, 10)
        return release

    def turn(self) -> list[tuple[Any, ...]]:
        """Let the worker finish, give the loop a turn, and return what was told since."""
        self.executor.submit(int).result(10)
        self.loop.run_until_complete(asyncio.sleep(0))
        told, self.told = self.told, []
        return told


@pytest.fixture
def kernel() -> Iterator[Kernel]:
    """Made on a thread without a loop that is marked as running, whatever the tests before have left here."""
    marked = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    kernel = Kernel()
    yield kernel
    kernel.executor.shutdown()
    kernel.loop.close()
    asyncio._set_running_loop(marked)


class Held:
    """Work that says when it has begun and goes on when it may."""

    def __init__(self, then: Callable[[Any], Any] = lambda _: "done") -> None:
        self.begun, self.go_on, self.then = threading.Event(), threading.Event(), then

    def __call__(self, progress: Any) -> Any:
        self.begun.set()
        assert self.go_on.wait(10)
        return self.then(progress)


def tell_all(*told: Stage) -> None:
    for stage in told:
        stages.tell(stage)


def test_a_result_arrives_on_the_kernels_thread_when_its_loop_turns(kernel: Kernel) -> None:
    kernel.ask("evaluate", lambda _: threading.current_thread() is threading.main_thread())
    kernel.executor.submit(int).result(10)
    assert kernel.told == []
    assert kernel.turn() == [("evaluate", False)]


def test_of_a_kind_the_newest_wins_and_those_before_do_not_run(kernel: Kernel) -> None:
    ran, release = [], kernel.hold()
    for number in range(3):
        kernel.ask("trace", lambda _, number=number: ran.append(number), f"trace {number}")
    kernel.ask("compare", lambda _: ran.append("compare"))
    release.set()
    superseded = SupersededError, CANCELLED
    assert kernel.turn() == [("trace 0", *superseded), ("trace 1", *superseded), ("trace 2", None), ("compare", None)]
    assert ran == [2, "compare"]


@pytest.mark.parametrize("ends", ["with a result", "with an error"])
def test_what_runs_while_a_newer_one_comes_is_dropped(kernel: Kernel, ends: str) -> None:
    older = Held(lambda _: 1 if ends == "with a result" else 1 / 0)
    kernel.ask("evaluate", older, "older")
    assert older.begun.wait(10)
    kernel.ask("evaluate", lambda _: 2, "newer")
    older.go_on.set()
    assert kernel.turn() == [("older", SupersededError, CANCELLED), ("newer", 2)]


def test_a_result_that_waits_to_be_shown_is_dropped_for_a_newer_request(kernel: Kernel) -> None:
    kernel.ask("evaluate", lambda _: 1, "older")
    kernel.executor.submit(int).result(10)
    kernel.ask("evaluate", lambda _: 2, "newer")
    assert kernel.turn() == [("older", SupersededError, CANCELLED), ("newer", 2)]


def test_what_waits_is_cancelled_and_does_not_run(kernel: Kernel) -> None:
    ran, release = [], kernel.hold()
    kernel.ask("trace", lambda _: ran.append("trace"))
    kernel.ask("compare", lambda _: ran.append("compare"))
    kernel.runner.cancel("trace")
    release.set()
    assert kernel.turn() == [("trace", CancelledError, CANCELLED), ("compare", None)]
    assert ran == ["compare"]


def test_what_runs_is_cancelled_at_its_next_step_and_progress_is_dropped(kernel: Kernel) -> None:
    def steps(progress: Any) -> None:
        progress("first", 0.1)
        held(progress)
        progress("second", 0.5)
        raise AssertionError("the second step was the end")

    held = Held()
    kernel.ask("trace", steps)
    assert held.begun.wait(10)
    kernel.runner.cancel("trace")  # the first step was told, but has not arrived
    held.go_on.set()
    assert kernel.turn() == [("trace", CancelledError, CANCELLED)]
    kernel.ask("trace", lambda progress: progress("anew", 0.1))
    assert kernel.turn() == [("progress", "anew", 0.1), ("trace", None)]


def test_what_is_done_is_cancelled_no_more(kernel: Kernel) -> None:
    kernel.ask("trace", lambda _: 1)
    assert kernel.turn() == [("trace", 1)]
    kernel.runner.cancel("trace", "compare")
    assert kernel.turn() == []


def test_a_failure_arrives_and_the_worker_goes_on(kernel: Kernel) -> None:
    kernel.ask("evaluate", lambda _: 1 / 0)
    kernel.ask("trace", lambda _: 1)
    assert kernel.turn() == [("evaluate", ZeroDivisionError, "division by zero"), ("trace", 1)]


def test_what_fails_while_a_result_is_shown_is_a_failure_too(kernel: Kernel) -> None:
    kernel.runner.run("trace", lambda _: 0, lambda zero: 1 / zero, lambda reason: kernel.tell(str(reason)))
    assert kernel.turn() == [("division by zero",)]


def test_each_stage_of_a_job_is_told_once(kernel: Kernel) -> None:
    nearer = QUEUED._replace(description="Added to Queue at position 2.")
    kernel.ask("evaluate", lambda _: tell_all(Stage("received"), QUEUED, QUEUED, nearer, Stage("error", "hot")))
    told = [("job", "received", ""), ("job", "queued", QUEUED.description), ("job", "queued", nearer.description)]
    assert kernel.turn() == [*told, ("evaluate", None)]


def test_a_stage_keeps_the_time_of_its_beginning(kernel: Kernel) -> None:
    since: list[float] = []
    kernel.runner._on_job = lambda job: since.append(job["since"])
    kernel.ask("evaluate", lambda _: tell_all(QUEUED, QUEUED._replace(description="nearer")))
    kernel.turn()
    assert len(since) == 2
    assert since[0] == since[1]


@pytest.mark.parametrize("give_up", ["cancel", "stop_waiting"])
def test_a_job_is_waited_for_no_longer(kernel: Kernel, give_up: str) -> None:
    held = Held(lambda _: tell_all(QUEUED))
    kernel.ask("evaluate", held)
    assert held.begun.wait(10)
    getattr(kernel.runner, give_up)("evaluate")
    held.go_on.set()
    assert kernel.turn() == [("evaluate", CancelledError, STOPPED)]


def test_to_stop_waiting_lets_work_without_a_job_go_on(kernel: Kernel) -> None:
    release = kernel.hold()
    kernel.ask("evaluate", lambda _: 1)
    kernel.runner.stop_waiting("evaluate")
    release.set()
    assert kernel.turn() == [("evaluate", 1)]


@pytest.mark.parametrize("loop", ["none", "dead"])
def test_without_a_loop_that_lives_the_worker_calls_back_itself(loop: str) -> None:
    dead = asyncio.new_event_loop()
    dead.close()
    told: list[Any] = []
    with ThreadPoolExecutor(1) as executor:
        given = dead if loop == "dead" else None
        runner = RequestRunner(lambda *_: None, lambda _: None, loop=given, executor=executor)
        runner.run("evaluate", lambda _: 1, told.append, told.append)
        runner.run("trace", lambda _: 1 / 0, told.append, lambda reason: told.append(type(reason)))
    assert told == [1, ZeroDivisionError]


def test_the_loop_is_that_of_the_task_that_asks(kernel: Kernel) -> None:
    """As in marimo, where cells and messages are tasks; a result's own requests come back the same way."""
    threads: list[threading.Thread] = []

    async def cell() -> None:
        runner = RequestRunner(lambda *_: None, lambda _: None, executor=kernel.executor)
        shown = asyncio.Event()

        def again(_: Any) -> None:
            assert kernel_loop() is None  # a callback is no task
            threads.append(threading.current_thread())
            runner.run(
                "evaluate", lambda _: 2, lambda _: (threads.append(threading.current_thread()), shown.set()), print
            )

        runner.run("trace", lambda _: 1, again, print)
        await asyncio.wait_for(shown.wait(), 10)

    kernel.loop.run_until_complete(cell())
    assert threads == [threading.main_thread()] * 2


def test_the_loop_of_an_ipython_kernel_is_found_from_any_thread(
    kernel: Kernel, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = SimpleNamespace(kernel=SimpleNamespace(io_loop=SimpleNamespace(asyncio_loop=kernel.loop)))
    assert kernel_loop() is None
    monkeypatch.setattr("strace_widgets.explorer.worker.get_ipython", lambda: shell)
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(kernel_loop).result() is kernel.loop
