"""How long a study takes and how much memory: prompts a minute on the shipped prompts, and the peak.

Run with ``python benchmarks/study.py [N]``: N shipped prompts drawn at random (20 unless given, "all" for all of them),
by l1 and l2, under both masks modes, with inverse and random baselines. The ratio is to the Hugging Face module's own
batched passes of as many rows, each prompt's at its own length, both in seconds of processor time: other work on the
machine then counts less. Last comes the rate of the same study in one process of one thread, and in two that share it
(``--shard``), beside that of the plain passes: these are by the clock, and need a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time

import torch

import strace_widgets as sw

SETTINGS = {"importance": ("l1", "l2"), "masks": ("all", "mlp+residual"), "baselines": ("inverse", "random")}
SWEEPS = len(SETTINGS["masks"]) * (len(SETTINGS["importance"]) + len(SETTINGS["baselines"]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("n_prompts", nargs="?", default="20")
    asked = parser.parse_args().n_prompts
    model = sw.load_model()
    before = peak()
    with tempfile.TemporaryDirectory() as folder:
        sw.study(model, sw.shipped_prompts()[:1], f"{folder}/warm-up", progress=False, **SETTINGS)
        limit = None if asked == "all" else int(asked)
        start, busy = time.perf_counter(), time.process_time()
        study = sw.study(model, sw.shipped_prompts(), f"{folder}/study", limit=limit, **SETTINGS)
        seconds, busy = time.perf_counter() - start, time.process_time() - busy
        n_prompts, n_sizes = len(study.prompts), len(study.settings.sizes)
        plain = sum(plain_pass(model, int(n_tokens), n_sizes) for n_tokens in study.prompts["n_tokens"])
        print(study)
        print(study.summary().to_string(float_format="{:.3g}".format, na_rep=""))
    print(f"\n{torch.get_num_threads()} threads, {SWEEPS} sweeps of {n_sizes} sizes a prompt")
    print(f"prompts a minute          {60 * n_prompts / seconds:8.1f}")
    print(f"processor seconds a prompt{busy / n_prompts:8.1f}")
    print(f"study / plain passes      {busy / (SWEEPS * plain):8.2f}")
    print(f"peak memory               {peak() / 1024:8.2f} GB ({before / 1024:.2f} GB after loading the model)")
    torch.set_num_threads(1)
    start = time.perf_counter()
    for n_tokens in study.prompts["n_tokens"]:
        for _ in range(SWEEPS):
            plain_pass(model, int(n_tokens), n_sizes)
    print("\nprompts a minute, by the clock")
    print(f"plain passes, one thread  {60 * n_prompts / (time.perf_counter() - start):8.1f}")
    for n_processes in (1, 2):
        print(f"processes: {n_processes}              {rate(n_processes, n_prompts):8.1f}")


PROCESS = """
import sys, time, strace_widgets as sw
limit, shard, folder = sys.argv[1:]
model = sw.load_model()
print("ready", flush=True)
sys.stdin.readline()
sw.study(model, sw.shipped_prompts(), folder, limit=int(limit), shard=shard, progress=False, **{settings})
"""


def rate(n_processes: int, n_prompts: int) -> float:
    """Return the prompts a minute of processes of one thread that share a study, once each has its model."""
    program = PROCESS.format(settings=SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        processes = [
            subprocess.Popen(  # noqa: S603
                [sys.executable, "-c", program, str(n_prompts), f"{k + 1}/{n_processes}", folder],
                env=os.environ | {"OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for k in range(n_processes)
        ]
        for process in processes:
            assert process.stdout is not None  # noqa: S101 - for the type checker
            process.stdout.readline()
        start = time.perf_counter()
        for process in processes:
            assert process.stdin is not None  # noqa: S101 - as above
            process.stdin.write("\n")
            process.stdin.flush()
        for process in processes:
            if process.wait():
                raise RuntimeError(f"A process of the study ended with {process.returncode}.")
        return 60 * n_prompts / (time.perf_counter() - start)


def plain_pass(model: sw.Model, n_tokens: int, n_rows: int) -> float:
    """Return the processor seconds of one pass of the module itself."""
    token_ids = torch.randint(0, model.vocabulary_size, (n_rows, n_tokens))
    start = time.process_time()
    with torch.no_grad():
        model.nnsight._module(token_ids, use_cache=False, logits_to_keep=1)
    return time.process_time() - start


def peak() -> float:
    """Return the largest resident memory so far, in MB (Linux counts in KB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
