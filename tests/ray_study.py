"""A cluster of two nodes, and a study on it, each in a process of its own, for tests to kill.

``python ray_study.py cluster`` prints the cluster's address, and ends with its standard input;
``python ray_study.py ADDRESS FOLDER`` runs the study.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import tiny_models

import strace_widgets as sw

ROOT = Path(__file__).parent.parent
PROMPTS = [
    {"id": f"p{n}", "text": "" if n % 20 == 7 else " ".join(f"w{(7 * n + 13 * t) % 97}" for t in range(2 + n % 9))}
    for n in range(40)
]
SETTINGS: dict[str, Any] = {
    "importance": ("l1", "l2"),
    "baselines": ("inverse", "random"),
    "hidden_states": True,
    "keep_traces": True,
    "progress": False,
}


ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # elsewhere too, this makes 127.0.0.1 the address of every node
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
}
"""Of every process of the cluster: on loopback, and with the package and these tests on its path."""


def cluster() -> None:
    """Start two nodes of one processor each, so that one worker runs on each of them; stop them in the end."""
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - reads the environment when it is imported

    node: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.1"}
    made = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
    made.add_node(**node)
    print(made.address, flush=True)
    sys.stdin.read()
    made.shutdown()


def loaded(folder: str) -> sw.Model:
    """Load the tiny model; leave a file that says which process on which node has it.

    The first worker waits for the second, so that it does not do all the work meanwhile.
    """
    import ray  # noqa: PLC0415 - a worker has it

    model = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())
    node = ray.get_runtime_context().get_node_id()
    marks = Path(folder).with_suffix(".workers")
    marks.mkdir(exist_ok=True, parents=True)
    (marks / f"{node}-{os.getpid()}").touch()
    ends = time.monotonic() + 60
    while len(list(marks.iterdir())) < 2 and time.monotonic() < ends:
        time.sleep(0.02)
    return model


def run(address: str, folder: str) -> sw.Study:
    return sw.study(partial(loaded, folder), PROMPTS, folder, on=sw.RayCluster(address), **SETTINGS)


if __name__ == "__main__":
    if sys.argv[1] == "cluster":
        cluster()
    else:
        print(run(*sys.argv[1:3]))
