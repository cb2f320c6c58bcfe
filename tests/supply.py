"""What the project is made of, and what is known against it: `make supply` writes it into build/supply.

A bill of materials in CycloneDX's JSON for each of the two sides, by `cyclonedx-py` and by npm; then `pip-audit` and
``npm audit`` ask whether a weakness of any part is known. Where they cannot ask, that is said, and is no failure.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "build" / "supply"
TOOLS = ("cyclonedx-bom>=7,<8", "pip-audit>=2.9,<3")
"""In an environment of their own, so that they are no part of what is looked at."""

JAVASCRIPT = {"explorer": ROOT / "js", "labextension": ROOT / "js" / "lab"}


def run(*command: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, check=False, cwd=cwd, capture_output=True, text=True)


def tools() -> Path:
    """Return the folder of the tools' programs; they are installed where they are not yet."""
    folder = BUILD / "tools"
    if not (folder / "bin" / "pip-audit").exists():
        venv.create(folder, with_pip=True)
        subprocess.run(
            [folder / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", *TOOLS], check=True
        )
    return folder / "bin"


def bills(programs: Path) -> dict[str, dict[str, Any]]:
    """Write the bills of materials, and return them: of this environment, the bundle, and JupyterLab's extension."""
    how = ("--output-reproducible", "--output-format", "JSON", "--pyproject", "pyproject.toml")
    python = run(programs / "cyclonedx-py", "environment", *how, sys.executable)
    # The extension's own parts are bundled, and so tools of its development to npm.
    npm = ("npm", "sbom", "--package-lock-only", "--sbom-format", "cyclonedx")
    answers = {
        "python": python,
        "explorer": run(*npm, "--omit", "dev", cwd=JAVASCRIPT["explorer"]),
        "labextension": run(*npm, cwd=JAVASCRIPT["labextension"]),
    }
    for name, answer in answers.items():
        if answer.returncode:
            sys.exit(f"The bill of materials of {name} was not written: {answer.stderr.strip()}")
        (BUILD / f"{name}.cdx.json").write_text(answer.stdout, encoding="utf-8")
    return {name: json.loads(answer.stdout) for name, answer in answers.items()}


def missing(bill: dict[str, Any], licences: str) -> set[str]:
    """Return what THIRD_PARTY_LICENSES tells of and a bill of materials does not."""
    listed = {f"{each['name']} {each['version']}" for each in bill["components"]}
    return set(re.findall(r"(?m)^(\S+ [\d.]+) \(", licences)) - listed


def licences_of(bill: dict[str, Any]) -> str:
    """Return how many parts there are under each licence, the most frequent first."""
    counts: Counter[str] = Counter()
    for component in bill["components"]:
        said = [each.get("expression") or each["license"].get("id") for each in component.get("licenses", [])]
        counts[" and ".join(sorted({*filter(None, said)})) or "in words of their own"] += 1
    return ", ".join(f"{number} {name}" for name, number in counts.most_common(6))


def python_weaknesses(programs: Path) -> list[str] | None:
    """Return what is known against the installed packages; None where nobody could be asked."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    answer = run(programs / "pip-audit", "--format", "json", "--path", site)
    try:
        found = json.loads(answer.stdout)["dependencies"]
    except ValueError:
        return None
    asked = [each for each in found if "skip_reason" not in each]
    if len(asked) < len(found) / 2:  # a mirror of packages answers, and knows of no weakness
        return None
    return [f"{each['name']} {each['version']}: {weakness['id']}" for each in asked for weakness in each["vulns"]]


def javascript_weaknesses(folder: Path) -> list[str] | None:
    """Return what is known against the packages of a lock file; None where nobody could be asked."""
    answer = run("npm", "audit", "--json", "--package-lock-only", cwd=folder)
    try:
        found = json.loads(answer.stdout).get("vulnerabilities")
    except ValueError:
        return None
    return None if found is None else [f"{name}: {weakness['severity']}" for name, weakness in found.items()]


def main() -> None:
    BUILD.mkdir(parents=True, exist_ok=True)
    programs = tools()
    written = bills(programs)
    for name, bill in written.items():
        print(f"{BUILD.relative_to(ROOT)}/{name}.cdx.json: {len(bill['components'])} parts; {licences_of(bill)}")
    failures = [
        f"{name} is in the bundle, but not in its bill of materials"
        for name in sorted(missing(written["explorer"], (ROOT / "THIRD_PARTY_LICENSES").read_text(encoding="utf-8")))
    ]
    asked = {"Python": python_weaknesses(programs)}
    asked |= {name: javascript_weaknesses(folder) for name, folder in JAVASCRIPT.items()}
    for name, found in asked.items():
        if found is None:
            print(f"{name}: the service that knows of weaknesses could not be asked, so none was looked for.")
        else:
            print(f"{name}: {len(found)} known weaknesses")
            failures += found
    if failures:
        sys.exit("\n".join(failures))


if __name__ == "__main__":
    main()
