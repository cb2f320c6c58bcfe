"""A study shared by several processes, in shards or on a cluster of Ray: the same bytes as of one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray_study
import tiny_models
from conftest import contents

import strace_widgets as sw
from strace_widgets.__main__ import main
from strace_widgets.studies.work import Recipe


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two nodes on loopback."""
    # In a folder of its own, with a short path for its sockets: another cluster here keeps its address.
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        for name, value in (ray_study.ENVIRONMENT | {"RAY_TMPDIR": home}).items():
            patch.setenv(name, value)
        command = [sys.executable, ray_study.__file__, "cluster"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            yield process.stdout.readline().strip()
            process.communicate(timeout=60)


def n_parts(folder: Path) -> int:
    parts = folder / "parts"
    return len([part for part in parts.iterdir() if not part.name.startswith("unfinished")]) if parts.exists() else 0


def wait_until(holds: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    while not holds():
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)


def workers(folder: Path) -> set[tuple[str, int]]:
    marks = folder.with_suffix(".workers")
    found = [mark.name.rsplit("-", 1) for mark in marks.iterdir()] if marks.exists() else []
    return {(node, int(pid)) for node, pid in found}


@pytest.mark.host
def test_a_cluster_says_what_one_process_says_whoever_is_killed(cluster: str, tmp_path: Path) -> None:
    shared, alone = tmp_path / "shared", tmp_path / "alone"
    command = [sys.executable, ray_study.__file__, cluster, str(shared)]
    with subprocess.Popen(command) as driver:  # it takes a while to start
        model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
        sw.study(model, ray_study.PROMPTS, alone, **ray_study.SETTINGS)
        wait_until(lambda: n_parts(shared) >= 4, driver)
        (one, pid), (other, _) = workers(shared)
        assert one != other, "a worker on each node"
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: n_parts(shared) >= 14, driver)
        driver.kill()
    assert n_parts(shared) < len(ray_study.PROMPTS), "the driver was killed in the middle"
    subprocess.run(command, check=True)
    assert contents(shared) == contents(alone)


@pytest.mark.host
def test_a_model_that_cannot_be_loaded_is_told_in_a_shell(
    cluster: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.txt").write_text("w1 w2")
    command = ["study", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "s"), "--model", "./no/such/model"]
    assert main([*command, "--ray", cluster, "--workers", "1"]) == 2
    assert "there is no folder" in capsys.readouterr().err
    assert not (tmp_path / "s").exists()


def test_what_cannot_go_to_a_cluster(tiny: Any, tmp_path: Path) -> None:
    with pytest.raises(sw.errors.StudyError, match="is a model that you hold, and every worker loads its own"):
        sw.study(tiny, ["w1 w2"], tmp_path / "s", on="ray")
    with pytest.raises(ValueError, match="on='slurm' is no place to run"):
        sw.study(tiny, ["w1 w2"], tmp_path / "s", on="slurm")


def test_a_loaded_model_is_loaded_again_as_it_was(tmp_path: Path, remote_tiny: Any) -> None:
    tiny_models.tiny().save_pretrained(tmp_path)
    tiny_models.words().save_pretrained(tmp_path)
    model = sw.load_model(tmp_path, dtype="bfloat16")
    assert Recipe.of(model) == Recipe(str(tmp_path), {"dtype": "bfloat16"})
    assert Recipe.of(remote_tiny).options["remote"] == remote_tiny.server.url


def test_shards_share_a_folder_and_leave_nothing_behind(tiny: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"sizes": [0.5], "baselines": (), "progress": False}
    prompts = [f"w{n} w3 w5" for n in range(7)]
    done = []
    for k in (2, 3, 1):
        study = sw.study(tiny, prompts, tmp_path / "s", shard=f"{k}/3", **options)
        done.append(len(study.prompts))
    assert done == [2, 4, 7], "each did its own"
    whole = sw.study(tiny, prompts, tmp_path / "whole", **options)
    assert contents(tmp_path / "s") == contents(whole.folder)
    with pytest.raises(ValueError, match="shard='0/3' is no part of the prompts"):
        sw.study(tiny, prompts, tmp_path / "s", shard="0/3", **options)


def test_a_shard_leaves_what_others_are_writing(tiny: Any, tmp_path: Path) -> None:
    options: dict[str, Any] = {"sizes": [0.5], "baselines": (), "progress": False}
    for name in ("000000-0", "000001-1"):
        (tmp_path / "s" / "parts" / f"unfinished-{name}").mkdir(parents=True)
    sw.study(tiny, ["w1 w2", "w3 w4"], tmp_path / "s", shard=(1, 2), **options)
    assert sorted(part.name for part in (tmp_path / "s" / "parts").iterdir()) == ["000000-0", "unfinished-000001-1"]
    sw.study(tiny, ["w1 w2", "w3 w4"], tmp_path / "s", shard=(2, 2), **options)
    assert sorted(part.name for part in (tmp_path / "s" / "parts").iterdir()) == ["000000-0", "000001-1"]
