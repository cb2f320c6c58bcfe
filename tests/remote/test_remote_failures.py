"""Everything that can fail between here and a server, made to fail on a real one: type, sentence, and what is kept."""

from __future__ import annotations

import json
import logging
import signal
import subprocess
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rig
from remote_steps import errors_of_threads
from served import PATIENCE, UNSERVED, Remote

import strace_widgets as sw
from strace_widgets.explorer import session_file
from strace_widgets.explorer.session import Session
from strace_widgets.model import request_estimates as estimates
from strace_widgets.remote.server import server_at
from strace_widgets.remote.stages import listening
from strace_widgets.results import upgrade

pytestmark = pytest.mark.remote
PROMPT = "a small model says"
DELETE = """
import sys, boto3
store = boto3.client("s3", endpoint_url="http://127.0.0.1:20900", region_name="us-east-1")
store.delete_object(Bucket="ndif-results", Key=sys.argv[1])
"""

EVICT = """
import sys
from ndif.cli import cli
from nnsight.modeling import huggingface
name = sys.argv[1]
huggingface._ID_CACHE[name] = name  # the hub cannot be asked how it is spelled
cli(["evict", name, "--task", "text-generation"])
"""


# Keys.


def test_no_key(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NDIF_API_KEY")
    with pytest.raises(sw.errors.MissingKeyError, match=r"wants an API key.*NDIF_API_KEY"):
        sw.load_model("loopback/tiny-llama", remote=server_url)


def test_no_key_for_the_public_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NDIF_API_KEY")
    with pytest.raises(sw.errors.MissingKeyError, match=r"api\.ndif\.us wants an API key"):
        server_at(remote=True)


@pytest.mark.parametrize("key", ["secret-of-no-known-form", "11111111-2222-3333-4444-555555555555"])
def test_a_wrong_key_is_not_repeated(server_url: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDIF_API_KEY", key)
    with pytest.raises(sw.errors.WrongKeyError, match="does not know your API key") as raised:
        sw.load_model("loopback/tiny-llama", remote=server_url)
    assert key not in f"{raised.value} {raised.value.text} {raised.value.__cause__} {raised.value.__context__}"


# Models.


def test_a_model_that_is_not_served(server_url: str, remote_model: Remote) -> None:
    remote_model("tiny-llama")
    with pytest.raises(
        sw.errors.ModelNotServedError, match=r"does not run tiny-unserved.*loopback/tiny-llama"
    ) as raised:
        sw.load_model(UNSERVED, remote=server_url)
    assert raised.value.text


def test_an_evicted_model_comes_back(remote_model: Remote) -> None:
    model = remote_model("tiny-gpt2")
    evict("tiny-gpt2")
    told: set[str] = set()
    with listening(lambda stage: told.add(stage.name)):
        assert sw.trace(model, PROMPT).n_edges > 0
    assert told & {"provisioning", "deploying", "queued"}


def test_a_name_is_needed(server_url: str) -> None:
    with pytest.raises(sw.errors.ModelNotFoundError, match="named by its hub id"):
        sw.load_model(remote=server_url)
    with pytest.raises(TypeError, match="no option device_map"):
        sw.load_model("loopback/tiny-llama", remote=server_url, device_map="auto")


# Requests.


def test_what_fails_there_is_told_in_a_sentence_with_the_whole_text_at_hand(remote_model: Remote) -> None:
    model = remote_model("tiny-llama")
    trace = sw.trace(model, PROMPT)
    broken = replace(trace, model=replace(model, architecture=replace(model.architecture, mlp_write="nowhere")))
    with pytest.raises(sw.errors.RemoteRunError, match="The job failed") as raised:
        broken.evaluate([0.5])
    assert "\n" not in str(raised.value)
    assert "Traceback" in raised.value.text
    assert trace.evaluate([0.5]).total_variation[0] < 1


def test_a_request_beyond_the_limit_is_not_sent(remote_model: Remote) -> None:
    model = remote_model("tiny-llama")
    small = replace(model, server=replace(model.server, limit=5_000))
    before = model.server.traffic.requests
    with pytest.raises(sw.errors.RequestTooLargeError, match=r"at most .* up and .* down, more than the limit of 5 kB"):
        sw.trace(small, PROMPT)
    assert model.server.traffic.requests == before


def test_a_time_that_is_up(remote_model: Remote) -> None:
    model = remote_model("tiny-llama")
    hasty = replace(model, server=replace(model.server, timeout=0.0))
    with pytest.raises(sw.errors.RemoteTimeoutError, match="is still received after 0 s"):
        sw.trace(hasty, PROMPT)


def test_a_result_that_the_server_has_lost(remote_model: Remote) -> None:
    job = sw.submit(remote_model("tiny-llama"), PROMPT)
    until(lambda: job.status == "completed")
    delete(f"{job.ids[0]}.pt")
    with pytest.raises(sw.errors.ResultLostError, match="no longer has its result"):
        job.result()
    delete(f"responses/{job.ids[0]}.json")
    with pytest.raises(sw.errors.ResultLostError, match="knows nothing of job"):
        job.result()


def test_a_result_lost_on_the_way_is_asked_for_again(remote_model: Remote) -> None:
    """Nothing changes on a server by running a request, so a live request whose answer is gone is sent once more."""
    model = remote_model("tiny-llama")
    trace, before = sw.trace(model, PROMPT), model.server.traffic.requests
    lost: list[str] = []

    def lose_the_first(stage: Any) -> None:
        if stage.name == "completed" and not lost:
            lost.append(stage.job_id)
            delete(f"{stage.job_id}.pt")

    with listening(lose_the_first):
        assert trace.evaluate([1.0]).total_variation[0] == pytest.approx(0, abs=1e-5)
    assert lost
    assert model.server.traffic.requests - before == 2


# The server itself.


def test_a_server_that_is_down_at_the_start() -> None:
    started = time.monotonic()
    with pytest.raises(sw.errors.ServerUnreachableError, match="Is it running, and is the address right"):
        sw.load_model("loopback/tiny-llama", remote="http://127.0.0.1:20899", patience=1.0)
    assert time.monotonic() - started < 10


def test_a_version_that_the_server_does_not_take(remote_model: Remote) -> None:
    model = remote_model("tiny-llama")
    rig.stop_one("api")
    rig.start_one("api", NDIF_MIN_NNSIGHT_VERSION="99.0")
    try:
        with pytest.raises(sw.errors.VersionMismatchError, match=rf"{version('nnsight')}.*99\.0"):
            sw.trace(model, PROMPT)
    finally:
        rig.stop_one("api")
        rig.start_one("api")
    assert sw.trace(model, PROMPT).n_edges > 0


def test_a_server_lost_in_the_middle_and_a_sweep_that_goes_on(
    remote_model: Remote, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = remote_model("tiny-llama")
    trace = sw.trace(model, PROMPT)
    sizes = [0.1, 0.2, 0.5, 1.0]
    whole = trace.evaluate(sizes)
    saved = session_file.SavedSession(
        model=model.name,
        settings=Session(trace).settings,
        n_edges=10,
        toggles={"1.2": "off"},
        history=upgrade.NOTHING_TRIED,
    )
    session_file.write(tmp_path / "session.json", saved)
    before = (tmp_path / "session.json").read_bytes()
    monkeypatch.setattr(estimates, "PROBABILITIES_A_PASS", 1)  # a pass, and a request, for each size
    passes: set[str] = set()

    def stop_in_the_third(stage: Any) -> None:
        passes.add(stage.job_id)
        if len(passes) == 3 and rig.served():
            rig.stop_one("api", signal.SIGKILL)

    sent = model.server.traffic.requests
    try:
        with (
            listening(stop_in_the_third),
            pytest.raises(sw.errors.ServerLostError, match="stopped answering while job"),
        ):
            trace.evaluate(sizes)
    finally:
        rig.start_one("api")
    assert (tmp_path / "session.json").read_bytes() == before
    assert model.server.traffic.requests - sent == 3
    resumed = trace.evaluate(sizes)
    assert model.server.traffic.requests - sent == 5, "two passes were done, one was lost: two are left"
    assert resumed.total_variation == pytest.approx(whole.total_variation, abs=1e-5)


def test_a_queue_that_is_gone(remote_model: Remote) -> None:
    model = remote_model("tiny-llama")
    trace = sw.trace(model, PROMPT)
    rig.stop_one("redis", signal.SIGKILL)
    try:
        with pytest.raises(sw.errors.ServerUnreachableError, match="does not answer as it should"):
            trace.evaluate([0.5])
    finally:
        rig.stop_one("api")
        rig.start_one("redis")
        rig.start_one("api")
    assert trace.evaluate([1.0]).total_variation[0] == pytest.approx(0, abs=1e-5)


# Secrets.


def test_the_key_is_written_nowhere(
    remote_model: Remote, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    model = remote_model("tiny-olmo2")
    trace = sw.trace(model, PROMPT)
    explorer = trace.explore()
    explorer.toggles = {"1": "off"}
    explorer.save_session(tmp_path / "session.json")
    trace.to_html(tmp_path / "page.html")
    sw.submit(model, PROMPT).save(tmp_path / "job.json")
    code = json.dumps(explorer.code())
    traits = json.dumps(explorer.get_state(), default=repr)
    shown = [code, traits, repr(model), repr(model.server), model.describe(), caplog.text, *capfd.readouterr()]
    shown += [file.read_text() for file in tmp_path.iterdir()]
    assert len(shown) == 11
    assert not [text[:100] for text in shown if rig.TRUSTED_KEY in text]
    explorer.close()


def test_threads_may_ask_at_once(remote_model: Remote) -> None:
    """A widget's worker and a cell share a model."""
    errors = errors_of_threads(sw.trace(remote_model("tiny-llama"), PROMPT))
    assert np.allclose(errors, [0, 0, 0], atol=1e-5)


def until(holds: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def delete(key: str) -> None:
    """Remove an object from the server's store."""
    rig.command(str(rig.PYTHON), "-c", DELETE, key, env=rig.environment())


def evict(name: str) -> None:
    """Have the server let go of a model. Its own client may not come up in the time that Ray gives it; then again."""
    for last in (False, False, True):
        try:
            rig.command(str(rig.PYTHON), "-c", EVICT, f"loopback/{name}", env=rig.environment())
            break
        except subprocess.CalledProcessError:
            if last:
                raise
    until(lambda: f"loopback/{name}" not in server_at(rig.URL, patience=PATIENCE).served())
