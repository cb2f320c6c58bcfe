"""The widget's Python side where the model runs on a server: stages, failures, and what is not waited for."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from explorer_steps import Front, settings, settled, wait_for

import strace_widgets as sw
from strace_widgets.errors import RemoteRunError
from strace_widgets.explorer import session as sessions
from strace_widgets.remote import stages
from strace_widgets.remote.stages import Stage


@pytest.fixture
def explorer(settled_explorer: sw.Explorer) -> sw.Explorer:
    return settled_explorer


class Job:
    """Stands where a server's job would: tells the stages that it is given, then waits in the last of them."""

    def __init__(self, session: Any, *stages: Stage) -> None:
        self.honest, self.stages, self.done = session.evaluate, stages, threading.Event()

    def __call__(self, n_edges: int, toggles: dict[str, str]) -> dict[str, Any]:
        for stage in self.stages:
            stages.tell(stage)
        while not self.done.wait(0.01):
            stages.tell(self.stages[-1])
        return self.honest(n_edges, toggles)


QUEUED = Stage("queued", "Added to Queue at position 3.")


def test_the_stage_of_a_job_is_told_once_with_the_time_of_its_beginning(
    explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    explorer.observe(lambda event: told.append(event["new"].get("job")), "status")
    job = Job(explorer.session, Stage("received"), QUEUED, Stage("queued", "Added to Queue at position 2."))
    monkeypatch.setattr(explorer.session, "evaluate", job)
    before = time.time()
    explorer.toggles = {"1.2": "off"}
    wait_for(explorer, lambda: (explorer.status.get("job") or {}).get("description", "").endswith("2."))
    job.done.set()
    settled(explorer)
    stages = [(each["stage"], each["description"]) for each in told if each]
    assert stages == [("received", ""), (QUEUED.name, QUEUED.description), ("queued", "Added to Queue at position 2.")]
    received, queued, nearer = (each["since"] for each in told if each)
    assert before <= received <= queued == nearer <= time.time()
    assert "job" not in explorer.status


def test_an_evaluation_on_a_server_is_waited_for_no_longer_on_request(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    explorer = front.explorer
    good = settled(explorer)
    with monkeypatch.context() as patched:
        patched.setattr(explorer.session, "evaluate", Job(explorer.session, QUEUED))
        explorer.toggles = {"1.2": "off"}
        wait_for(explorer, lambda: "job" in explorer.status)
        assert front.ask("cancel")["ok"]
        wait_for(explorer, lambda: explorer.status["state"] != "running")
    assert (explorer.status["state"], explorer.status["kind"]) == ("ready", "evaluate")
    assert "may still finish on the server" in explorer.status["message"]
    assert explorer.evaluation == good
    assert front.ask("evaluate")["ok"]  # "Try again"
    assert settled(explorer)["toggles"] == {"1.2": "off"}


def test_an_outdated_job_is_not_waited_for(explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = explorer.session.evaluate
    endless = Job(explorer.session, QUEUED)
    evaluate = lambda n_edges, toggles: (honest if n_edges == 44 else endless)(n_edges, toggles)  # noqa: E731
    monkeypatch.setattr(explorer.session, "evaluate", evaluate)
    explorer.n_edges = 30
    wait_for(explorer, lambda: "job" in explorer.status)
    explorer.n_edges = 44
    assert settled(explorer)["n_edges"] == 44
    assert explorer.status["message"] == ""


def test_what_a_server_says_of_a_failure_is_there_whole(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = front.explorer
    good = settled(explorer)
    text = "Traceback (most recent call last):\n  ...\nRuntimeError: too hot"

    def fail(*_: Any, **__: Any) -> None:
        raise RemoteRunError("The job failed: RuntimeError: too hot", text)

    with monkeypatch.context() as patched:
        patched.setattr(sw.STrace, "evaluate", fail)
        explorer.toggles = {"1.2": "off"}
        wait_for(explorer, lambda: explorer.status["state"] == "error")
        assert explorer.status["kind"] == "evaluate"
        assert explorer.status["message"] == "The job failed: RuntimeError: too hot"
        assert explorer.status["detail"] == text
        patched.setattr(sessions, "trace_prompt", fail)
        answer = front.ask("trace", settings=settings(explorer, importance="l2"))
    assert (answer["ok"], answer["detail"]) == (False, text)
    assert (explorer.status["kind"], explorer.status["detail"]) == ("trace", text)
    assert explorer.evaluation == good
    refused = front.ask("trace", settings=settings(explorer, prompt=" "))
    assert "detail" not in refused  # asking again would not help
    assert "detail" not in explorer.status
