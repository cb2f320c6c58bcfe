"""What files of version 1 hold, as version 2 has it.

In version 1 the view state was called a bundle, the leading tokens were called a head, a nucleus was in per cent, and a
history that had not begun was empty.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

NOTHING_TRIED = {"version": 2, "steps": [], "at": -1, "tried": []}


def view(saved: dict[str, Any]) -> dict[str, Any]:
    """Return the state of an Explorer."""
    bundle = saved["bundle"]
    arrays = bundle["arrays"] | {"nucleus": _fractions(bundle["arrays"]["nucleus"])}
    arrays["count_n_edges"] = arrays["level_n_edges"]
    kinds = {"graph_part": "int32", "graph_link": "int32", "graph_weight": "float32"}
    arrays |= {name: {"dtype": dtype, "shape": [0], "data": ""} for name, dtype in kinds.items()}
    return {name: value for name, value in saved.items() if name != "bundle"} | {
        "view_state": bundle | {"version": 2, "arrays": arrays},
        "evaluation": saved["evaluation"] and _evaluation(saved["evaluation"]),
        "evaluations": [_evaluation(each) for each in saved["evaluations"]],
        "refused": [],
        "jumps": [],
        "inside": None,
        "shade": "share",
        "effects": None,
        "groups": [],
        "note": "",
        "history": history(saved["history"]),
    }


def history(saved: dict[str, Any]) -> dict[str, Any]:
    """Return what was tried."""
    return NOTHING_TRIED | saved | {"version": 2, "tried": [_tried(each) for each in saved.get("tried", [])]}


def _evaluation(saved: dict[str, Any]) -> dict[str, Any]:
    return _renamed(saved) | {"nucleus": saved["nucleus"] / 100}


def _tried(saved: dict[str, Any]) -> dict[str, Any]:
    # Its top token, and the probability of that, are the first of its leading tokens.
    return _renamed({name: value for name, value in saved.items() if name not in ("top", "probability")})


def _renamed(saved: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in saved.items() if name != "head"} | {"top": saved["head"]}


def _fractions(array: dict[str, Any]) -> dict[str, Any]:
    percent = np.frombuffer(base64.b64decode(array["data"]), "<f4")
    return array | {"data": base64.b64encode((percent.astype(np.float64) / 100).astype("<f4").tobytes()).decode()}
