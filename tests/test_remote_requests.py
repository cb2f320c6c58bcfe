"""A request to a server, from the call to the answer: what goes up, what is told on the way, what comes down."""

from __future__ import annotations

import io
import logging
import pickle
import platform
import threading
import zipfile
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import mock_ndif
import numpy as np
import pytest
import torch
import zstandard
from conftest import PROMPT
from mock_ndif import KEY, MockNDIF, PassingTime
from nnsight import CONFIG
from remote_steps import errors_of_threads

import strace_widgets as sw
from strace_widgets.errors import CancelledError, RemoteError
from strace_widgets.model import request_estimates as estimates
from strace_widgets.remote.server import Traffic
from strace_widgets.remote.stages import Stage, listening

CLOSE = 1e-5


def same_trace(found: sw.STrace, expected: sw.STrace) -> None:
    """Check weights, and the order of the edges: those whose weights are a rounding apart may change places."""
    traces = (found, expected)
    theirs, ours = (np.concatenate([kind.ravel() for kind in trace.weights]) for trace in traces)
    assert theirs == pytest.approx(ours, rel=CLOSE, abs=CLOSE)
    ranks = (np.concatenate([kind.ravel() for kind in trace.ranks]) for trace in traces)
    first, second = (ours[rank.argsort()[: expected.n_edges]] for rank in ranks)
    assert first == pytest.approx(second, rel=10 * CLOSE, abs=CLOSE)


# The numbers.


@pytest.mark.parametrize("importance", ["l1", "l2", "projection", "fisher", "rescored", "eap", "eap-ig"])
def test_a_model_on_a_server_gives_the_numbers_of_one_here(remote_tiny: Any, tiny: Any, importance: str) -> None:
    same_trace(sw.trace(remote_tiny, PROMPT, importance), sw.trace(tiny, PROMPT, importance))
    assert remote_tiny.server.traffic.requests == (3 if importance == "rescored" else 1)


def test_a_trace_a_sweep_and_a_switch_are_one_request_each(remote_tiny: Any, tiny: Any) -> None:
    trace, twin, toggles = sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT), {"1.2": "off", "0.mlp": "on"}
    assert remote_tiny.server.traffic.requests == 1
    grid = twin.evaluate(twin.standard_sizes())  # all at once: each round would wait in the queue
    assert trace.sweep().total_variation == pytest.approx(grid.total_variation, abs=CLOSE)
    assert remote_tiny.server.traffic.requests == 2
    ours = twin.evaluate([0.2], toggles, masks="mlp+residual")
    theirs = trace.evaluate([0.2], toggles, masks="mlp+residual")
    assert theirs.total_variation == pytest.approx(ours.total_variation, abs=CLOSE)
    assert remote_tiny.server.traffic.requests == 3


def test_the_reference_means_come_down_once_and_go_up_again(ndif: MockNDIF, tiny: Any) -> None:
    remote_tiny = sw.load_model(ndif.name, remote=mock_ndif.URL, client=ndif.client)
    trace, twin = sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT)
    requests = [remote_tiny.server.traffic.requests]
    for sizes in ([0.1, 0.4], [0.7]):
        ours = twin.evaluate(sizes, ablation="mean").total_variation
        assert trace.evaluate(sizes, ablation="mean").total_variation == pytest.approx(ours, abs=CLOSE)
        requests.append(remote_tiny.server.traffic.requests)
    assert np.diff(requests).tolist() == [2, 1]


def test_a_large_answer_comes_in_parts(remote_tiny: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "BYTES_AN_ANSWER", 100)
    same_trace(sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT))
    assert remote_tiny.server.traffic.requests == remote_tiny.architecture.n_layers


def test_half_precision_is_nearly_the_same_in_fewer_bytes(remote_tiny: Any) -> None:
    half = replace(remote_tiny, server=replace(remote_tiny.server, precision="float16", traffic=Traffic()))
    prompt = list(range(2, 30))  # long enough for the arrays to outweigh their wrapping
    trace, rough = sw.trace(remote_tiny, prompt), sw.trace(half, prompt)
    assert half.server.traffic.bytes_down < 0.75 * remote_tiny.server.traffic.bytes_down
    assert np.abs(trace.weights.attention - rough.weights.attention).max() < 1e-3


def test_threads_may_ask_at_once(remote_tiny: Any) -> None:
    """A widget's worker and a cell share a model."""
    assert errors_of_threads(sw.trace(remote_tiny, PROMPT)) == pytest.approx([0, 0, 0], abs=CLOSE)


# What goes up.


def test_a_job_is_posted_with_its_envelope_and_the_versions_here(remote_tiny: Any, ndif: MockNDIF) -> None:
    sw.trace(remote_tiny, PROMPT)
    (request,) = ndif.posted
    envelope, blob = mock_ndif.parts(request)
    sent = httpx.Response(200, content=envelope).json()
    assert ndif.name in sent["model_key"]
    assert sent["compress"] is True
    assert sent["env"] == remote_tiny.nnsight._remoteable_get_env()
    assert blob.startswith(zstandard.FRAME_HEADER)
    assert remote_tiny.server.traffic.bytes_up == len(blob)
    headers = request.headers
    assert headers["nnsight-version"] == version("nnsight")
    assert headers["python-version"] == platform.python_version()
    assert float(headers["ndif-timestamp"]) > 1.7e9


def test_the_key_goes_to_the_server_in_one_header_and_nowhere_else(
    remote_tiny: Any,
    ndif: MockNDIF,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    trace = sw.trace(remote_tiny, PROMPT)
    job = sw.submit(remote_tiny, PROMPT)
    job.save(tmp_path / "job.json")
    trace.to_html(tmp_path / "page.html")
    asked = {request.url.host: request.headers.get("ndif-api-key") for request in ndif.asked}
    assert asked == {"ndif.test": KEY, "store.test": None}
    bodies = [zstandard.ZstdDecompressor().decompress(mock_ndif.parts(request)[1]) for request in ndif.posted]
    shown = [
        repr(remote_tiny),
        repr(remote_tiny.server),
        repr(job),
        repr(trace),
        remote_tiny.describe(),
        caplog.text,
        *capfd.readouterr(),
    ]
    shown += [str(body) for body in bodies] + [mock_ndif.parts(request)[0] for request in ndif.posted]
    shown += [str(request.url) for request in ndif.asked]
    shown += [file.read_text(encoding="utf-8") for file in tmp_path.iterdir()]
    assert not [text[:100] for text in shown if KEY in text]


def test_the_key_is_nnsights_own_where_the_environment_has_none(
    remote_tiny: Any, ndif: MockNDIF, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NDIF_API_KEY")
    for key in ("kept-by-nnsight", ""):
        monkeypatch.setattr(CONFIG.API, "APIKEY", key)
        remote_tiny.server.get("/status")
        assert ndif.asked[-1].headers.get("ndif-api-key", "") == key


# The stages on the way.


def test_every_stage_is_told_with_the_servers_words(remote_tiny: Any, ndif: MockNDIF) -> None:
    ndif.stages = (("QUEUED", mock_ndif.QUEUED), ("QUEUED", mock_ndif.QUEUED), ("RUNNING", "It runs."))
    told: list[Stage] = []
    with listening(told.append):
        sw.trace(remote_tiny, PROMPT)
    assert [stage.name for stage in told] == ["received", "queued", "queued", "running", "completed"]
    assert told[1] == Stage("queued", mock_ndif.QUEUED, "job-1")
    sw.trace(remote_tiny, PROMPT)
    assert len(told) == 5, "nobody listens any more"


def test_another_thread_does_not_hear_of_it(remote_tiny: Any) -> None:
    told: list[Stage] = []
    with listening(told.append):
        thread = threading.Thread(target=sw.trace, args=(remote_tiny, PROMPT))
        thread.start()
        thread.join()
    assert remote_tiny.server.traffic.requests == 1
    assert told == []


def test_what_a_listener_raises_ends_the_waiting_and_not_the_job(remote_tiny: Any, ndif: MockNDIF) -> None:
    def give_up(stage: Stage) -> None:
        if stage.name == "running":
            raise CancelledError

    with listening(give_up), pytest.raises(CancelledError):
        sw.trace(remote_tiny, PROMPT)
    assert remote_tiny.server.get("/response/job-1").json()["status"] == "COMPLETED"
    assert len(ndif.posted) == 1


def test_the_stage_is_asked_for_ever_more_slowly(remote_tiny: Any, ndif: MockNDIF, passing: PassingTime) -> None:
    ndif.stages = (("QUEUED", mock_ndif.QUEUED),) * 40
    waits: list[float] = []
    slept = passing.sleep
    clock = replace(passing.clock, sleep=lambda seconds: (waits.append(seconds), slept(seconds)))
    sw.trace(replace(remote_tiny, server=replace(remote_tiny.server, clock=clock)), PROMPT)
    assert len(waits) == 41
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (0.05, 2.0)


# What comes down.


@pytest.mark.parametrize("compress", [True, False])
def test_an_answer_is_read_compressed_or_not(
    remote_tiny: Any, tiny: Any, ndif: MockNDIF, monkeypatch: pytest.MonkeyPatch, *, compress: bool
) -> None:
    monkeypatch.setattr(CONFIG.API, "COMPRESS", compress)
    same_trace(sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT))
    (answer,) = ndif.store.values()
    assert answer.startswith(zstandard.FRAME_HEADER) is compress
    assert remote_tiny.server.traffic.bytes_down == len(answer)


def test_an_answer_may_be_compressed_without_its_size(remote_tiny: Any, ndif: MockNDIF) -> None:
    def streamed(request: httpx.Request) -> httpx.Response | None:
        if "/store/" not in request.url.path:
            return None
        whole = zstandard.ZstdDecompressor().decompress(ndif.store[request.url.path.rpartition("/")[2]])
        compressor = zstandard.ZstdCompressor().compressobj()
        return httpx.Response(200, content=compressor.compress(whole) + compressor.flush())

    ndif.before.append(streamed)
    assert sw.trace(remote_tiny, PROMPT).n_edges > 0


class Hostile:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.write_text, (self.path, "done")


def saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


HOSTILE = (
    *("a program", "a pickle", "a list", "cut off", "cut off after unpacking", "a page", "nothing", "nothing in it"),
    *(
        "much of nothing",
        "one value many times",
        "no values",
        "hardly any values",
        "values twice packed",
        "the old form",
    ),
)


def deflated(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    return packed.getvalue()


def of_the_old_form(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=False)
    return buffer.getvalue()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")  # torch's own, on its way to refuse it
@pytest.mark.parametrize("kind", HOSTILE)
def test_an_answer_that_is_none_is_refused_and_nothing_in_it_is_run(
    remote_tiny: Any, ndif: MockNDIF, tmp_path: Path, kind: str
) -> None:
    mark = tmp_path / "mark"
    whole = saved({"found": torch.zeros(100)})
    answers = {
        "a program": saved({"found": Hostile(mark)}),
        "a pickle": pickle.dumps({"found": Hostile(mark)}),
        "a list": saved([torch.zeros(2)]),
        "cut off": zstandard.compress(whole)[:-20],
        "cut off after unpacking": zstandard.compress(whole[:-200]),
        "a page": b"<html>Sign in to go on</html>",
        "nothing": b"",
        "nothing in it": saved({}),
        "much of nothing": zstandard.compress(saved({"found": torch.zeros(10_000_000)})),
        "one value many times": saved({"found": torch.zeros(1).expand(10**9)}),
        "no values": saved({"found": torch.empty(10**9, device="meta")}),
        "hardly any values": saved({"found": torch.zeros(10**3, 10).to_sparse()}),
        "values twice packed": deflated(saved({"found": torch.zeros(10_000)})),
        "the old form": of_the_old_form({"found": torch.zeros(100)}),
    }
    assert max(map(len, answers.values())) < 10_000
    remote_tiny = replace(remote_tiny, server=replace(remote_tiny.server, limit=1e6))
    ndif.before.append(
        lambda request: httpx.Response(200, content=answers[kind]) if "/store/" in request.url.path else None
    )
    with pytest.raises(
        RemoteError, match=r"^The answer of job job-1 .* could not be read .*Send it again\.$"
    ) as raised:
        sw.trace(remote_tiny, PROMPT)
    assert not mark.exists()
    assert "weights_only" not in str(raised.value), "no advice to run it all the same"
