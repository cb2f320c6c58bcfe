"""The ranges of pyproject.toml are those that were tested, and a page shows them: see `versions.py`."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from typing import Any

import mock_ndif
import pytest
import versions
from mock_ndif import MockNDIF

import strace_widgets as sw
from strace_widgets.remote import loading

RECORD = json.loads(versions.RECORD.read_text(encoding="utf-8"))


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0]))


def test_readme_shows_the_ranges_and_what_was_tested() -> None:
    """To refresh the table: ``make test-versions``, or ``make tables`` where only a sentence is new."""
    page = versions.PAGE.read_text(encoding="utf-8")
    assert versions.with_table(page) == page


def test_the_lower_end_of_every_range_was_tested() -> None:
    for name, wish in versions.ranges().items():
        if name in RECORD["oldest"]:
            bound, tested = numbers(versions.lowest(wish)), numbers(RECORD["oldest"][name])
            assert tested[: len(bound)] == bound, name
            assert not any(tested[len(bound) : 3]) or name == "python", name


@pytest.mark.parametrize("name", versions.TOLD)
def test_what_is_installed_here_lies_between_the_ends(name: str) -> None:
    assert numbers(RECORD["oldest"][name]) <= numbers(version(name)) <= numbers(RECORD["newest"][name])


@pytest.mark.parametrize(
    "reason", [Exception("Impossible to guess which tokenizer to use."), AttributeError("no attribute 'from_config'")]
)
def test_an_nnsight_that_does_not_get_on_with_transformers_is_named_with_the_ranges(
    reason: Exception, ndif: MockNDIF, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first is what nnsight 0.8.1 says with transformers 5.23 to one who gives it no tokenizer."""

    def of_another_version(*_: Any, **__: Any) -> Any:
        raise reason

    monkeypatch.setattr(loading, "TransformersModel", of_another_version)
    with pytest.raises(sw.errors.VersionMismatchError, match=re.escape(str(reason))) as raised:
        sw.load_model(ndif.name, remote=mock_ndif.URL, client=ndif.client)
    for name in ("nnsight", "transformers"):
        assert f"{name} {version(name)}" in str(raised.value)
        assert re.search(rf"versions within .*{name}[<>=]", str(raised.value))


if __name__ == "__main__":
    versions.PAGE.write_text(versions.with_table(versions.PAGE.read_text(encoding="utf-8")), encoding="utf-8")
