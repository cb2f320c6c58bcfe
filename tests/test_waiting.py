"""What is said to a person who waits: on a terminal and in a cell, gone in the end; nothing to a program."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import termios
import time
from typing import Any

import nbclient
import nbformat
import pytest
from conftest import ROOT
from jupyter_client.manager import start_new_kernel

from strace_widgets import waiting

REAL = """
import strace_widgets as sw
from strace_widgets import waiting
waiting.DELAY, waiting.EVERY = 0, 0.02
model = sw.load_model()
sw.trace(model, "The capital of France is " * 20)
"""
STAGES = ["loading SmolLM2-135M-Instruct", "checking the graph against", "capturing the edges of 1"]

SLOW = """
import time
from strace_widgets import waiting
waiting.DELAY, waiting.EVERY = 0.01, 0.02
with waiting.saying("first"):
    time.sleep(0.2)
    waiting.say("second")
    time.sleep(0.2)
with waiting.saying("third"):
    time.sleep(0.2)
"""


def on_terminal(code: str) -> tuple[str, bytes]:
    """Run a program whose standard error is a terminal; return what it wrote there, and to standard output."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    program = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    said = b""
    while True:
        try:
            said += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    output, _ = program.communicate()
    os.close(ours)
    return said.decode(), output


def test_a_terminal_is_told_and_is_clean_afterwards() -> None:
    said, output = on_terminal(REAL)
    for stage in STAGES:
        assert stage in said
    assert re.search(r"capturing the edges of 1\d\d tokens … \d+ s", said)
    *_, last, end = said.split("\r")
    assert (last.strip(), end) == ("", "")  # the line is blank, and the cursor at its beginning
    assert output == b""


def test_a_pipe_is_told_nothing() -> None:
    ran = subprocess.run([sys.executable, "-c", SLOW], check=True, cwd=ROOT, capture_output=True)
    assert (ran.stdout, ran.stderr) == (b"", b"")


def cell_outputs(code: str, *, person: bool) -> list[Any]:
    """Run a cell in a kernel, as a person's Jupyter or a program does; return what comes out, in order."""
    manager, client = start_new_kernel(cwd=str(ROOT))
    try:
        asked = client.execute(code, allow_stdin=person)
        said = []
        while True:
            message = client.get_iopub_msg(timeout=120)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return said
            if message["msg_type"] in {"display_data", "update_display_data", "stream", "error"}:
                said.append((message["msg_type"], message["content"]))
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_a_cell_is_told_and_keeps_nothing_of_it() -> None:
    said = cell_outputs(SLOW, person=True)
    texts = [content["data"].get("text/plain", "") for kind, content in said]
    assert [text.partition(" ")[0] for text in dict.fromkeys(texts)] == ["first", "second", "", "third"]
    assert {kind for kind, _ in said} == {"display_data", "update_display_data"}
    assert len({content["transient"]["display_id"] for _, content in said}) == 1
    assert said[-1][1]["data"] == {"text/html": ""}


def test_a_notebook_that_a_program_runs_is_told_nothing() -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(SLOW)])
    nbclient.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT)}}).execute()
    assert notebook.cells[0].outputs == []


def test_what_is_quick_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(waiting, "_place", lambda: lambda: opened.append(1) or Shown())
    with waiting.saying("first"):
        pass
    assert opened == []
    monkeypatch.setattr(waiting, "DELAY", 0.01)
    monkeypatch.setattr(waiting, "EVERY", 0.01)
    Shown.said = []
    with waiting.saying("first"):
        time.sleep(0.1)
        with waiting.saying("second"), waiting.saying("third"):  # no line of their own
            time.sleep(0.1)
    with waiting.silent(), waiting.saying("fourth"):
        time.sleep(0.05)
    assert opened == [1]
    assert [text.partition(" ")[0] for text in dict.fromkeys(Shown.said)] == ["first", "third", "gone"]


class Shown:
    said: list[str] = []  # noqa: RUF012 - of all lines, in order

    def show(self, text: str) -> None:
        self.said.append(text)

    def clear(self) -> None:
        self.said.append("gone")


def test_amounts_are_read_at_a_glance() -> None:
    assert [waiting.amount(n, "edges") for n in (5, 12_612, 2_240_000)] == ["5 edges", "12,612 edges", "2.2 M edges"]
