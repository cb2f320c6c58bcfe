"""A short long session in JupyterLab: dragged, switched, interrupted, restarted; every number that it showed is right.

`make soak` is the long form. SOAK_SHARE is how much of it is done here: 0.01 takes a minute and a half.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import soak as long_session
import soak_growth
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


def test_a_long_session_shows_no_wrong_number_and_leaves_nothing(browser_with_windows: Browser, tmp_path: Path) -> None:
    plan = long_session.Plan.of(float(os.environ.get("SOAK_SHARE", "0.01")))
    start = time.monotonic()
    with long_session.soaking(browser_with_windows, tmp_path, seed=1) as soak:
        long_session.session(soak, plan)
    seconds = time.monotonic() - start
    answer = long_session.recompute(soak, tmp_path)
    print(soak_growth.told(soak.done, soak.measured, answer, seconds))
    assert soak.troubles == []
    assert (soak.done["drags"], soak.done["toggles"]) >= (plan.drags, plan.toggles)
    assert answer["wrong"] == []
    assert answer["numbers"] > 10 * (plan.drags + plan.toggles)
    grown = soak_growth.growth(soak.measured)
    assert {key: share for key, share in grown.items() if share > soak_growth.MAY_GROW[key]} == {}
