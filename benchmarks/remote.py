"""What a trace, a sweep and ten toggles cost on a server: requests, bytes, and time against the same run here.

Run by `make benchmark-remote`, against the loopback server that `make test-remote` uses.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "ndif"))
import rig
from nnsight.modeling import huggingface

import strace_widgets as sw

NAME = "loopback/smollm2"
PROMPT = (
    "In the spring the river rises, and the people of the valley carry their boats up from the sheds to the water, "
    "where the oldest of them says a few words before the first one leaves for the"
)
N_TOKENS, N_SIZES, N_TOGGLES = 40, 24, 10


def main() -> None:
    huggingface._ID_CACHE[NAME] = NAME
    was_up = rig.served()
    if not was_up:
        rig.start()
    here = sw.load_model()
    ids = here.encode(PROMPT)[:N_TOKENS]
    sizes = [10 ** (-3 + 3 * k / (N_SIZES - 1)) for k in range(N_SIZES)]
    print(f"{here.name}, {N_TOKENS} tokens, {N_SIZES} sizes; the server on the same machine")
    print(f"{'':34} {'here':>8} {'trusted':>8} {'sandbox':>8}   requests    up kB  down kB")
    times: dict[str, list[float]] = {}
    traffic: list[tuple[int, int, int]] = []
    for who, key in {"here": "", "trusted": rig.TRUSTED_KEY, "sandbox": rig.KEY}.items():
        os.environ["NDIF_API_KEY"] = key
        model = sw.load_model(NAME, remote=rig.URL) if key else here
        times[who] = []
        trace = sw.trace(model, ids)  # once before, for what is compiled or started at the first
        steps = (
            lambda model=model: sw.trace(model, ids),
            lambda trace=trace: trace.evaluate(sizes),
            lambda trace=trace: [trace.evaluate([0.2], toggles={f"{k}.0": "off"}) for k in range(N_TOGGLES)],
        )
        for step in steps:
            before = counted(model)
            started = time.perf_counter()
            step()
            times[who].append(time.perf_counter() - started)
            if who == "trusted":
                traffic.append(tuple(a - b for a, b in zip(counted(model), before, strict=True)))
    for index, what in enumerate(("trace", f"sweep of {N_SIZES} sizes", f"{N_TOGGLES} toggles")):
        requests, up, down = traffic[index]
        cells = " ".join(f"{times[who][index]:7.2f}s" for who in times)
        print(f"{what:34} {cells}   {requests:8} {up / 1e3:8.1f} {down / 1e3:8.1f}")
    for who in ("trusted", "sandbox"):
        ratios = [there / local for there, local in zip(times[who], times["here"], strict=True)]
        print(f"{who} ÷ here: " + ", ".join(f"{ratio:.1f}" for ratio in ratios))
    if not was_up:
        rig.stop()


def counted(model: sw.Model) -> tuple[int, int, int]:
    if model.server is None:
        return 0, 0, 0
    traffic = model.server.traffic
    return traffic.requests, traffic.bytes_up, traffic.bytes_down


if __name__ == "__main__":
    main()
