"""How much memory the findings of a large study take: 100,000 prompts by 25 sizes of a 30 x 9 model, simulated.

    python benchmarks/large_study.py build/large             # writes the study (4 GB), then reads it
    python benchmarks/large_study.py build/large --n 2000    # a smaller one

Every prompt has the files that `strace_widgets.study` writes, with numbers that are made up but obey its rules. Of the
components, which are most of it, as many prompts' files are written as are read together; they stand for all the
others, by links. Writing goes on where it was stopped. Every finding then runs in turn; the peak is that of the process
that reads.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import resource
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import strace_widgets as sw
from strace_widgets import findings
from strace_widgets.studies.folder import open_study, part_files, part_name, write_part
from strace_widgets.studies.settings import SIZES, Settings
from strace_widgets.studies.store import AT_A_TIME
from strace_widgets.studies.tables import CRITERIA, as_tables

COMPONENTS = "components.parquet"
N_LAYERS, N_HEADS = 30, 9
SUBGRAPHS = {"trace": "l1", "inverse": "l1", "random": "random"}
KINDS = [f"kind {k}" for k in range(10)]
SETTINGS = Settings(
    model="simulated",
    tokenizer="49,152 tokens",
    dimensions={"n_layers": N_LAYERS, "n_heads": N_HEADS, "parallel": False, "n_key_value_heads": 3, "d_model": 576}
    | {"d_head": 64, "mlp_weights": 2654208},
    importance=("l1",),
    masks=("all",),
    baselines=("inverse", "random"),
    sizes=SIZES,
    positions="last",
    seed=0,
    keep_traces=False,
    hidden_states=False,
)
FINDINGS = {
    name: getattr(findings, name)
    for name in (
        *("error_by_size", "phases", "nucleus_sizes", "composition", "component_use", "use_inequality"),
        *("uncertainty_correlation", "extremes", "groups", "shared_components", "shallow_statistics", "savings"),
        "budget",
    )
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--n", type=int, default=100_000, metavar="N", help="prompts (default: 100,000)")
    parser.add_argument(
        "--seconds", type=float, default=np.inf, help="stop writing after so long; the same call goes on"
    )
    options = parser.parse_args()
    open_study(options.folder, SETTINGS, options.n)
    templates = options.folder / "components"
    templates.mkdir(exist_ok=True)
    for number in range(AT_A_TIME):
        write_components(templates / f"{number}.parquet", number)
    done = {part.name for part in (options.folder / "parts").iterdir()}
    left = [number for number in range(options.n) if name_of(number) not in done]
    ends = time.monotonic() + options.seconds
    with multiprocessing.Pool(os.cpu_count(), initializer=unsynced) as pool:
        for _ in pool.imap_unordered(partial(write, options.folder), left, chunksize=100):
            if time.monotonic() > ends:
                pool.terminate()
                break
    study = sw.load_study(options.folder)
    n_parts = len(list((options.folder / "parts").iterdir()))
    print(f"{n_parts:,} of {options.n:,} prompts, {N_LAYERS} x {N_HEADS}, {len(SIZES)} sizes")
    if n_parts < options.n:
        return
    print(f"rows of components         {options.n * len(SIZES) * N_LAYERS * (N_HEADS + 2):,}")
    print(f"memory before              {peak():6.2f} GB")
    for name, finding in FINDINGS.items():
        start = time.perf_counter()
        table = finding(study)
        rows = len(table) if hasattr(table, "columns") else len(table.prompts)
        print(
            f"{name:26} {peak():6.2f} GB at most so far, {time.perf_counter() - start:6.1f} s, {rows:,} rows",
            flush=True,
        )
    print(f"peak memory                {peak():6.2f} GB")


def peak() -> float:
    """Return the largest resident memory so far, in GB (Linux counts in KB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


def unsynced() -> None:
    """Let the disk write when it likes: what is made up need not outlive the machine, and waiting takes longest."""
    os.fsync = lambda _: None


def name_of(number: int) -> str:
    return part_name(f"{number:06d}", f"p{number}")


def write(folder: Path, number: int) -> None:
    """Write one prompt's part."""
    random = np.random.default_rng(number)
    tables = {
        "prompts": prompt(number, random),
        "points": {"prompt_id": f"p{number}", "masks": "all"} | points(random),
        "necessary": {"prompt_id": f"p{number}", "importance": "l1", "masks": "all", "criterion": list(CRITERIA)}
        | {"size": random.choice(SIZES, len(CRITERIA))},
    }
    write_part(folder, name_of(number), part_files(as_tables(tables), {}))
    os.link(folder / "components" / f"{number % AT_A_TIME}.parquet", folder / "parts" / name_of(number) / COMPONENTS)


def write_components(file: Path, number: int) -> None:
    """Write the components of one prompt, checked with a size each as points."""
    random = np.random.default_rng(number)
    tables = {"points": {"prompt_id": f"p{number}", "masks": "all"} | points(random)}
    tables["components"] = {"prompt_id": f"p{number}", "importance": "l1"} | components(random)
    file.write_bytes(part_files(as_tables(tables), {})[COMPONENTS])


def prompt(number: int, random: np.random.Generator) -> dict[str, Any]:
    return {
        "prompt_id": f"p{number}",
        "text": f"A text of no meaning, the {number}th of them",
        "kind": KINDS[number % len(KINDS)],
        "status": "ok",
        "n_tokens": 10,
        "n_edges": 1,
        "full_top1_id": 7,
        "full_top1": " seven",
        "full_top1_probability": random.random(),
        "full_entropy": random.gamma(2, 1.5),
        "full_unigram_correlation": 0.2,
    }


def points(random: np.random.Generator) -> dict[str, Any]:
    n, k = len(SUBGRAPHS), len(SIZES)
    falling = 1 - np.tile((np.log10(SIZES) + 4) / 4, n)
    return {
        "importance": np.repeat(list(SUBGRAPHS.values()), k).tolist(),
        "subgraph": np.repeat(list(SUBGRAPHS), k).tolist(),
        "size": np.tile(SIZES, n),
        "n_edges": np.tile(np.rint(np.array(SIZES) * 1e5).astype(int), n),
        "total_variation": falling * random.random(n * k),
        "kl": falling,
        "entropy": falling,
        "top1": falling < 0.5,  # noqa: PLR2004
        "top5": falling < 0.3,  # noqa: PLR2004
        "nucleus": np.tile([20], n * k),
        "top1_id": np.tile([7], n * k),
        "top1_token": [" seven"] * (n * k),
        "top1_probability": random.random(n * k),
        "full_correlation": random.uniform(-1, 1, n * k),
        "unigram_correlation": random.uniform(-1, 1, n * k),
    }


def components(random: np.random.Generator) -> dict[str, Any]:
    n_total = np.tile([*[55] * N_HEADS, 10, 20], N_LAYERS)
    n_edges = np.stack([random.binomial(n_total, size) for size in SIZES])
    n_edges[-1] = n_total
    n_rows = len(n_total)
    return {
        "size": np.repeat(SIZES, n_rows),
        "layer": np.tile(np.repeat(np.arange(N_LAYERS), N_HEADS + 2), len(SIZES)),
        "kind": ([*["attention"] * N_HEADS, "mlp", "residual"] * N_LAYERS) * len(SIZES),
        "head": ([*range(N_HEADS), None, None] * N_LAYERS) * len(SIZES),
        "n_edges": n_edges.ravel(),
        "n_total": np.tile(n_total, len(SIZES)),
    }


if __name__ == "__main__":
    main()
