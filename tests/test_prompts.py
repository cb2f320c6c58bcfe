"""Where prompts come from, and those that come with the package."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pytest

import strace_widgets as sw
from strace_widgets.studies import prompts as room
from strace_widgets.studies.prompts import read_prompts

KINDS = {
    *("facts", "syntax", "agreement", "arithmetic", "code", "repetition"),
    *("rare words", "names", "other languages", "open-ended"),
}
TEXTS = ["The sky is", "Grass is", "Snow is"]


def contents(*arguments: Any, **options: Any) -> list[Any]:
    return [prompt.content for prompt in read_prompts(*arguments, **options)]


def test_shipped_prompts_are_many_of_ten_kinds() -> None:
    prompts = sw.shipped_prompts()
    counts = Counter(prompt["kind"] for prompt in prompts)
    assert set(counts) == KINDS
    assert min(counts.values()) >= 20
    assert len(prompts) >= 200
    assert len(sw.shipped_prompts("code")) == counts["code"]


def test_shipped_prompts_are_all_different() -> None:
    prompts = sw.shipped_prompts()
    for key in ("id", "text"):
        assert not [value for value, count in Counter(prompt[key] for prompt in prompts).items() if count > 1]


def test_shipped_prompts_keep_their_conventions(smollm2: Any) -> None:
    for prompt in sw.shipped_prompts():
        text, expected = prompt["text"], prompt.get("expected")
        assert text == text.strip(), "no space at the end: it belongs to the next word"
        assert 5 <= len(smollm2.encode(text)) <= 20, text
        assert (expected is None) == (prompt["kind"] == "open-ended"), text
        if prompt["kind"] not in {"code", "arithmetic", "other languages", "open-ended"}:
            assert expected.startswith(" "), text
            assert expected == f" {expected.strip()}", text
        assert (prompt["language"] == "en") == (prompt["kind"] not in {"code", "other languages"}), text


def test_shipped_prompts_are_copies() -> None:
    sw.shipped_prompts()[0]["text"] = "changed"
    assert sw.shipped_prompts()[0]["text"] != "changed"


def test_the_halves_are_balanced_and_share_nothing() -> None:
    halves = {half: sw.shipped_prompts(half=half) for half in ("tuning", "reporting")}
    for prompts in halves.values():
        assert Counter(prompt["kind"] for prompt in prompts) == dict.fromkeys(KINDS, 10)
    ids = [prompt["id"] for prompts in halves.values() for prompt in prompts]
    assert len(set(ids)) == 200
    assert set(ids) < {prompt["id"] for prompt in sw.shipped_prompts()}
    assert len(sw.shipped_prompts("code", half="reporting")) == 10
    with pytest.raises(ValueError, match="half='better' does not exist: choose 'tuning' or 'reporting'"):
        sw.shipped_prompts(half="better")


def test_the_halves_are_frozen() -> None:
    told = {
        half: zlib.crc32(
            "\n".join(sorted(prompt["id"] + prompt["text"] for prompt in sw.shipped_prompts(half=half))).encode()
        )
        for half in ("tuning", "reporting")
    }
    # Figures are reported on them: another draw, or another text, would make those of before incomparable.
    assert told == {"tuning": 1589161501, "reporting": 2962484833}


def test_the_halves_do_not_depend_on_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    before = room._half("tuning")
    backwards = room._shipped()[::-1]
    monkeypatch.setattr(room, "_shipped", lambda: backwards)
    assert room._half.__wrapped__("tuning") == before


def test_the_default_model_knows_most_facts(smollm2: Any, tmp_path: Path) -> None:
    study = sw.study(smollm2, sw.shipped_prompts("facts"), tmp_path / "s", sizes=[1], baselines=(), progress=False)
    assert not study.prompts["expected_id"].isna().any()
    assert study.summary().loc["facts", "expected"] >= 0.7


def test_a_kind_that_does_not_exist() -> None:
    with pytest.raises(sw.errors.StudyError, match="'poems': choose one of 'facts', 'syntax'"):
        sw.shipped_prompts("poems")


def test_texts_files_columns_and_data_sets(tmp_path: Path) -> None:
    lines = tmp_path / "prompts.txt"
    lines.write_text("\n".join([TEXTS[0], "", *TEXTS[1:]]), encoding="utf-8")
    objects = tmp_path / "prompts.jsonl"
    objects.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS), encoding="utf-8")
    strings = tmp_path / "strings.jsonl"
    strings.write_text("\n".join(json.dumps(text) for text in TEXTS), encoding="utf-8")
    data = datasets.Dataset.from_dict({"question": TEXTS})
    for source in (TEXTS, iter(TEXTS), np.array(TEXTS), lines, str(lines), objects, strings, pd.Series(TEXTS)):
        assert contents(source) == TEXTS
    assert contents(pl.Series(TEXTS)) == TEXTS
    for table in (pd.DataFrame({"question": TEXTS}), pl.DataFrame({"question": TEXTS}), data):
        assert contents(table, column="question") == TEXTS
    assert contents(data.to_iterable_dataset(), column="question") == TEXTS
    assert contents(data["question"]) == TEXTS


def test_token_ids_come_as_lists() -> None:
    assert contents([[1, 2], (3,), np.array([4, 5])]) == [[1, 2], [3], [4, 5]]
    assert contents([{"token_ids": [1, 2]}]) == [[1, 2]]


def test_what_is_told_beside_the_text() -> None:
    frame = pd.DataFrame({"text": TEXTS, "kind": ["a", None, np.nan], "id": [10, 11, 12], "expected": [" blue"] * 3})
    prompts = read_prompts(frame)
    assert [prompt.kind for prompt in prompts] == ["a", None, None]
    assert [prompt.id for prompt in prompts] == ["10", "11", "12"]
    assert prompts[0].expected == " blue"


def test_a_draw_is_seeded_and_grows() -> None:
    texts = [str(n) for n in range(100)]
    ten, twenty = contents(texts, limit=10), contents(texts, limit=20)
    assert ten == contents(texts, limit=10)
    assert set(ten) < set(twenty)
    assert ten == sorted(ten, key=int), "in the order of the source"
    assert ten != contents(texts, limit=10, seed=1)
    assert contents(texts, limit=1000) == texts
    assert read_prompts(texts, limit=10)[0].id == ten[0], "a prompt keeps its number"


def test_sources_that_make_no_sense(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"text": "a"}\n{"text"\n', encoding="utf-8")
    wrong: list[tuple[Any, str]] = [
        ("The capital of France is", "a single text goes in a list"),
        (tmp_path, "No prompts could be read"),
        (broken, "Line 2 of .* is not JSON"),
        ([{"id": "a", "text": "b"}, {"id": "a", "text": "c"}], "Prompts 0 and 1 both have the id 'a'"),
        ([{"question": "a"}], "Prompt 0 has no 'text', only 'question'"),
        (pd.DataFrame({"question": TEXTS}), "name the column"),
        (7, "7 is none of these"),
        (datasets.DatasetDict(train=datasets.Dataset.from_dict({"text": TEXTS})), "'train': choose one of its parts"),
    ]
    for source, sentence in wrong:
        with pytest.raises(sw.errors.StudyError, match=sentence):
            read_prompts(source)
    with pytest.raises(sw.errors.StudyError, match="no prompt to study"):
        read_prompts(TEXTS, limit=0)
