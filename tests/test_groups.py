"""Named groups of heads and MLPs, and a note: set from Python, kept in files and pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from explorer_steps import settled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from traitlets import TraitError

import strace_widgets as sw
from strace_widgets.explorer.groups import COLOURS, LONGEST_NAME, LONGEST_NOTE, MOST_GROUPS, parsed

MOVERS = {"name": "name movers", "colour": "blue", "members": ["1.3", "2.mlp"]}
HOSTILE = "</script><img src=x onerror=alert(1)>"


def test_names_with_members_are_groups(settled_explorer: sw.Explorer) -> None:
    settled_explorer.groups = {"name movers": ["2.mlp", "1.3", "1.3"], " early ": ["0"], "nobody": []}
    assert settled_explorer.groups == [
        MOVERS,
        {"name": "early", "colour": "red", "members": ["0.0", "0.1", "0.2", "0.3", "0.mlp"]},
        {"name": "nobody", "colour": "green", "members": []},
    ]
    settled_explorer.groups = [{"name": "name movers", "colour": "mauve", "members": ("1.3",)}]
    assert settled_explorer.groups == [{"name": "name movers", "colour": "mauve", "members": ["1.3"]}]


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (["1.3"], "These are no groups: write {"),
        ({"": ["1.3"]}, "1 to 60 characters"),
        ({"a\nb": ["1.3"]}, "on one line; 'a\\nb' is not"),
        ({"x" * 61: []}, "1 to 60 characters"),
        ({1: []}, "1 to 60 characters"),
        ({"a": [], " a": []}, "Two groups are called 'a'"),
        ({"a": "1.3"}, "no list of names"),
        ({"a": [1.3]}, "no list of names"),
        ({"a": ["3.0"]}, "'a' has a member that the model lacks: "),
        ({"a": ["1.4"]}, "'a' has a member that the model lacks: "),
        ({"a": ["1.3@2"]}, "'a' cannot have '1.3@2': a group has heads"),
        ([{"name": "a", "colour": "pink"}], "'a' cannot be 'pink': choose blue, red"),
        ([{"name": "a", "color": "red"}], "A group has no 'color'"),
        ({str(number): [] for number in range(MOST_GROUPS + 1)}, "There are 101 groups; 100 at most"),
    ],
)
def test_what_is_no_group_is_refused_in_a_sentence(settled_explorer: sw.Explorer, given: Any, sentence: str) -> None:
    settled_explorer.groups = [MOVERS]
    with pytest.raises(TraitError, match=re.escape(sentence)):
        settled_explorer.groups = given
    assert settled_explorer.groups == [MOVERS]


MEMBERS = st.sampled_from([f"{layer}.{part}" for layer in range(3) for part in (0, 1, 2, 3, "mlp")])
NAMES = st.text(max_size=LONGEST_NAME + 3)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(groups=st.dictionaries(NAMES, st.lists(MEMBERS, max_size=5), max_size=8))
def test_what_is_read_once_is_read_again_as_it_is(tiny_trace: sw.STrace, groups: dict[str, list[str]]) -> None:
    try:
        found = parsed(groups, tiny_trace)
    except ValueError as reason:
        assert str(reason).endswith(".") or "is not" in str(reason)  # noqa: PT017
        return
    assert parsed(found, tiny_trace) == found
    assert [set(group["members"]) for group in found] == [set(members) for members in groups.values()]
    assert {group["colour"] for group in found} == set(COLOURS[: len(found)])


def test_a_note_has_an_end(settled_explorer: sw.Explorer) -> None:
    settled_explorer.note = "n" * LONGEST_NOTE
    with pytest.raises(TraitError, match=r"2,000 characters at most; this one has 2,001"):
        settled_explorer.note += "n"
    assert settled_explorer.note == "n" * LONGEST_NOTE


def test_what_the_front_end_sends_is_checked_and_said(settled_explorer: sw.Explorer) -> None:
    settled_explorer.set_state({"groups": [MOVERS]})
    assert settled_explorer.groups == [MOVERS]
    settled_explorer.set_state({"groups": [MOVERS, MOVERS]})
    assert settled_explorer.groups == [MOVERS]
    assert "Two groups are called" in settled_explorer.status["message"]


def test_a_group_switched_as_one_agrees_with_its_members_switched(settled_explorer: sw.Explorer) -> None:
    explorer = settled_explorer
    explorer.groups = {"name movers": ["1.3", "2.mlp"]}
    explorer.toggles = dict.fromkeys(explorer.groups[0]["members"], "off")
    found = settled(explorer)
    sweep = explorer.trace.evaluate([explorer.size], {"1.3": "off", "2.mlp": "off"})
    assert found["total_variation"] == pytest.approx(sweep.total_variation[0], abs=1e-6)


# Files and pages.


def test_sessions_traces_and_replays_have_them(tiny: Any, settled_explorer: sw.Explorer, tmp_path: Path) -> None:
    explorer = settled_explorer
    explorer.groups, explorer.note = {HOSTILE: ["1.3"], "name movers": ["2.mlp"]}, f"Seen.\n{HOSTILE}"
    session = explorer.save_session(tmp_path / "session.json")
    replay = sw.load_trace(explorer.save(tmp_path / "x.strace")).explore()
    anew = sw.trace(tiny, explorer.trace.prompt).explore(session)
    for each in (replay, anew):
        assert (each.groups, each.note) == (explorer.groups, explorer.note)
        each.close()


def test_another_trace_keeps_them(settled_explorer: sw.Explorer, front: Any) -> None:
    explorer = settled_explorer
    explorer.groups, explorer.note = [MOVERS], "Seen."
    asked = dict(explorer.session.settings.plain()) | {"importance": "l2"}
    explorer._messages.hear({"id": "t", "kind": "trace", "settings": asked})
    front.wait_for(lambda: any(answer["id"] == "t" for answer in front.answers))
    assert explorer.session.settings.importance == "l2"
    assert (explorer.groups, explorer.note) == ([MOVERS], "Seen.")


@pytest.mark.parametrize(
    "change",
    [
        {"groups": [{"name": ""}]},
        {"groups": 3},
        {"groups": {"a": []}},
        {"groups": [MOVERS, MOVERS]},
        {"groups": [MOVERS | {"members": ["7.0"]}]},
        {"note": 3},
        {"note": "n" * (LONGEST_NOTE + 1)},
    ],
)
def test_a_session_file_with_others_is_refused_and_changes_nothing(
    settled_explorer: sw.Explorer, tmp_path: Path, change: dict[str, Any]
) -> None:
    explorer = settled_explorer
    path = explorer.save_session(tmp_path / "session.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change, allow_nan=False))
    explorer.groups, explorer.note, explorer.shade = [MOVERS], "Seen.", "entry"
    with pytest.raises(sw.errors.SessionFileError, match="session file"):
        explorer.load_session(path)
    assert (explorer.groups, explorer.note, explorer.shade) == ([MOVERS], "Seen.", "entry")


def test_a_session_file_from_before_has_none(settled_explorer: sw.Explorer, tmp_path: Path) -> None:
    path = settled_explorer.save_session(tmp_path / "session.json")
    content = json.loads(path.read_text())
    del content["groups"], content["note"]
    path.write_text(json.dumps(content, allow_nan=False))
    settled_explorer.groups, settled_explorer.note = [MOVERS], "Seen."
    settled_explorer.load_session(path)
    assert (settled_explorer.groups, settled_explorer.note) == ([], "")


def test_a_page_holds_them_as_data(settled_explorer: sw.Explorer, tmp_path: Path) -> None:
    settled_explorer.groups, settled_explorer.note = {HOSTILE: ["1.3"]}, HOSTILE
    page = settled_explorer.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert HOSTILE not in page
    (data,) = re.findall(r'class="strace-widgets-state">(.*?)</script>', page, re.DOTALL)
    state = json.loads(data)
    assert (state["groups"], state["note"]) == (settled_explorer.groups, HOSTILE)
