"""What each step costs beside plain forward passes of the same prompt, and how that grows with the prompt.

    python benchmarks/suite build/suite                         # hours: all models, up to 1,024 tokens
    python benchmarks/suite build/short --short                 # a minute or two
    python benchmarks/suite build/suite --against HEAD~10       # two versions, in turns, side by side
    python benchmarks/suite build/suite --write                 # runs nothing; writes what is there into docs/

A figure is the median over rounds in which the row and the plain pass take turns, and so do the versions; the plain
pass is the Hugging Face module itself, without nnsight, with the same eager attention. Results are in ``suite.json``
and ``suite.md`` of the folder, after each row; what the processes print is in ``suite.log``. docs/performance.md says
what the rows are.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import table
from rows import ROWS
from table import Cell
from versions import ROOT, Process, checked_out, here

if TYPE_CHECKING:
    from versions import Version

PAGE = ROOT / "docs" / "performance.md"
START, END = "<!-- suite -->\n", "<!-- /suite -->"

TOKENS = (10, 40, 128, 512, 1024)
MODELS = {"default": TOKENS, "google/gemma-3-270m": TOKENS[:3], "32x32": TOKENS[:3]}
"""And at how many tokens; the last is a random model of 32 layers and 32 heads."""

SHORT = [name for name, row in ROWS.items() if not row.memory and not name.startswith("trace by")]

LEAST, MOST = 3, 15
"""Rounds of a row."""

CLOCKS = ("time", "processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="for the results, or with results")
    parser.add_argument("--against", metavar="COMMIT", help="measure this version, too")
    parser.add_argument(
        "--models", nargs="+", metavar="MODEL", help="hub ids or folders, 'default', or LAYERSxHEADS of a random one"
    )
    parser.add_argument("--tokens", nargs="+", type=int, metavar="N", help="lengths of the prompt")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--seconds", type=float, help="how long a row is repeated, beyond three rounds (default: 10)")
    parser.add_argument("--short", action="store_true", help="the default model, 10 and 40 tokens, fewer rows")
    parser.add_argument("--processor-time", action="store_true", help="count that, on a machine with other work")
    parser.add_argument("--print", action="store_true", help="run nothing; print what is there")
    parser.add_argument("--write", action="store_true", help="run nothing; write what is there into docs/")
    options = parser.parse_args()
    if options.print or options.write:
        result = json.loads((options.folder / "suite.json").read_text(encoding="utf-8"))
        if options.write:
            write(table.page(result))
    else:
        result = run(options)
    print(table.page(result))
    if any(cell["reason"] and cell["version"] == result["versions"][-1] for cell in result["cells"]):
        sys.exit(1)  # another version may lack a row; this one may not


def write(tables: str) -> None:
    """Write the tables between their marks in docs/performance.md."""
    before, start, rest = PAGE.read_text(encoding="utf-8").partition(START)
    _, end, after = rest.partition(END)
    PAGE.write_text(f"{before}{start}\n{tables}\n{end}{after}", encoding="utf-8")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Measure what was asked for; return it as it is in the file."""
    rows = options.rows or (SHORT if options.short else list(ROWS))
    asked = {name: MODELS.get(name, TOKENS[:3]) for name in options.models or MODELS}
    if options.short:
        asked = dict.fromkeys(options.models or ["default"], TOKENS[:2])
    with ExitStack() as stack:
        versions = [stack.enter_context(checked_out(options.against))] if options.against else []
        versions.append(here())
        clock = CLOCKS[options.processor_time]
        seconds = (1 if options.short else 10) if options.seconds is None else options.seconds
        suite = Suite(versions, options.folder, seconds, clock)
        for name, counts in asked.items():
            suite.model(name, options.tokens or counts, rows)
    return suite.result


@dataclass
class Suite:
    """What was measured so far.

    Attributes
    ----------
    versions : list of Version
        This checkout is the last.
    folder : Path
    seconds : float
        How long the rounds of a row go on at least, once there are `LEAST`.
    clock : str
        One of `CLOCKS`.
    """

    versions: list[Version]
    folder: Path
    seconds: float
    clock: str

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        names = [version.name for version in self.versions]
        if len(set(names)) < len(names):  # against the very commit of this checkout
            names[-1] += " here"
        self.result: dict[str, Any] = {"machine": {}, "versions": names, "cells": []}

    def model(self, name: str, counts: list[int], rows: list[str]) -> None:
        """Measure one model: first the time of each row, then, in new processes, its memory."""
        by_memory = {row: ROWS[row].memory for row in rows}
        with ExitStack() as stack:
            processes = [stack.enter_context(closing(self.process(version))) for version in self.versions]
            self.result["machine"] = self.result["machine"] or processes[-1].machine | {"clock": self.clock}
            about = {n: processes[-1].ask(model=name, n_tokens=n) for n in counts}
            for n, row in product(counts, rows):
                if not by_memory[row]:
                    self.add(self.rounds(processes, name, row, n, about[n]))
        for n, row in product(counts, rows):
            if by_memory[row]:
                self.add(self.memory(name, row, n, about[n]))

    def process(self, version: Version) -> Process:
        """Start a process for a version."""
        return Process(version, self.folder / "suite.log")

    def cells(self, row: str, n_tokens: int, about: dict[str, Any]) -> list[Cell]:
        """Return a new cell for each version."""
        return [
            Cell(version, about.get("name", ""), row, n_tokens, about.get("n_edges", 0), reason=about.get("reason", ""))
            for version in self.result["versions"]
        ]

    def rounds(
        self, processes: list[Process], model: str, row: str, n_tokens: int, about: dict[str, Any]
    ) -> list[Cell]:
        """Measure the time of a row. The first round warms up, and counts only where it takes long by itself."""
        cells, start, warm_up = self.cells(row, n_tokens, about), time.perf_counter(), 0
        in_turns = list(zip(processes, cells, strict=True))
        for number in range(MOST + 1):
            if number - warm_up >= LEAST and time.perf_counter() - start > self.seconds:
                break
            for process, cell in in_turns if number % 2 else in_turns[::-1]:
                if not cell.reason:
                    answer = process.ask(model=model, n_tokens=n_tokens, row=row, clock=self.clock)
                    if answer.get("left_out"):
                        return []
                    keep(cell, answer)
            if number == 0 and time.perf_counter() - start < self.seconds:
                warm_up = 1
                for cell in cells:
                    cell.seconds, cell.plain, cell.batch, cell.n_bytes = [], [], [], []
        return cells

    def memory(self, model: str, row: str, n_tokens: int, about: dict[str, Any]) -> list[Cell]:
        """Measure the memory of a row once."""
        cells = self.cells(row, n_tokens, about)
        for version, cell in zip(self.versions, cells, strict=True):
            with closing(self.process(version)) as process:
                answer = process.ask(model=model, n_tokens=n_tokens, row=row, clock=self.clock)
            if answer.get("left_out"):
                return []
            keep(cell, answer)
        return cells

    def add(self, cells: list[Cell]) -> None:
        """Add cells, tell of them, and write the files."""
        if not cells:
            return
        self.result["cells"] += map(asdict, cells)
        print(f"{cells[-1].model}, {cells[-1].n_tokens} tokens: {cells[-1].row}", file=sys.stderr, flush=True)
        text = json.dumps(self.result, indent=1, allow_nan=False)
        (self.folder / "suite.json").write_text(text, encoding="utf-8")
        (self.folder / "suite.md").write_text(table.page(self.result), encoding="utf-8")


def keep(cell: Cell, answer: dict[str, Any]) -> None:
    """Add an answer to a cell."""
    cell.reason, cell.note = answer.get("reason", ""), answer.get("note", "")
    for name in ("seconds", "plain", "batch", "n_bytes"):
        getattr(cell, name).extend([answer[name]] if name in answer else [])


if __name__ == "__main__":
    main()
