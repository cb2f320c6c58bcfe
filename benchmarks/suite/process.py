"""A process that measures one version of the package: it is asked for a row, runs it once, and says what it took.

`versions.Process` starts it, with the version on ``PYTHONPATH``; requests and answers are lines of JSON. Several such
processes wait for one another, so that versions can take turns.
"""

from __future__ import annotations

import gc
import json
import os
import platform
import re
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rows import ROWS, Case, Row
from transformers import LlamaConfig, LlamaForCausalLM

import strace_widgets as sw

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT = "default"
RANDOM_SHAPE = re.compile(r"(\d+)x(\d+)")
"""A random model of so many layers and heads."""

HEAD_WIDTH, BYTES, CONTEXT = 4, 256, 8192
"""Of random models: they read bytes, and are so narrow that the number of edges is what counts."""

CLOCKS = {"time": time.perf_counter, "processor time": time.process_time}

WARM_UP = 4
"""Tokens of a first trace, after which the libraries that any trace needs are in memory."""


def loaded(name: str) -> sw.Model:
    """Return the default model, a random one by its shape, or one by hub id or folder."""
    shape = RANDOM_SHAPE.fullmatch(name)
    if shape is None:
        return sw.load_model(None if name == DEFAULT else name)
    n_layers, n_heads = map(int, shape.groups())
    torch.manual_seed(0)
    width = n_heads * HEAD_WIDTH
    config = LlamaConfig(
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        hidden_size=width,
        intermediate_size=2 * width,
        vocab_size=BYTES,
        max_position_embeddings=CONTEXT,
    )
    return sw.load_model(LlamaForCausalLM(config).eval())


def token_ids_of(model: sw.Model, n_tokens: int) -> Any:
    """Return a prompt of so many tokens: the shipped prompts one after the other, again where they end."""
    words = " ".join(prompt["text"] for prompt in sw.shipped_prompts()).split()
    text = " ".join(islice(cycle(words), n_tokens))  # a word is a token at least
    if model.tokenizer is None:
        import numpy as np  # noqa: PLC0415

        return np.frombuffer(text.encode(), np.uint8)[:n_tokens].astype(np.int64)
    return model.encode(text)[:n_tokens]


@dataclass(eq=False)
class Held:
    """The model and the case of the last request."""

    folder: Path
    name: str | None = None
    model: Any = None
    case: Case | None = None

    def case_of(self, name: str, n_tokens: int) -> Case:
        """Return the case of a request, with what earlier requests have made for it."""
        if name != self.name:
            self.case = self.model = None
            self.name, self.model = name, loaded(name)
        if self.case is None or len(self.case.token_ids) != n_tokens:
            self.case = None
            self.case = Case(self.model, token_ids_of(self.model, n_tokens), self.folder)
        return self.case


def described(held: Held, model: str, n_tokens: int) -> dict[str, Any]:
    """Return what is said of a model once, and of its graph."""
    case = held.case_of(model, n_tokens)
    architecture = case.model.architecture
    shape = f"{architecture.n_layers} layers x {architecture.n_heads} heads"
    name = "random" if RANDOM_SHAPE.fullmatch(model) else case.model.name
    return {"name": f"{name}, {shape}", "n_edges": _n_edges(case)}


def _n_edges(case: Case) -> int:
    from strace_widgets.graph.edges import Graph  # noqa: PLC0415

    a = case.model.architecture
    return Graph(a.n_layers, a.n_heads, len(case.token_ids), a.parallel).n_edges


def measured(held: Held, model: str, n_tokens: int, row: str, clock: str) -> dict[str, Any]:
    """Run a row once, and plain passes beside it; or measure the row's memory, in a process that did nothing before."""
    case, chosen = held.case_of(model, n_tokens), ROWS[row]
    if n_tokens > chosen.most_tokens or _n_edges(case) > chosen.most_edges:
        return {"left_out": True}
    return remembered(case, chosen) if chosen.memory else timed(case, chosen, CLOCKS[clock])


def timed(case: Case, row: Row, clock: Callable[[], float]) -> dict[str, Any]:
    def taken(run: Callable[[], Any]) -> tuple[float, Any]:
        start = clock()
        result = run()
        return clock() - start, result

    row.before(case)
    seconds, result = taken(lambda: row.run(case))
    found = row.found(case, result)
    del result
    n_rows = found.pop("n_rows", 1)
    plain, _ = taken(case.plain)
    batch = taken(lambda: case.plain(n_rows))[0] if n_rows > 1 else plain
    return {"seconds": seconds, "plain": plain, "batch": batch, **found}


def remembered(case: Case, row: Row) -> dict[str, Any]:
    """Return the most memory that a row holds above the loaded model, in bytes."""
    sw.trace(case.model, case.token_ids[:WARM_UP]).evaluate([1.0])
    gc.collect()
    of_model = memory("VmRSS")
    row.before(case)
    case.forget()
    gc.collect()
    # The kernel forgets the highest amount so far (Linux only).
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    row.found(case, row.run(case))
    return {"n_bytes": max(0, memory("VmHWM") - of_model)}


def memory(kind: str) -> int:
    """Return the resident memory of this process: ``VmRSS`` now, ``VmHWM`` at its highest."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(re.search(rf"{kind}:\s+(\d+) kB", status)[1])


def machine() -> dict[str, Any]:
    """Return what was measured on, and where the package was found."""
    import nnsight  # noqa: PLC0415
    import transformers  # noqa: PLC0415

    return {
        "package": str(Path(sw.__file__).parents[1]),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "nnsight": nnsight.__version__,
    }


def main() -> None:
    # What libraries print is not an answer.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    print(json.dumps(machine(), allow_nan=False), file=answers, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        held = Held(Path(folder))
        for line in sys.stdin:
            request = json.loads(line)
            try:
                answer = (measured if "row" in request else described)(held, **request)
            except Exception as reason:  # noqa: BLE001 - another version may lack what a row asks for
                answer = {"reason": f"{type(reason).__name__}: {reason}".splitlines()[0]}
            print(json.dumps(answer, allow_nan=False), file=answers, flush=True)


if __name__ == "__main__":
    main()
