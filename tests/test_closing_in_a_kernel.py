"""A closed Explorer in a real kernel: closed by the front end's message, and held by what IPython keeps of a cell."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

pytestmark = pytest.mark.host

KERNEL = """
import gc, sys, weakref
sys.path.insert(0, {tests!r})
import tiny_models
import strace_widgets as sw
from ipywidgets.widgets.widget import _instances
from strace_widgets.explorer.worker import worker

model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())

def left():
    worker.submit(int).result()
    gc.collect()
    return [kept() is not None, len(_instances)]
"""
SHOW = "explorer = sw.trace(model, 'w5 w17').explore(); kept = weakref.ref(explorer); explorer"


def test_out_holds_a_closed_explorer_until_it_is_emptied() -> None:
    manager, client = start_new_kernel()
    try:

        def run(cell: str) -> str:
            """Run a cell, and return its last value as text."""
            values: list[str] = []

            def hear(message: dict[str, Any]) -> None:
                if message["msg_type"] == "execute_result":
                    values.append(message["content"]["data"]["text/plain"])

            done = client.execute_interactive(cell, timeout=60, output_hook=hear)
            assert done["content"]["status"] == "ok", done["content"]
            return "".join(values)

        def becomes(cell: str, value: str) -> None:
            """Run a cell until its last value is this: between cells the kernel hears what the worker has to say."""
            for _ in range(50):
                if run(cell) == value:
                    return
                time.sleep(0.1)
            assert run(cell) == value

        run(KERNEL.format(tests=str(Path(__file__).parent)))
        run(SHOW)
        model_id = run("explorer.model_id").strip("'")
        client.shell_channel.send(client.session.msg("comm_close", {"comm_id": model_id, "data": {}}))
        assert run("explorer.comm is None") == "True"
        run("del explorer")
        assert run("left()") == "[True, 0]"
        run("%reset -f out")
        becomes("left()", "[False, 0]")
        run(SHOW + ";")  # a semicolon, and nothing is shown or kept
        run("explorer.close(); del explorer")
        becomes("left()", "[False, 0]")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
