"""What can fail between here and a server: each failure with its type, its sentence and the server's own words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import mock_ndif
import pytest
from conftest import PROMPT
from mock_ndif import KEY, MockNDIF, PassingTime
from nnsight import CONFIG

import strace_widgets as sw
from strace_widgets import errors
from strace_widgets.explorer.code_export import programs
from strace_widgets.graph.modes import Modes
from strace_widgets.interventions.gradients import REFUSED
from strace_widgets.remote.server import Server, server_at
from strace_widgets.remote.stages import Stage, listening

TRACEBACK = "Traceback (most recent call last):\n  File 'capture.py', line 3, in capture\nRuntimeError: {}"
PAYLOAD = (
    "Your request payload could not be read (ValueError: bad marshal data). It may be truncated or corrupted in "
    "transit, or compressed differently than the request declared. Re-sending it usually resolves this; if it "
    "persists, check that the client and server nnsight versions match."
)
LAYOUT = (
    "The model architecture on this server doesn't match the one your code was traced against: it has no module at "
    "'model.layers.0'.\n\nThis usually means the package versions differ between your machine and the server."
)
AGAIN = "Please try again later. Sorry for the inconvenience."


class Words(NamedTuple):
    """What a server says, and what is made of it."""

    text: str
    error: type[errors.RemoteError]
    sentence: str


GIVEN_UP = (
    Words(
        f"Error provisioning model. {AGAIN}", errors.ModelNotServedError, r"does not run tiny and .* It runs .*tiny\."
    ),
    Words(f"Error starting model. {AGAIN}", errors.ModelNotServedError, r"could not start it: Error starting model"),
    Words("Could not deploy this model. It is gated.", errors.ModelNotServedError, r"it: .*gated\. It runs .*tiny\.$"),
    Words(PAYLOAD, errors.VersionMismatchError, r"do not understand each other: .*The server says: Your request"),
    Words(LAYOUT, errors.VersionMismatchError, r"Install the server's versions here\. .*The model architecture"),
    Words("Your job exceeded the execution timeout of 60s.", errors.RemoteTimeoutError, r"of 60s\. Use a shorter"),
    Words(TRACEBACK.format(REFUSED), errors.GradientsRefusedError, r"no gradients.*'fisher'.*Choose another measure"),
    Words("Your job was cancelled or preempted by the server.", errors.JobCancelledError, r"gave the job up: .*Try"),
    Words("Request cancelled by operator.", errors.JobCancelledError, r"Request cancelled by operator\. Try again"),
    Words(TRACEBACK.format("too hot"), errors.RemoteRunError, r"^The job failed on \S+: RuntimeError: too hot$"),
    Words(TRACEBACK.format("cancelled"), errors.RemoteRunError, r"RuntimeError: cancelled$"),
    Words("", errors.RemoteRunError, r"no reason given\.$"),
)


@pytest.mark.parametrize("words", GIVEN_UP, ids=lambda words: words.error.__name__)
def test_a_job_that_the_server_gives_up(remote_tiny: Any, ndif: MockNDIF, words: Words) -> None:
    trace = sw.trace(remote_tiny, PROMPT)
    ndif.failure = words.text
    for ask in (lambda: trace.evaluate([0.5]), lambda: sw.submit(remote_tiny, PROMPT).result()):
        with pytest.raises(words.error, match=words.sentence) as raised:
            ask()
        assert type(raised.value) is words.error
        assert raised.value.text == words.text
        assert "\n" not in str(raised.value)
    ndif.failure = None
    assert trace.evaluate([1.0]).total_variation[0] == pytest.approx(0, abs=1e-5), "what was there is as it was"


REFUSED_AT_ONCE = {
    401: Words(
        "Missing or invalid API key. Please visit https://login.ndif.us/ to create a new one.",
        errors.MissingKeyError,
        r"wants an API key, and there is none\..*NDIF_API_KEY",
    ),
    403: Words("Invalid API key.", errors.WrongKeyError, r"does not know your API key"),
    400: Words(
        f"Client nnsight version {version('nnsight')} is below the minimum supported 99.0. Please upgrade.",
        errors.VersionMismatchError,
        rf"nnsight here is {version('nnsight')}.*minimum supported 99\.0",
    ),
    413: Words("Request Entity Too Large", errors.RequestTooLargeError, r"larger than http://ndif\.test takes"),
    422: Words("Invalid JSON: 1", errors.RemoteError, r"refused the request \(422\): Invalid JSON: 1"),
}


@pytest.mark.parametrize("code", REFUSED_AT_ONCE)
def test_a_request_that_the_server_does_not_take(remote_tiny: Any, ndif: MockNDIF, code: int) -> None:
    words = REFUSED_AT_ONCE[code]
    ndif.before.append(at("/request", httpx.Response(code, json={"detail": words.text})))
    with pytest.raises(words.error, match=words.sentence) as raised:
        sw.trace(remote_tiny, PROMPT)
    assert type(raised.value) is words.error
    assert raised.value.text == words.text
    assert remote_tiny.server.traffic.requests == 0
    assert len(ndif.posted) == 1, "a refusal is not asked for again"


def test_every_remote_error_of_the_package_is_raised_here() -> None:
    """The others have a test of their own below."""
    below = {errors.ServerUnreachableError, errors.ServerLostError, errors.ResultLostError}
    raised = {words.error for words in (*GIVEN_UP, *REFUSED_AT_ONCE.values())}
    known = {one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.RemoteError)}
    assert raised | below == known


# Keys.


def test_a_wrong_key_that_the_server_repeats_is_repeated_no_further(remote_tiny: Any, ndif: MockNDIF) -> None:
    detail = f"Invalid API key format: '{KEY}'. API keys must be in the format: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx."
    ndif.before.append(lambda _: httpx.Response(400, json={"detail": detail}))
    with pytest.raises(errors.WrongKeyError, match="does not know your API key") as raised:
        sw.trace(remote_tiny, PROMPT)
    error = raised.value
    assert "(your key)" in error.text
    assert KEY not in f"{error} {error.text} {error.__cause__!r} {error.__context__!r}"


def test_a_failed_job_that_repeats_the_key_does_not_show_it(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.stages, ndif.failure = (("QUEUED", f"{KEY} is number 3"),), TRACEBACK.format(KEY)
    told: list[Stage] = []
    with listening(told.append), pytest.raises(errors.RemoteRunError, match=r"RuntimeError: \(your key\)") as raised:
        sw.trace(remote_tiny, PROMPT)
    assert KEY not in f"{raised.value.text} {told}"


def test_a_silent_server_that_repeats_the_key_does_not_show_it(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.before.append(lambda _: httpx.Response(503, text=f"no room for {KEY}"))
    with pytest.raises(errors.ServerUnreachableError, match=r"no room for \(your key\)") as raised:
        sw.trace(remote_tiny, PROMPT)
    assert KEY not in f"{raised.value.text} {raised.value.__context__!r}"


def test_the_public_service_is_not_asked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONFIG.API, "APIKEY", "")
    monkeypatch.delenv("NDIF_API_KEY", raising=False)
    with pytest.raises(errors.MissingKeyError, match=r"api\.ndif\.us wants an API key"):
        server_at("https://api.ndif.us")


# Patience.


def down(_: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("[Errno 111] Connection refused")


def at(path: str, response: httpx.Response) -> Callable[[httpx.Request], httpx.Response | None]:
    """Answer so to what asks for a path."""
    return lambda request: response if request.url.path.startswith(path) else None


SILENT = {
    "down": (down, r"\(ConnectError: \[Errno 111\] Connection refused\)"),
    "reconnecting": (at("/", httpx.Response(503, json={"detail": "compute backend is reconnecting"})), r"reconnecting"),
    "broken": (at("/", httpx.Response(500, json={"detail": "Internal server error."})), r"Internal server error\."),
    "a proxy's page": (at("/", httpx.Response(502, text="<h1>Bad Gateway</h1>")), r"Bad Gateway"),
    "no words": (at("/", httpx.Response(504)), r"status 504"),
}


@pytest.mark.parametrize("kind", SILENT)
def test_a_silent_server_is_asked_again_until_patience_ends(
    remote_tiny: Any, ndif: MockNDIF, passing: PassingTime, kind: str
) -> None:
    answer, words = SILENT[kind]
    ndif.before.append(answer)
    with pytest.raises(errors.ServerUnreachableError, match=rf"{words}.*asked for 30 s\. Is it running, and") as raised:
        sw.trace(remote_tiny, PROMPT)
    assert raised.value.text
    assert 28 < passing.seconds <= remote_tiny.server.patience
    assert 10 < len(ndif.posted) < 30, "ever more slowly"


def test_a_server_that_comes_back_in_time_is_not_missed(remote_tiny: Any, ndif: MockNDIF, passing: PassingTime) -> None:
    ndif.before.append(lambda request: down(request) if passing.seconds < 5 else None)
    assert sw.trace(remote_tiny, PROMPT).n_edges > 0
    assert remote_tiny.server.traffic.requests == 1


def test_a_server_lost_while_a_job_runs(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.before.append(lambda request: down(request) if request.url.path.startswith("/response") else None)
    with pytest.raises(
        errors.ServerLostError, match=r"stopped answering while job job-1 was received\. What you"
    ) as raised:
        sw.trace(remote_tiny, PROMPT)
    assert "Connection refused" in raised.value.text


def test_a_queue_that_is_gone_behind_a_store_that_still_answers(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.stages = (("QUEUED", mock_ndif.QUEUED),) * 10_000
    ndif.before.append(at("/connected", httpx.Response(503, json={"detail": "reconnecting"})))
    with pytest.raises(errors.ServerLostError, match=r"while job job-1 was queued"):
        sw.trace(remote_tiny, PROMPT)


def test_a_long_queue_is_waited_in_until_the_time_is_up(remote_tiny: Any, ndif: MockNDIF, passing: PassingTime) -> None:
    ndif.stages = (("QUEUED", mock_ndif.QUEUED),) * 10_000
    with pytest.raises(
        errors.RemoteTimeoutError, match=r"still queued after 3600 s\. Added to Queue at position 1\. Wait"
    ):
        sw.trace(remote_tiny, PROMPT)
    assert remote_tiny.server.timeout < passing.seconds < remote_tiny.server.timeout + 3
    asked = sum(request.url.path == "/connected" for request in ndif.asked)
    assert 100 < asked < 120, "whether the queue still runs is asked once in `patience` seconds"


def test_a_job_takes_no_longer_than_its_own_time(remote_tiny: Any, ndif: MockNDIF, passing: PassingTime) -> None:
    ndif.stages = (("QUEUED", mock_ndif.QUEUED),) * 10_000
    hasty = replace(remote_tiny, server=replace(remote_tiny.server, timeout=0.0))
    with pytest.raises(errors.RemoteTimeoutError, match="after 0 s"):
        sw.trace(hasty, PROMPT)
    before = passing.seconds
    with pytest.raises(errors.RemoteTimeoutError, match="after 7 s"):
        sw.submit(remote_tiny, PROMPT).result(timeout=7)
    assert 7 < passing.seconds - before < 10


@pytest.mark.parametrize(("path", "code"), [("/request", 200), ("/request", 404), ("/response", 200)])
@pytest.mark.parametrize("body", ["<html>\n<title>Jupyter Server</title>", "[]", '{"detail": "no such page"}', ""])
def test_something_else_than_an_ndif_at_the_address(
    remote_tiny: Any, ndif: MockNDIF, body: str, path: str, code: int
) -> None:
    ndif.before.append(at(path, httpx.Response(code, text=body)))
    with pytest.raises(
        errors.RemoteError, match=r"does not answer as an NDIF server does .*Is the address right\?$"
    ) as raised:
        sw.trace(remote_tiny, PROMPT)
    assert raised.value.text == body


# Results.


def losing(ndif: MockNDIF, times: int) -> Callable[[httpx.Request], httpx.Response | None]:
    """Lose the next answers."""
    lost: list[str] = []

    def lose(request: httpx.Request) -> httpx.Response | None:
        name = request.url.path.rpartition("/")[2]
        if name in ndif.store and len(lost) < times:
            lost.append(name)
            del ndif.store[name]
        return None

    return lose


def test_a_result_that_is_lost_is_asked_for_once_more(remote_tiny: Any, tiny: Any, ndif: MockNDIF) -> None:
    trace, twin = sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT)
    ndif.before.append(losing(ndif, 1))
    theirs, ours = trace.evaluate([0.3]).total_variation, twin.evaluate([0.3]).total_variation
    assert theirs == pytest.approx(ours, abs=1e-5)
    assert remote_tiny.server.traffic.requests == 3


def test_a_result_that_is_lost_twice_is_an_error(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.before.append(losing(ndif, 2))
    with pytest.raises(errors.ResultLostError, match=r"Job job-2 is done, but .* no longer has its result") as raised:
        sw.trace(remote_tiny, PROMPT)
    assert "Signature" not in f"{raised.value} {raised.value.text}"
    assert raised.value.__suppress_context__, "a traceback would show the address, which is signed"
    assert remote_tiny.server.traffic.requests == 2


def test_a_job_that_the_server_has_never_heard_of(remote_tiny: Any, ndif: MockNDIF, passing: PassingTime) -> None:
    job = sw.submit(remote_tiny, PROMPT)
    ndif.jobs.clear()
    assert job.status == "received"
    with pytest.raises(errors.ResultLostError, match=r"knows nothing of job job-1 any more\. Send it again"):
        job.result()
    assert passing.seconds > remote_tiny.server.patience, "a queue may need a moment for its first word"


def test_a_job_that_was_heard_of_and_is_gone(remote_tiny: Any, ndif: MockNDIF, passing: PassingTime) -> None:
    job = sw.submit(remote_tiny, PROMPT)

    def forget(stage: Stage) -> None:
        if stage.name == "running":
            ndif.jobs.clear()

    with listening(forget), pytest.raises(errors.ResultLostError, match="knows nothing of job job-1"):
        job.result()
    assert passing.seconds < 1


# Models and versions.


def test_the_models_that_run_are_named_if_the_server_says_so(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.failure = f"Error starting model. {AGAIN}"
    level = {"HOT": "It runs org/big, org/small.", "COLD": "It runs no model at present."}
    for name, sentence in level.items():
        up = {
            str(index): {"repo_id": one, "deployment_level": name} for index, one in enumerate(("org/small", "org/big"))
        }
        ndif.before[:] = [at("/status", httpx.Response(200, json={"deployments": up}))]
        with pytest.raises(errors.ModelNotServedError, match=sentence):
            sw.trace(remote_tiny, PROMPT)
    ndif.before[:] = [at("/status", httpx.Response(403, json={"detail": "Not for you."}))]
    with pytest.raises(errors.ModelNotServedError, match=r"Choose another model\.$"):
        sw.trace(remote_tiny, PROMPT)


def test_a_password_in_an_address_goes_to_the_server_and_nowhere_else(
    remote_tiny: Any, ndif: MockNDIF, tmp_path: Path
) -> None:
    server = server_at("http://me:p%40ss@ndif.test:80/door/", client=ndif.client)
    assert (server.url, server.login) == ("http://ndif.test:80/door", ("me", "p@ss"))
    assert server_at(server.address).login == server.login
    assert "p@ss" not in repr(server)
    assert "p%40ss" not in repr(server)
    held = replace(remote_tiny, server=replace(remote_tiny.server, login=server.login))
    job = sw.submit(held, PROMPT)
    assert ndif.asked[0].headers["authorization"] == "Basic " + b64encode(b"me:p@ss").decode()
    saved = job.save(tmp_path / "job.json").read_text(encoding="utf-8")
    shown = repr(held), repr(job), saved, *programs(job.result(), 5, {}, Modes()).values()
    assert not any(word in text for word in ("p@ss", "p%40ss") for text in shown)
    for wrong in ("ftp://me:secret@ndif.test", "http://me:secret@[ndif.test"):
        with pytest.raises(ValueError, match="address") as raised:
            server_at(wrong)
        assert "secret" not in str(raised.value)


NO_SERVER = {
    "a page": httpx.Response(200, text="<html>"),
    "deep": httpx.Response(200, text="[" * 100_000),
    "a list": httpx.Response(200, json=[]),
    "a list of models": httpx.Response(200, json={"deployments": [], "packages": []}),
    "models that are none": httpx.Response(200, json={"deployments": {"one": 1}, "packages": 1}),
    "no text": httpx.Response(200, content=b"\xff\xfe{"),
}


@pytest.mark.parametrize("kind", NO_SERVER)
def test_an_address_that_is_no_ndif_is_told(ndif: MockNDIF, kind: str) -> None:
    ndif.before.append(lambda _: NO_SERVER[kind])
    server = Server(mock_ndif.URL, client=ndif.client)
    for ask in (server.served, server.versions, lambda: server.post("{}", b"")):
        with pytest.raises(errors.RemoteError, match="does not answer as an NDIF server does"):
            ask()
    assert server.differences() == ""


@pytest.mark.parametrize("address", ["http://host:999999999", "http://[::1", "http://\ud800", "http://" + "a" * 70_000])
def test_an_address_that_is_none_is_told(address: str) -> None:
    with pytest.raises((ValueError, errors.ServerUnreachableError), match=r"address"):
        replace(server_at(address), patience=0.0).served()


def test_the_key_does_not_follow_a_server_elsewhere(remote_tiny: Any, ndif: MockNDIF) -> None:
    following = partial(ndif.client, follow_redirects=True)
    ndif.before.append(
        lambda request: (
            httpx.Response(307, headers={"location": "http://elsewhere.test/status"})
            if request.url.path == "/status"
            else None
        )
    )
    with pytest.raises(errors.RemoteError, match="does not answer as an NDIF server does"):
        replace(remote_tiny.server, client=following).served()
    assert {request.url.host for request in ndif.asked} == {"ndif.test"}


def test_versions_that_differ_are_named_with_both_machines(ndif: MockNDIF) -> None:
    server = Server(mock_ndif.URL, client=ndif.client)
    assert server.differences() == ""
    ndif.packages |= {"torch": version("torch").partition("+")[0] + "+cu999", "unknown": "1"}
    assert server.differences() == "", "a build tag makes no difference"
    ndif.packages |= {"torch": "2.0.0", "nnsight": "9.9"}
    assert server.differences() == (
        f"nnsight {version('nnsight')} here and 9.9 there, torch {version('torch')} here and 2.0.0 there"
    )


def test_loading_warns_of_versions_that_differ(ndif: MockNDIF) -> None:
    ndif.packages["transformers"] = "4.0.0"
    with pytest.warns(UserWarning, match=r"transformers .* here and 4\.0\.0 there\. If something fails there"):
        sw.load_model(ndif.name, remote=mock_ndif.URL, client=ndif.client)


def test_a_model_that_is_not_served_is_not_loaded(ndif: MockNDIF) -> None:
    ndif.failure = "Could not deploy this model. It is gated."
    with pytest.raises(errors.ModelNotServedError, match="It is gated"):
        sw.load_model(ndif.name, remote=mock_ndif.URL, client=ndif.client)


def test_what_fails_in_the_proof_is_told_of_the_architecture(ndif: MockNDIF) -> None:
    ndif.failure = TRACEBACK.format("no such module")
    with pytest.raises(errors.UnsupportedArchitectureError, match=r"could not be traced there: .*no such module"):
        sw.load_model(ndif.name, remote=mock_ndif.URL, client=ndif.client)


def test_what_cannot_be_loaded_from_a_server_is_said_before_it_is_asked(ndif: MockNDIF) -> None:
    wrong: tuple[tuple[type[Exception], str, dict[str, Any]], ...] = (
        (errors.ModelNotFoundError, "no name was given", {"source": None}),
        (errors.ModelNotFoundError, "this is a dict", {"source": {}}),
        (TypeError, "has no option device_map", {"device_map": "auto"}),
        (ValueError, "remote='ndif' is no server", {"remote": "ndif"}),
    )
    for error, sentence, options in wrong:
        with pytest.raises(error, match=sentence):
            sw.load_model(**({"source": ndif.name, "remote": mock_ndif.URL, "client": ndif.client} | options))
    assert not ndif.asked
