"""A hundred rounds of opening and closing in a real kernel: widgets, comms, threads, descriptors and memory stay.

A round opens an Explorer with a session file, views on it and one with a session of its own, links them, moves,
switches, and closes all; each tenth sends a job, listens to it, and closes an Explorer while its server works. The
first rounds warm up: compiled code and caches come with them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.host

WARM, ROUNDS = 20, 100
"""Rounds before memory is looked at, and after which it is looked at again."""
GROWN = 400
"""Objects that there may be more after all rounds: five a round."""
RESIDENT = 24 << 20
"""Bytes that the process may have more: the allocator keeps pages of its own."""

KERNEL = """
import asyncio, gc, json, os, sys, threading
sys.path.insert(0, {tests!r})
os.environ["NDIF_API_KEY"] = "none"
import comm, ipywidgets, mock_ndif, tiny_models
from dataclasses import replace
from nnsight.modeling import huggingface
from nnsight.modeling.transformers import TransformersModel
import strace_widgets as sw
from ipywidgets.widgets.widget import _instances
from strace_widgets.explorer.worker import worker
from strace_widgets.remote.stages import listening

folder = {folder!r}
tiny_models.tiny().save_pretrained(folder + "/tiny")
tiny_models.words().save_pretrained(folder + "/tiny")
name = folder + "/tiny"
huggingface._ID_CACHE[name] = name
ndif = mock_ndif.MockNDIF(TransformersModel(name, task="text-generation", dispatch=True), name, stages=())
remote = sw.load_model(name, remote=mock_ndif.URL, client=ndif.client)
model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
VIEWS = (sw.SizeSlider, sw.CurveView, sw.FormingView, sw.GraphView, sw.TopKView, sw.LayerView, sw.TokenView)
KINDS = sw.Explorer, sw.STrace
rounds = 0

async def until(condition):
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("the widget did not answer")

async def settled(explorer):
    await until(lambda: explorer.status["state"] != "running")
    assert explorer.status["state"] == "ready", explorer.status

async def round_of_all():
    global rounds
    rounds += 1
    trace = sw.trace(model, "w5 w17 w3 w88")
    explorer = trace.explore(folder + "/session.json") if rounds > 1 else trace.explore()
    views = [VIEWS[(rounds + number) % len(VIEWS)](explorer) for number in range(3)]
    alone = VIEWS[rounds % len(VIEWS)](trace)  # with a session of its own, that nobody sees
    slider = ipywidgets.IntSlider(min=1, max=trace.n_edges, value=5)
    ipywidgets.link((slider, "value"), (explorer, "n_edges"))
    ipywidgets.jslink((slider, "value"), (alone, "n_edges"))
    await settled(explorer)
    slider.value = 7 + rounds % 20
    explorer.toggles = {{"1.2": "off"}}
    explorer._messages.hear({{"id": "1", "kind": "compare", "names": ["l2"]}})
    await settled(explorer)
    assert explorer.evaluation["n_edges"] == slider.value and explorer.curves
    explorer.save_session(folder + "/session.json")
    away = None
    if rounds % 10 == 0:
        heard = []
        with listening(heard.append):
            away = sw.submit(remote, "w5 w17 w3").result().explore()
        assert heard
    how = rounds % 3
    if how == 0:
        explorer.close()
    elif how == 1:
        message = {{"content": {{"comm_id": explorer.model_id, "data": {{}}}}}}
        comm.get_comm_manager().comm_close(None, None, message)
    else:
        explorer.comm.close()
    if away is not None:
        away.close()
    alone.close(), slider.close(), slider.layout.close(), slider.style.close()
    assert all(view.comm is None for view in (explorer, *views, alone, alone.explorer))
    await asyncio.get_running_loop().run_in_executor(worker, int)
    ndif.jobs.clear(), ndif.store.clear(), ndif.asked.clear()

async def many(n):
    for _ in range(n):
        await round_of_all()

def held():
    gc.collect()
    objects = gc.get_objects()
    explorers = sum(issubclass(each, KINDS) for each in map(type, objects))
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return json.dumps(dict(
        widgets=len(_instances), comms=len(comm.get_comm_manager().comms), threads=threading.active_count(),
        descriptors=len(os.listdir("/proc/self/fd")), explorers=explorers, objects=len(objects), resident=resident,
    ))
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Any]:
    """A kernel; call it with a cell, and it returns the cell's last value as text."""
    manager, client = start_new_kernel()

    def run(cell: str) -> str:
        values: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            if message["msg_type"] == "execute_result":
                values.append(message["content"]["data"]["text/plain"])

        done = client.execute_interactive(cell, timeout=300, output_hook=hear)
        assert done["content"]["status"] == "ok", done["content"]
        return "".join(values)

    try:
        run(KERNEL.format(tests=str(Path(__file__).parent), folder=str(tmp_path)))
        yield run
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_hundred_rounds_leave_nothing(kernel: Any) -> None:
    def held() -> dict[str, int]:
        found: dict[str, int] = json.loads(kernel("held()").strip("'"))
        return found

    kernel(f"await many({WARM})")
    before = held()
    kernel(f"await many({ROUNDS - WARM})")
    after = held()
    print(f"\n{ROUNDS} rounds: {before} -> {after}")
    for name in ("widgets", "comms", "threads", "explorers"):
        assert after[name] == before[name], name
    assert after["explorers"] == 0
    assert after["descriptors"] <= before["descriptors"]
    assert after["objects"] - before["objects"] < GROWN
    assert after["resident"] - before["resident"] < RESIDENT
