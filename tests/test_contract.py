"""What Python and the browser say to each other is what the contract says, on both sides and in the documentation.

``python tests/test_contract.py`` writes the states that vitest decodes, with what is in them as plain figures.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import re
import zipfile
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, NotRequired, get_args, get_origin, get_type_hints, is_typeddict

import numpy as np
import pytest
from tiny_models import tiny

import strace_widgets as sw
from strace_widgets.explorer import contract, questions
from strace_widgets.explorer.curves import curve
from strace_widgets.explorer.html_page import encoded
from strace_widgets.explorer.session import Session
from strace_widgets.explorer.view_state import DRAWN
from strace_widgets.explorer.widget import Explorer
from strace_widgets.graph.counts import component_counts
from strace_widgets.results import upgrade

ROOT = Path(__file__).parent.parent
WRITTEN = ROOT / "js/tests/written"
V1 = Path(__file__).parent / "v1/trace.strace"
KINDS = {"int32": "Int32Array", "float32": "Float32Array", "uint8": "Uint8Array"}
TOGGLES: contract.Toggles = {"1.1": "off", "0.mlp": "on"}


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate_protocol", ROOT / "js/generate_protocol.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def numbers(array: dict[str, Any]) -> np.ndarray[Any, Any]:
    """Return the numbers of an array that was encoded as base64 text."""
    values = np.frombuffer(base64.b64decode(array["data"]), np.dtype(array["dtype"]).newbyteorder("<"))
    return values.reshape(array["shape"])


def present() -> dict[str, Any]:
    """Return a state of version 2 as it is saved, and what is in it, computed without the encoding."""
    asked: dict[str, Any] = {"target": 11, "foil": 12, "counterfactual": [5, 20, 3]}
    trace = sw.trace(sw.load_model(tiny(num_hidden_layers=2)), [5, 17, 3], **asked)
    session = Session(trace)
    sweep, n_edges = session.sweep(), session.start_size()
    state = contract.DEFAULTS | {
        "view_state": session.view_state(),
        "n_edges": n_edges,
        "toggles": TOGGLES,
        "evaluation": session.evaluate(n_edges, TOGGLES),
        "curves": [curve("inverse", trace.evaluate(sweep.sizes, inverse=True))],
    }
    saved = json.loads(encoded(state))
    evaluation = trace.evaluate([n_edges / trace.n_edges], TOGGLES)
    counts, _ = component_counts(trace.ranks, np.array([n_edges, trace.n_edges]))
    figures = {
        "arrays": {
            name: {"kind": KINDS[array["dtype"]], "values": numbers(array).ravel().tolist()}
            for name, array in saved["view_state"]["arrays"].items()
        },
        "levels": [
            {
                "n_edges": int(sweep.n_edges[row]),
                "nucleus": float(nucleus),
                "top1": bool(sweep.top1[row]),
                "probability": sweep.top[row][0].probability,
            }
            for row, nucleus in enumerate(numbers(saved["view_state"]["arrays"]["nucleus"]))
        ],
        "evaluation": {
            "edges_kept": int(evaluation.n_edges_kept[0]),
            "total_variation": float(evaluation.total_variation[0]),
            "edgesToggled": int(evaluation.n_edges_kept[0]) - n_edges,
        },
        "trace": {
            "n_edges": n_edges,
            "head_edges": counts["head_edges"][0].ravel().tolist(),
            "mlp_edges": counts["mlp_edges"][0].tolist(),
        },
    }
    return {"saved": saved, "figures": figures}


def version1() -> dict[str, Any]:
    """Return a state of version 1, as a file has it, and what this version makes of it."""
    with zipfile.ZipFile(V1) as archive:
        saved = json.loads(archive.read("view.json"))
    now = upgrade.view(saved)
    shown = {name: value for name, value in now["view_state"].items() if name != "arrays"}
    nucleus = numbers(now["view_state"]["arrays"]["nucleus"]).tolist()
    figures = {"view_state": shown | {"nucleus": nucleus}, "evaluation": now["evaluation"], "history": now["history"]}
    return {"saved": saved, "figures": figures}


def assert_alike(written: Any, now: Any, at: str = "") -> None:
    """The same but for the last digits of numbers, which are not the same on every processor."""
    assert type(written) is type(now), at
    if isinstance(now, dict):
        assert list(written) == list(now), at
        if "dtype" in now:
            assert (written["dtype"], written["shape"]) == (now["dtype"], now["shape"]), at
            np.testing.assert_allclose(numbers(written), numbers(now), rtol=1e-3, atol=1e-5, err_msg=at)
            return
        for key in now:
            assert_alike(written[key], now[key], f"{at}.{key}")
    elif isinstance(now, list):
        assert len(written) == len(now), at
        for index, (first, second) in enumerate(zip(written, now, strict=True)):
            assert_alike(first, second, f"{at}[{index}]")
    elif isinstance(now, float):
        assert written == pytest.approx(now, rel=1e-3, abs=1e-5), at
    else:
        assert written == now, at


@pytest.mark.parametrize("make", [present, version1], ids=["present", "version 1"])
def test_what_vitest_decodes_is_what_python_writes(make: Any) -> None:
    file = WRITTEN / {present: "state.json", version1: "version1.json"}[make]
    try:
        assert_alike(json.loads(file.read_text(encoding="utf-8")), make())
    except AssertionError as reason:
        pytest.fail(f"{file.relative_to(ROOT)} is stale at {reason}: run `python tests/test_contract.py`.")


def test_the_types_and_the_tables_are_those_of_the_contract() -> None:
    made = generator()
    stale = [str(file.relative_to(ROOT)) for file in made.stale()]
    assert not stale, f"{stale} are not what the contract says: run `{made.AGAIN}`."


def test_every_type_of_the_contract_is_in_the_documentation() -> None:
    page = (ROOT / "docs/explorer-state.md").read_text(encoding="utf-8")
    tables = set(re.findall(r"<!-- contract: (\w+) -->", page)) | {"messages"}
    inside_messages = {"Nothing", "TraceQuestion", "CompareQuestion", "RefineQuestion", "WhyQuestion", "NodeQuestion"}
    inside_messages |= {"InsideQuestion"}
    types = {name for name, value in {**vars(contract), **vars(questions)}.items() if is_typeddict(value)}
    assert types - inside_messages <= tables | {"Evaluation"}  # which has no field of its own


def required(typed: Any) -> set[str]:
    """Return the names of the fields that may not be absent."""
    given = get_type_hints(typed, include_extras=True)
    return {name for name, kind in given.items() if get_origin(kind) is not NotRequired}


def assert_is(value: Any, hint: Any, at: str = "state") -> None:
    """A value has the fields that its type has, of their types, and no others."""
    origin, arguments = get_origin(hint), get_args(hint)
    if is_typeddict(hint):
        hints = get_type_hints(hint)
        assert required(hint) <= set(value) <= set(hints), at
        for name, each in value.items():
            assert_is(each, hints[name], f"{at}.{name}")
    elif origin is UnionType:
        assert_is(value, next(kind for kind in arguments if (kind is NoneType) == (value is None)), at)
    elif origin in (list, dict):
        for each in value if origin is list else value.values():
            assert_is(each, arguments[-1], f"{at}[]")
    elif origin is Literal:
        assert value in arguments, at
    elif hint is not bytes:  # which is text in a file
        assert isinstance(value, (int, float) if hint is float else hint), at


def test_real_states_have_the_contract_s_fields_and_no_others() -> None:
    for saved in (present()["saved"], upgrade.view(version1()["saved"])):
        assert_is(saved, contract.ExplorerState)
        arrays = saved["view_state"]["arrays"]
        assert {name: array["dtype"] for name, array in arrays.items()}.items() <= contract.DTYPES.items()
        assert required(contract.Arrays) <= set(arrays)


def test_shapes_are_those_of_the_contract() -> None:
    state = present()["saved"]["view_state"]
    lengths = {
        "K": len(numbers(state["arrays"]["level_n_edges"])),
        "N": len(numbers(state["arrays"]["count_n_edges"])),
        "J": len(numbers(state["arrays"]["strip_n_edges"])),
        "V": len(state["vocabulary"]),
        "L": state["n_layers"],
        "H": state["n_heads"],
        "H + 1": state["n_heads"] + 1,
        "T": state["n_tokens"],
        "C": -(-state["n_tokens"] // state["tokens_per_cell"]),
        "S": 8,
        "G": min(DRAWN, state["n_edges"]),
    }
    for name, axes in contract.AXES.items():
        assert state["arrays"][name]["shape"] == [lengths[axis] for axis in axes], name


def test_the_widget_begins_with_the_contract_s_defaults() -> None:
    traits = Explorer.class_traits()
    for name, value in {**contract.DEFAULTS, **contract.DERIVED_DEFAULTS}.items():
        assert traits[name].default() == value, name
    assert set(contract.DEFAULTS) == set(contract.ExplorerState.__annotations__)


def test_the_folders_of_the_browser_s_side_build_on_each_other() -> None:
    """Protocol, logic, hooks, views: each may import from itself and from those before it."""
    folders = ["protocol", "logic", "hooks", "views"]
    source = ROOT / "js/src"
    for place, folder in enumerate(folders):
        for file in (source / folder).glob("*.ts*"):
            for imported in re.findall(r'from "\.\./(\w+)/', file.read_text(encoding="utf-8")):
                assert imported in folders[:place], f"{file.relative_to(source)} imports from {imported}"
    for file in [*(source / "protocol").glob("*.ts"), *(source / "logic").glob("*.ts")]:
        assert 'from "preact' not in file.read_text(encoding="utf-8"), f"{file.name} is not free of the page"


if __name__ == "__main__":
    for name, make in {"state.json": present, "version1.json": version1}.items():
        (WRITTEN / name).write_text(json.dumps(make(), ensure_ascii=False, indent=None) + "\n", encoding="utf-8")
