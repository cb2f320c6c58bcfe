"""A study that is killed again and again, and resumed, ends with the same tables as one that never stopped."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import resumed_study
from conftest import contents

KILLS = 10


def entries(folder: Path) -> int:
    parts = folder / "parts"
    return len(list(parts.iterdir())) if parts.exists() else 0


def files(folder: Path) -> int:
    try:
        return sum(1 for _ in folder.glob("parts/*/*"))
    except FileNotFoundError:  # a part was finished, and got its name, while it was looked into
        return 0


def wait_for(count: Callable[[Path], int], folder: Path, goal: int, process: BaseProcess) -> None:
    while count(folder) < goal:
        assert process.is_alive(), "it ended before it could be killed"
        time.sleep(0.001)


@pytest.mark.host
def test_ten_kills_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(0)  # noqa: S311 - moments, not secrets
    stopped, whole = tmp_path / "stopped", tmp_path / "whole"
    processes = multiprocessing.get_context("forkserver")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # where it finds what it imports once for all of them
    processes.set_forkserver_preload(["resumed_study"])

    def started() -> BaseProcess:
        process = processes.Process(target=resumed_study.run, args=(str(stopped),))
        process.start()
        return process

    parts_after = []
    for kill in range(KILLS):
        goal = entries(stopped) + draw.randint(1, 4)
        process = started()
        # An entry appears when its first file is about to be written: at once is in the middle of writing.
        wait_for(entries, stopped, goal, process)
        if kill % 2 == 0:
            wait_for(files, stopped, files(stopped) + draw.randint(1, 5), process)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
        parts_after.append(entries(stopped))
    assert parts_after[-1] < len(resumed_study.PROMPTS), "there was something left to resume"
    last = started()
    last.join()
    assert last.exitcode == 0

    resumed_study.run(str(whole))
    written = contents(whole)
    assert contents(stopped) == written
    assert len(written) > len(resumed_study.PROMPTS)
