"""The house stays in order: arrows between rooms, circles, lengths, and what the package asks to be installed."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import count_house
import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
FACADE = re.compile(r"^\| `([\w.]+)` \| `([\w.]+)` \| .{20,} \|$", re.MULTILINE)


def test_rooms_import_downwards() -> None:
    """The contracts are in pyproject.toml; they know imports inside functions, and those for types alone."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"]
    finished = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_the_facades_are_those_that_the_docs_tell() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    told = {tuple(f"strace_widgets.{name}" for name in row.groups()) for row in FACADE.finditer(page)}
    told = {tuple(name.removesuffix(".strace_widgets") for name in row) for row in told}
    assert told == count_house.facades()


def test_facades_import_when_they_are_called() -> None:
    """What a facade reaches for may be heavy, and may import it back."""
    for importer, imported in count_house.facades():
        file = ROOT / (importer.replace(".", "/") + ".py")
        parsed = ast.parse(file.read_text(encoding="utf-8"))
        at_once = {name for node in parsed.body for name in imported_by(node, importer)}
        inside = "" if imported == "strace_widgets" else f"{imported}."
        assert not {name for name in at_once if name == imported or (inside and name.startswith(inside))}, file


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = count_house.modules()
    for importer, imported in count_house.facades():
        graph.remove_import(importer=importer, imported=imported)
    assert count_house.circles(graph) == []


def test_functions_fit_on_a_screen() -> None:
    assert [one for one in count_house.functions() if one.lines > count_house.LONGEST_FUNCTION] == []


def test_files_are_read_in_one_sitting() -> None:
    assert [one for one in count_house.files() if one.lines > count_house.LONGEST_FILE] == []


def test_lengths_are_counted_as_a_reader_counts_them() -> None:
    python = 'def one():\n    """Say.\n\n    More.\n    """\n    return 1\n\n\nx = 2\n'
    assert list(count_house._python(python)) == [(6, "one")]
    typescript = (
        "export function View({ a }: Props) {\n  return (\n    <p />\n  );\n}\n\n"
        "const add = (a: number) => {\n  return a;\n};\n\n"
        "const short = (a: number) => a;\n\nconst table = {\n  a: 1,\n};\n"
    )
    assert list(count_house._typescript(typescript)) == [(5, "View"), (3, "add")]


def test_the_count_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    count_house.main(ROOT)
    printed = capsys.readouterr().out
    for line in ("files a folder", r" +\d+  strace_widgets/graph", r"arrows \d+ between \d+ modules", r"circles \d+, "):
        assert re.search(f"^{line}", printed, re.MULTILINE)


# What is imported is asked for.


def imported_by(node: ast.AST, module: str = "") -> Iterator[str]:
    """Yield the dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = module.split(".")[: -node.level] if node.level else []
        base = ".".join([*above, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names)


def third_party() -> dict[str, set[str]]:
    """Return the distributions that the package imports, inside functions too, each with the files that do."""
    owners, found = packages_distributions(), dict[str, set[str]]()
    for file in count_house.sources(ROOT):
        if file.suffix != ".py":
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                continue
            for name in imported_by(node):
                top = name.partition(".")[0]
                if top not in sys.stdlib_module_names and top != "strace_widgets":
                    (owner,) = set(owners[top])
                    found.setdefault(canonicalize_name(owner), set()).add(file.name)
    return found


def declared(requirements: list[str]) -> dict[str, Requirement]:
    return {canonicalize_name(one.name): one for one in map(Requirement, requirements)}


def test_every_import_of_the_package_is_a_declared_dependency() -> None:
    extras = PROJECT["optional-dependencies"]
    known = declared(PROJECT["dependencies"])
    known |= {
        name: one
        for extra in ("demo", "gemma", "graphs", "ray", "study")
        for name, one in declared(extras[extra]).items()
    }
    undeclared = {name: files for name, files in third_party().items() if name not in known}
    assert not undeclared


def test_every_dependency_is_pinned_within_its_range() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = {canonicalize_name(name): pin for name, _, pin in (line.partition("==") for line in lines)}
    extras = PROJECT["optional-dependencies"].values()
    for name, requirement in declared([*PROJECT["dependencies"], *itertools.chain(*extras)]).items():
        if name != canonicalize_name(PROJECT["name"]):
            assert Version(pins[name]) in requirement.specifier, requirement
