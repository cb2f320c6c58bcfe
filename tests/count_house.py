"""Count the house: files a folder, arrows and circles between modules, the longest functions and files.

    python tests/count_house.py [ROOT]

`test_architecture.py` holds the limits; this prints the numbers, of any version of the tree.
"""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import grimp

ROOT = Path(__file__).parent.parent
PYTHON, TYPESCRIPT = "strace_widgets", "js/src"
LONGEST_FUNCTION, LONGEST_FILE = 60, 400
TYPESCRIPT_FUNCTION = re.compile(
    r"^(?:export )?(?:default )?(?:(?:async )?function\*? (?P<name>\w+)|const (?P<constant>\w+)\b.*(?:=>|=> [({]+)$)"
)


class Length(NamedTuple):
    """How long something is; the docstring counts."""

    lines: int
    name: str


def sources(root: Path) -> list[Path]:
    """Return the files that people write, in the package and in its front end."""
    kinds = {PYTHON: {".py"}, TYPESCRIPT: {".ts", ".tsx", ".css"}}
    return sorted(
        file
        for folder, endings in kinds.items()
        for file in (root / folder).rglob("*")
        if file.suffix in endings and "static" not in file.parts
    )


def files(root: Path = ROOT) -> list[Length]:
    """Return every source file, the longest first."""
    lengths = [
        Length(len(file.read_text(encoding="utf-8").splitlines()), str(file.relative_to(root)))
        for file in sources(root)
    ]
    return sorted(lengths, reverse=True)


def functions(root: Path = ROOT) -> list[Length]:
    """Return every function of Python, and those of TypeScript that stand by themselves; the longest first."""
    found = []
    for file in sources(root):
        text, name = file.read_text(encoding="utf-8"), file.relative_to(root)
        inside = _python(text) if file.suffix == ".py" else _typescript(text)
        found += [Length(lines, f"{name}: {function}") for lines, function in inside]
    return sorted(found, reverse=True)


def _python(text: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1, node.name


def _typescript(text: str) -> Iterator[tuple[int, str]]:
    """Find functions by their first column, as the formatter leaves them: from their name to the next bracket there."""
    lines = text.splitlines()
    for first, line in enumerate(lines):
        if (match := TYPESCRIPT_FUNCTION.match(line)) and not line.endswith(("}", ";")):
            last = next(
                (index for index in range(first + 1, len(lines)) if re.match(r"[})\]]+[;,)]*$", lines[index])), first
            )
            yield last - first + 1, match["name"] or match["constant"]


def modules(root: Path = ROOT) -> grimp.ImportGraph:
    """Return which module imports which: inside functions and for types alone, too."""
    sys.path.insert(0, str(root))
    try:
        return grimp.build_graph(PYTHON, cache_dir=None)
    finally:
        sys.path.remove(str(root))


def facades(root: Path = ROOT) -> set[tuple[str, str]]:
    """Return the imports (importer, imported) that the contracts of pyproject.toml let pass."""
    linter = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"].get("importlinter", {})
    expressions = {one for contract in linter.get("contracts", []) for one in contract.get("ignore_imports", [])}
    pairs = [one.split(" -> ") for one in expressions]
    return {(importer, imported) for importer, imported in pairs if imported.startswith(PYTHON)}


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the modules that import each other, directly or around: one list a circle, or knot of circles."""
    knots = {
        frozenset({module} | (graph.find_upstream_modules(module) & graph.find_downstream_modules(module)))
        for module in graph.modules
    }
    return sorted(sorted(knot) for knot in knots if len(knot) > 1)


def main(root: Path) -> None:
    """Print the counts."""
    folders = Counter(str(file.parent.relative_to(root)) for file in sources(root))
    print("files a folder")
    for folder, count in sorted(folders.items()):
        print(f"  {count:4}  {folder}")
    graph = modules(root)
    arrows = {
        (importer, imported)
        for importer in graph.modules
        for imported in graph.find_modules_directly_imported_by(importer)
    }
    rooms = {(_room(importer), _room(imported)) for importer, imported in arrows}
    print(f"arrows {len(arrows)} between {len(graph.modules)} modules")
    print(f"arrows {len([one for one in rooms if one[0] != one[1]])} between rooms")
    upward = facades(root) & arrows
    for importer, imported in upward:
        graph.remove_import(importer=importer, imported=imported)
    knots = circles(graph)
    print(f"circles {len(knots)}, besides {len(upward)} facades")
    for knot in knots:
        print(f"  {len(knot)} modules: {', '.join(module.removeprefix(PYTHON + '.') for module in knot)}")
    for what, lengths, limit in (("function", functions(root), LONGEST_FUNCTION), ("file", files(root), LONGEST_FILE)):
        over = sum(one.lines > limit for one in lengths)
        print(f"longest {what}: {lengths[0].lines} lines, {lengths[0].name} ({over} over {limit})")


def _room(module: str) -> str:
    return module.split(".")[1] if "." in module else module


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT)
