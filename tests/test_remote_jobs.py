"""Work that is sent to a server now and collected later: another day, by another process, after a lost server."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import httpx
import mock_ndif
import numpy as np
import pytest
import torch
from conftest import PROMPT, ROOT
from mock_ndif import KEY, MockNDIF
from remote_steps import send_from_another_process

import strace_widgets as sw
from strace_widgets import errors
from strace_widgets.model import request_estimates as estimates

CLOSE = 1e-5


@pytest.mark.parametrize(("importance", "options"), [("fisher", {"probes": 2, "seed": 3}), ("eap-ig", {"steps": 3})])
def test_a_submitted_trace_is_the_trace_that_waiting_gives(
    remote_tiny: Any, ndif: MockNDIF, importance: str, options: dict[str, int]
) -> None:
    job = sw.submit(remote_tiny, PROMPT, importance, **options)
    assert [request.url.path for request in ndif.asked] == ["/request"], "it returns at once"
    assert repr(job) == f"Job job-1: a trace of {PROMPT!r} on tiny"
    assert [job.status for _ in range(4)] == ["queued", "running", "completed", "completed"]
    found = job.result()
    asked = len(ndif.asked)
    assert job.result() is found
    assert len(ndif.asked) == asked, "an answer is fetched once"
    waited = sw.trace(remote_tiny, PROMPT, importance, **options)
    assert found.options == waited.options == options
    for theirs, ours in zip((*found.weights, *found.ranks), (*waited.weights, *waited.ranks), strict=True):
        assert np.array_equal(theirs, ours)


@pytest.mark.parametrize("modes", [{}, {"masks": "mlp+residual"}, {"attention": "frozen"}, {"ablation": "mean"}])
def test_a_submitted_sweep_is_the_sweep_that_waiting_gives(remote_tiny: Any, modes: dict[str, str]) -> None:
    trace, sizes, toggles = sw.trace(remote_tiny, PROMPT), [0.05, 0.3, 1.0], {"1.2": "off", "0.mlp": "on"}
    found, waited = trace.submit(sizes, toggles, **modes).result(), trace.evaluate(sizes, toggles, **modes)
    assert found.n_edges.tolist() == waited.n_edges.tolist()
    assert found.total_variation == pytest.approx(waited.total_variation, abs=CLOSE)
    assert [row[0].token for row in found.top] == [row[0].token for row in waited.top]


def test_of_several_requests_the_one_furthest_behind_is_told(
    remote_tiny: Any, ndif: MockNDIF, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "BYTES_AN_ANSWER", 100)
    job = sw.submit(remote_tiny, PROMPT)
    assert len(job.ids) == remote_tiny.architecture.n_layers == 3
    for _ in range(3):
        remote_tiny.server.get(f"/response/{job.ids[0]}")
    assert job.stage == ("queued", mock_ndif.QUEUED, job.ids[1])
    ndif.jobs[job.ids[2]] = iter([{"status": "ERROR", "description": "too hot"}])
    assert job.status == "error", "what failed is told first"


def test_what_cannot_be_submitted_is_said_before_it_is_sent(remote_tiny: Any, tiny: Any, ndif: MockNDIF) -> None:
    with pytest.raises(ValueError, match="takes several requests"):
        sw.submit(remote_tiny, PROMPT, "rescored")
    with pytest.raises(ValueError, match="runs on this machine, so nothing can be submitted"):
        sw.submit(tiny, PROMPT)
    with pytest.raises(ValueError, match="runs on this machine"):
        sw.trace(tiny, PROMPT).submit([0.5])
    with pytest.raises(errors.PromptError):
        sw.submit(remote_tiny, " ")
    assert not ndif.asked


WRONG = {
    "another kind": {"result": 3},
    "another form": {"result": [torch.zeros(3, 4, 6, 6)]},
    "too little": {"result": [(torch.zeros(2), 1.0)] * 5},
    "words": {"result": ["w"] * 5},
}


@pytest.mark.parametrize("kind", WRONG)
def test_an_answer_to_something_else_is_refused_and_the_next_is_taken(
    remote_tiny: Any, ndif: MockNDIF, kind: str
) -> None:
    job = sw.submit(remote_tiny, PROMPT)
    buffer = io.BytesIO()
    torch.save(WRONG[kind], buffer)
    ndif.before.append(
        lambda request: httpx.Response(200, content=buffer.getvalue()) if "/store/" in request.url.path else None
    )
    with pytest.raises(errors.RemoteError, match=r"^The answer of job job-1 .* is none to a trace"):
        job.result()
    ndif.before.clear()
    ndif.stages = ()
    assert sw.submit(remote_tiny, PROMPT).result().n_edges > 0


def test_a_stage_that_nobody_knows_is_one_on_the_way(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.stages = (("HIBERNATING", "Good night."),)
    assert sw.submit(remote_tiny, PROMPT).status == "hibernating"


# From one process to another.


def test_jobs_of_one_process_are_collected_in_another(ndif: MockNDIF, tiny: Any, tmp_path: Path) -> None:
    ndif.stages = ()
    twin = sw.trace(tiny, PROMPT)
    with mock_ndif.on_loopback(ndif) as url:
        send_from_another_process(ndif.name, url, PROMPT, tmp_path, os.environ | {"HF_HUB_OFFLINE": "1"})
        for file in tmp_path.iterdir():
            assert KEY not in file.read_text(encoding="utf-8")
        sent = len(ndif.posted)
        asked = len(ndif.asked)
        with pytest.raises(
            errors.JobFileError, match=rf"is a job on {url}, for which no API key was set.*remote='{url}'"
        ):
            sw.load_job(tmp_path / "trace.json")
        assert len(ndif.asked) == asked, "a file does not choose where the key goes"
        trace = sw.load_job(tmp_path / "trace.json", remote=url).result()
        sweep = sw.load_job(tmp_path / "sweep.json", trace.model).result()
    assert trace.model.server.url == url
    assert len(ndif.posted) == sent + 3, "the model was reached for once, which its proof takes three requests for"
    assert trace.prompt == PROMPT
    assert trace.weights.attention == pytest.approx(twin.weights.attention, abs=CLOSE)
    expected = twin.evaluate([0.1, 1.0], toggles={"0.1": "off"})
    assert sweep.total_variation == pytest.approx(expected.total_variation, abs=CLOSE)


def test_a_job_file_is_read_with_its_model_at_hand(remote_tiny: Any, ndif: MockNDIF, tmp_path: Path) -> None:
    job = sw.submit(remote_tiny, PROMPT, "l2")
    again = sw.load_job(job.save(tmp_path / "job.json"), remote_tiny)
    assert (again.ids, again.work) == (job.ids, job.work)
    assert len(ndif.asked) == 1
    assert again.result().importance == "l2"


def test_a_job_whose_answer_is_gone_by_the_next_day(remote_tiny: Any, ndif: MockNDIF, tmp_path: Path) -> None:
    file = sw.submit(remote_tiny, PROMPT).save(tmp_path / "job.json")
    ndif.jobs.clear()
    with pytest.raises(errors.ResultLostError, match="knows nothing of job job-1"):
        sw.load_job(file, remote_tiny).result()


def test_a_job_that_failed_may_be_asked_for_again(remote_tiny: Any, ndif: MockNDIF) -> None:
    job = sw.submit(remote_tiny, PROMPT)
    ndif.before.append(lambda _: httpx.Response(503, text="Auth backend unavailable."))
    with pytest.raises(errors.ServerLostError, match=r"Auth backend unavailable\."):
        job.result()
    ndif.before.clear()
    assert job.result().n_edges > 0
    assert len(ndif.posted) == 1


@pytest.mark.parametrize("kind", ["trace", "sweep"])
def test_a_job_file_of_version_1_is_collected(remote_tiny: Any, ndif: MockNDIF, kind: str) -> None:
    """The files were written before the package had rooms; here the server has their jobs."""
    trace = sw.trace(remote_tiny, PROMPT)
    sent = sw.submit(remote_tiny, PROMPT, "fisher") if kind == "trace" else trace.submit([0.1, 0.5, 1.0])
    job = sw.load_job(ROOT / "tests" / "v1" / f"{kind}-job.json", remote_tiny)
    assert job.work == sent.work
    ndif.jobs[job.ids[0]] = ndif.jobs.pop(sent.ids[0])
    found = job.result()
    if kind == "trace":
        assert (found.prompt, found.importance) == (PROMPT, "fisher")
    else:
        expected = trace.evaluate([0.1, 0.5, 1.0])
        assert found.total_variation == pytest.approx(expected.total_variation, abs=CLOSE)


BROKEN = (
    {"format": "strace"},
    {"version": 99},
    {"work": {"no": "such field"}},
    {"ids": None},
    {"ids": []},
    {"version": True},
    {"server": ...},
    "[]",
    "{",
    "",
)


@pytest.mark.parametrize("broken", BROKEN, ids=str)
def test_what_is_no_job_file_is_refused(remote_tiny: Any, tmp_path: Path, broken: dict[str, Any] | str) -> None:
    file = sw.submit(remote_tiny, PROMPT).save(tmp_path / "job.json")
    text = broken
    if isinstance(broken, dict):
        content = json.loads(file.read_text(encoding="utf-8")) | broken
        text = json.dumps({key: value for key, value in content.items() if value is not ...})
    file.write_text(str(text), encoding="utf-8")
    with pytest.raises(errors.JobFileError, match=r"job\.json is no job file of strace_widgets that can be read"):
        sw.load_job(file, remote_tiny)


# A server that is lost in the middle.


def test_a_sweep_goes_on_where_a_lost_server_left_it(
    remote_tiny: Any, tiny: Any, ndif: MockNDIF, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace, sizes = sw.trace(remote_tiny, PROMPT), [0.1, 0.2, 0.5, 1.0]
    whole = sw.trace(tiny, PROMPT).evaluate(sizes)
    monkeypatch.setattr(estimates, "PROBABILITIES_A_PASS", 1)  # a pass, and a request, for each size
    sent = remote_tiny.server.traffic.requests

    def down_in_the_third(_: httpx.Request) -> None:
        if remote_tiny.server.traffic.requests - sent == 3:
            raise httpx.ConnectError("[Errno 111] Connection refused")

    ndif.before.append(down_in_the_third)
    with pytest.raises(errors.ServerLostError, match="stopped answering while job job-4"):
        trace.evaluate(sizes)
    assert remote_tiny.server.traffic.requests - sent == 3
    ndif.before.clear()
    resumed = trace.evaluate(sizes)
    assert remote_tiny.server.traffic.requests - sent == 5, "two passes were done, one was lost: two are left"
    assert resumed.total_variation == pytest.approx(whole.total_variation, abs=CLOSE)
    trace.evaluate(sizes)
    assert remote_tiny.server.traffic.requests - sent == 9, "a sweep that is done is not remembered"
