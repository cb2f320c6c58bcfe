"""What the long benchmarks share: on which models they run, where, and on which part of the prompts.

A run may take every nth prompt only, into a folder of its own, so that several runs share the work, here or elsewhere:

    for k in 1 2 3 4; do python benchmarks/findings.py build/findings --shard $k/4 --device cuda & done; wait
    python benchmarks/findings.py build/findings --print
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import strace_widgets as sw

if TYPE_CHECKING:
    import argparse

DEFAULT = "default"
MODELS = (DEFAULT, "google/gemma-3-270m")
"""The real models that every claim is made of; the first is the package's default model."""

SHARDS = "shard-{}-of-{}"


class Shard(NamedTuple):
    """A part of the prompts: every nth from the kth on, counted from 1."""

    k: int
    n: int


def read_shard(text: str) -> Shard:
    k, n = map(int, text.split("/"))
    if not 1 <= k <= n:
        raise ValueError(text)
    return Shard(k, n)


def add_models(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models", nargs="+", default=MODELS, metavar="MODEL", help=f"hub ids or folders (default: {' '.join(MODELS)})"
    )
    parser.add_argument("--device", help="where the models run, such as cuda (default: the processor)")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folders", nargs="+", type=Path, metavar="folder", help="for the results, or with results")
    add_models(parser)
    parser.add_argument(
        "--shard", type=read_shard, default=Shard(1, 1), metavar="K/N", help="every Nth prompt only, from the Kth on"
    )


def models(options: argparse.Namespace) -> list[sw.Model]:
    """Load the models; both real ones need 2 GB together."""
    where = {"device_map": options.device} if options.device else {}
    return [sw.load_model(None if name == DEFAULT else name, **where) for name in options.models]


def shared_out(options: argparse.Namespace, prompts: list[Any]) -> tuple[list[Any], Path]:
    """Return the prompts of this run, and its folder."""
    (folder,), (k, n) = options.folders, options.shard
    return prompts[k - 1 :: n], folder if n == 1 else folder / SHARDS.format(k, n)


def parts(folders: list[Path]) -> list[Path]:
    """Return the folders of single runs: those of shards where a folder has any, or the folder itself."""
    return [part for folder in folders for part in sorted(folder.glob(SHARDS.format("*", "*"))) or [folder]]


def table_row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
