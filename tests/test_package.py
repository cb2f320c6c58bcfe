"""What a user installs: the wheel and the sdist hold the bundle, need no Node, and import without torch."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import Path

import pytest
from conftest import ROOT, contents, environment

pytestmark = pytest.mark.host

BUNDLES = {"explorer": 80, "study": 100}
"""What each may take, in KB gzipped."""
BUNDLE = [f"strace_widgets/explorer/static/{name}.{kind}" for name in BUNDLES for kind in ("js", "css")]
LABEXTENSION = ".data/data/share/jupyter/labextensions/strace_widgets/"


def test_both_hold_the_bundle(packages: tuple[Path, Path]) -> None:
    sdist, wheel = packages
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    assert set(BUNDLE) <= in_sdist
    assert set(BUNDLE) <= in_wheel
    assert "strace_widgets/studies/prompts/shipped.jsonl" in in_wheel
    assert {"js/package-lock.json", "js/src/explorer.tsx"} <= in_sdist
    assert {"js/lab/package-lock.json", "js/lab/src/plugin.ts", "js/lab/labextension/package.json"} <= in_sdist
    assert not any("node_modules" in name for name in in_sdist)
    assert all(name.startswith(("strace_widgets/", "strace_widgets-")) for name in in_wheel)


def test_javascript_older_than_its_sources_is_not_packed(packages: tuple[Path, Path], tmp_path: Path) -> None:
    with tarfile.open(packages[0]) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    os.utime(unpacked / "js/lab/src/plugin.ts")  # written now
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path), str(unpacked)]
    without_npm = os.environ | {"PATH": str(Path(sys.executable).parent)}
    finished = subprocess.run(build, check=False, capture_output=True, text=True, env=without_npm)
    assert finished.returncode != 0
    assert "older than its sources, and npm was not found" in finished.stdout + finished.stderr


@pytest.mark.parametrize("bundle", BUNDLES)
def test_a_bundle_is_small_and_loads_nothing(bundle: str) -> None:
    folder = ROOT / "strace_widgets/explorer/static"
    script, style = ((folder / f"{bundle}.{kind}").read_text(encoding="utf-8") for kind in ("js", "css"))
    assert len(gzip.compress(script.encode())) < BUNDLES[bundle] * 1024
    for text in (script, style):
        for loader in ("unpkg", "jsdelivr", "esm.sh", "@import", "url(http"):
            assert loader not in text


def test_jupyterlab_s_extension_is_small_and_draws_with_the_same_bundle(packages: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(packages[1]) as wheel:
        sizes = {
            i.filename.partition(LABEXTENSION)[2]: i.file_size for i in wheel.infolist() if LABEXTENSION in i.filename
        }
        (drawn_by,) = (name for name in wheel.namelist() if name.endswith(LABEXTENSION + "explorer/explorer.js"))
        assert wheel.read(drawn_by) == wheel.read(BUNDLE[0])
    assert {"package.json", "install.json", "explorer/explorer.css"} <= set(sizes)
    assert sum(size for name, size in sizes.items() if not name.startswith("explorer/")) < 50_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle, built elsewhere."""
    folder = tmp_path_factory.mktemp("bundle")
    subprocess.run(["node", "build.mjs", "--out", folder], check=True, cwd=ROOT / "js", capture_output=True)
    return folder


def test_the_same_sources_make_the_same_bundle(built: Path) -> None:
    for name in BUNDLE:
        assert (built / Path(name).name).read_bytes() == (ROOT / name).read_bytes()


def test_the_same_sources_make_the_same_extension(tmp_path: Path) -> None:
    """In another folder, since the bundler's own numbers of modules follow from where these lie."""
    made = shutil.ignore_patterns("node_modules", "lib", "labextension")
    elsewhere = shutil.copytree(ROOT / "js" / "lab", tmp_path / "elsewhere" / "lab", ignore=made)
    (elsewhere / "node_modules").symlink_to(ROOT / "js" / "lab" / "node_modules")
    subprocess.run(["npm", "run", "build"], check=True, cwd=elsewhere, capture_output=True)
    here, there = (contents(folder / "labextension") for folder in (ROOT / "js" / "lab", elsewhere))
    assert here == there


def test_the_licences_of_what_the_bundle_contains_are_packed(built: Path, packages: tuple[Path, Path]) -> None:
    told = (built / "THIRD_PARTY_LICENSES").read_text(encoding="utf-8")
    assert told == (ROOT / "THIRD_PARTY_LICENSES").read_text(encoding="utf-8"), "npm run build writes it anew"
    assert {"preact", "d3-array", "d3-color", "d3-scale"} <= set(re.findall(r"(?m)^(\S+) [\d.]+ \(", told))
    with zipfile.ZipFile(packages[1]) as wheel:
        (packed,) = (name for name in wheel.namelist() if name.endswith("licenses/THIRD_PARTY_LICENSES"))
        assert wheel.read(packed).decode() == told


def test_the_same_sources_make_the_same_wheel(packages: tuple[Path, Path], tmp_path: Path) -> None:
    """Elsewhere, at another time, of files of another age."""
    sdist, wheel = packages
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    for file in unpacked.rglob("*"):
        os.utime(file, (1_700_000_000, 1_700_000_000))
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(tmp_path / "again")]
    environment = os.environ | {"PATH": str(Path(sys.executable).parent)}
    subprocess.run([*build, str(unpacked)], check=True, capture_output=True, env=environment)
    again = tmp_path / "again" / wheel.name
    assert again.read_bytes() == wheel.read_bytes()


def test_the_wheel_works_in_a_clean_environment(packages: tuple[Path, Path], tmp_path: Path) -> None:
    _, wheel = packages
    python = environment(tmp_path / "clean", "torch", wheel)
    program = """
import sys
import strace_widgets as sw
assert not {"torch", "nnsight", "numba"} & set(sys.modules), "importing the package imported what needs a model"
from strace_widgets.explorer.widget import Explorer
assert "export" in str(Explorer._esm)
try:
    sw.study
except sw.errors.MissingPackageError as reason:
    assert "pip install 'strace_widgets[study]'" in str(reason)
else:
    raise AssertionError("studies work without their extra, so this environment is not clean")
print(sw.__version__, sw.__file__)
"""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    run = partial(subprocess.run, check=True, cwd=tmp_path, env=clean, capture_output=True, text=True)
    finished = run([python, "-c", program])
    assert str(tmp_path) in finished.stdout
    told = run([python.parent / "strace-widgets", "--help"])
    assert "study" in told.stdout
