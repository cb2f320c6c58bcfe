"""What is done with a model on a server, the same on a real one and on one that the tests play."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import strace_widgets as sw

ROOT = Path(__file__).parent.parent

SENDER = """
import sys
from nnsight.modeling import huggingface
import strace_widgets as sw

name, url, prompt, folder = sys.argv[1:]
huggingface._ID_CACHE[name] = name
model = sw.load_model(name, remote=url)
sw.submit(model, prompt).save(folder + "/trace.json")
sw.trace(model, prompt).submit([0.1, 1.0], toggles={"0.1": "off"}).save(folder + "/sweep.json")
"""


def send_from_another_process(name: str, url: str, prompt: str, folder: Path, environment: Mapping[str, str]) -> None:
    """Submit a trace and a sweep in a process of its own, and save the jobs as trace.json and sweep.json."""
    arguments = [sys.executable, "-c", SENDER, name, url, prompt, str(folder)]
    subprocess.run(arguments, check=True, cwd=ROOT, env=environment)


def errors_of_threads(trace: sw.STrace, n_threads: int = 3) -> list[float]:
    """Run the whole graph from several threads at once, as a widget's worker and a cell do; return their errors."""
    with ThreadPoolExecutor(n_threads) as threads:
        return list(threads.map(lambda size: float(trace.evaluate([size]).total_variation[0]), [1.0] * n_threads))
