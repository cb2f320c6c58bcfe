"""Look for inputs that the package does not read as it should, led by the coverage of its code.

    pip install atheris
    python tests/fuzz_guided.py --minutes 10                 # every kind of input, one after the other
    python tests/fuzz_guided.py --minutes 2 trace message    # some
    python tests/fuzz_guided.py --keep                       # and keep the smaller inputs that reached new code

What is found lies in build/fuzz/KIND (crash-...), and is tried again by ``python tests/fuzz_guided.py KIND FILE``.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import subprocess
import sys
import zipfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import atheris

WITHIN = sys.argv[1:2] == ["--within"]

# What runs inside a model is read as source, by nnsight, and stays as it is.
with (
    atheris.instrument_imports(include=["strace_widgets"], exclude=["strace_widgets.interventions"])
    if WITHIN
    else nullcontext()
):
    import fuzz_explorer
    import fuzz_targets

KINDS = fuzz_targets.KINDS | fuzz_explorer.EXPLORER_KINDS
BUILD = Path(__file__).parent.parent / "build" / "fuzz"
LONGEST = 1 << 16
"""Bytes of an input, but for a good one that is larger."""

MOST_KEPT = 150
"""Inputs of a kind that are kept; `make test` tries them all."""

IN_JSON = ("session", "job", "manifest", "toggles", "prompt", "tokenizer", "message", "state")


def other_json(data: bytes, longest: int, seed: int) -> bytes:
    """Change a value of JSON into another, take it out, or repeat it; now and then the bytes."""
    chance = random.Random(seed)  # noqa: S311 - what is tried, and no secret
    text, *rest = data.split(fuzz_targets.PART)
    try:
        good = json.loads(text)
    except (ValueError, RecursionError):
        good = None
    if chance.random() < 0.3 or not isinstance(good, (dict, list)):
        return bytes(atheris.Mutate(data, longest))
    holder: Any = good
    while True:
        keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
        if not keys:
            return bytes(atheris.Mutate(data, longest))
        key = chance.choice(keys)
        if isinstance(holder[key], (dict, list)) and holder[key] and chance.random() < 0.8:
            holder = holder[key]
            continue
        change(holder, key, chance)
        break
    try:
        return fuzz_targets.PART.join([json.dumps(good).encode(), *rest])[:longest]
    except (ValueError, RecursionError):
        return data


def change(holder: Any, key: Any, chance: random.Random) -> None:
    how = chance.random()
    if how < 0.2:
        del holder[key]
    elif how < 0.35 and isinstance(holder, list):
        holder.append(holder[key])
    elif how < 0.5 and isinstance(holder[key], str):
        holder[key] = atheris.Mutate(holder[key].encode(errors="replace"), len(holder[key]) + 8).decode(
            errors="replace"
        )
    elif how < 0.6 and isinstance(holder[key], (int, float)):
        holder[key] = chance.choice([-holder[key], holder[key] + 1, holder[key] * 2, holder[key] / 2])
    else:
        holder[key] = chance.choice(fuzz_targets.HOSTILE)


def fuzz(kind: str, options: list[str]) -> None:
    """Hand over to libFuzzer, which ends the process."""
    mutator = {"custom_mutator": other_json} if kind in IN_JSON else {}
    atheris.Setup([sys.argv[0], *options], KINDS[kind].check, **mutator)
    atheris.Fuzz()


def run(kind: str, minutes: float, *, keep: bool) -> bool:
    """Fuzz a kind in a process of its own, from its good inputs and its kept corpus on; return whether all was well."""
    found = BUILD / kind
    found.mkdir(parents=True, exist_ok=True)
    good = KINDS[kind].good()
    for number, content in enumerate(good):
        (found / f"good-{number}").write_bytes(content)
    if kept_in(kind).exists():
        with zipfile.ZipFile(kept_in(kind)) as kept:
            kept.extractall(found)
    longest = max(LONGEST, *map(len, good))
    how = [f"-max_len={longest}", f"-artifact_prefix={BUILD / kind}-", "-timeout=60", "-rss_limit_mb=4096"]
    program = [sys.executable, __file__, "--within", kind, *how]
    limit = ("-print_final_stats=1", f"-max_total_time={round(60 * minutes)}")
    ended = subprocess.run([*program, *limit, str(found)], check=False, capture_output=True, text=True)
    tried = re.search(r"number_of_executed_units: (\d+)", ended.stderr)
    reached = re.findall(r"cov: (\d+)", ended.stderr)
    outcome = "all as they should be" if ended.returncode == 0 else f"one is not (exit status {ended.returncode})"
    print(
        f"{kind:10} {int(tried[1]) if tried else 0:9,} inputs, {reached[-1] if reached else 0} edges: {outcome}",
        flush=True,
    )
    if ended.returncode:
        print(ended.stdout[-4000:], ended.stderr[-1500:], sep="\n")
    elif keep:
        keep_few(kind, found)
    return ended.returncode == 0


def kept_in(kind: str) -> Path:
    return fuzz_targets.CORPUS / f"{kind}.zip"


def keep_few(kind: str, found: Path) -> None:
    """Keep the smaller of the inputs that each reached something new."""
    few = sorted(found.iterdir(), key=lambda file: (file.stat().st_size, file.name))
    kept_in(kind).parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(kept_in(kind), "w", zipfile.ZIP_DEFLATED) as kept:
        for number, file in enumerate(few[:MOST_KEPT]):
            kept.writestr(zipfile.ZipInfo(f"kept-{number:03}"), file.read_bytes())


def main() -> None:
    if WITHIN:
        fuzz(sys.argv[2], sys.argv[3:])
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--minutes", type=float, default=10.0, help="of each kind")
    parser.add_argument("--keep", action="store_true", help="write tests/corpus anew")
    options = parser.parse_args()
    if len(options.kinds) == 2 and Path(options.kinds[1]).is_file():
        KINDS[options.kinds[0]].check(Path(options.kinds[1]).read_bytes())
        return
    well = [run(kind, options.minutes, keep=options.keep) for kind in options.kinds or KINDS]
    sys.exit(0 if all(well) else "Some inputs are not read as they should be: see above.")


if __name__ == "__main__":
    main()
