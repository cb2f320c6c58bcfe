"""Prompts from where people have them: files, tables, streams and templates, each with its id."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import strace_widgets as sw

ROWS = [
    {"id": "007", "text": "w1, w2", "kind": "a", "target": " w3", "foil": " w4", "counterfactual": "w9 w2"},
    {"id": "b", "text": "w5\nw6", "kind": None, "target": None, "foil": None, "counterfactual": None},
]
CHAT = [[{"role": "user", "content": f"w{n}"}] for n in range(2)]


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows)


def test_every_form_of_a_table_is_the_same_prompts(tmp_path: Path) -> None:
    expected = sw.read_prompts(ROWS)
    assert [prompt.id for prompt in expected] == ["007", "b"]
    assert expected[0].question() == {"target": " w3", "foil": " w4", "counterfactual": "w9 w2"}
    frame = pd.DataFrame(ROWS)
    pq.write_table(table(ROWS), tmp_path / "p.parquet")
    frame.to_csv(tmp_path / "p.csv", index=False)
    frame.to_csv(tmp_path / "p.tsv", index=False, sep="\t")
    frame.to_json(tmp_path / "p.jsonl", orient="records", lines=True)
    files = [tmp_path / f"p.{kind}" for kind in ("parquet", "csv", "tsv", "jsonl")]
    lazy, held = pl.from_dicts(ROWS).lazy(), datasets.Dataset.from_list(ROWS)
    for source in (*files, frame, pl.from_dicts(ROWS), lazy, table(ROWS), held, held.to_iterable_dataset()):
        assert sw.read_prompts(source) == expected, source


def test_empty_cells_say_nothing() -> None:
    frame = pd.DataFrame({"text": ["w1", "w2"], "target": [np.nan, 4.0], "id": [pd.NA, "x"], "foil": ["", "w3"]})
    first, second = sw.read_prompts(frame)
    assert (first.id, first.question()) == ("0", {})
    assert (second.id, second.question()) == ("x", {"target": 4.0, "foil": "w3"})


def test_messages_and_token_ids_in_a_table() -> None:
    frame = pl.DataFrame({"chat": CHAT, "ids": [[1, 2], [3, 4, 5]]})
    assert [prompt.content for prompt in sw.read_prompts(frame, column="chat")] == CHAT
    assert [prompt.content for prompt in sw.read_prompts(frame, column="ids")] == [[1, 2], [3, 4, 5]]


def test_a_stream_is_read_as_far_as_asked() -> None:
    endless = ({"id": f"s{n}", "text": f"w{n}"} for n in itertools.count())
    assert [prompt.id for prompt in sw.read_prompts(endless, limit=3)] == ["s0", "s1", "s2"]
    streamed = datasets.Dataset.from_list([{"text": f"w{n}"} for n in range(9)]).to_iterable_dataset()
    assert [prompt.content for prompt in sw.read_prompts(streamed, limit=2)] == ["w0", "w1"]


def test_a_template_is_filled_from_rows() -> None:
    rows = [{"uid": 7, "country": "France", "capital": "Paris", "other": "Italy", "kind": "facts"}]
    template = {
        "id": "{uid}",
        "text": "The capital of {country} is",
        "target": " {capital}",
        "counterfactual": "The capital of {other} is",
    }
    (prompt,) = sw.read_prompts(pd.DataFrame(rows), template=template)
    assert (prompt.id, prompt.content, prompt.kind) == ("7", "The capital of France is", "facts")
    assert prompt.question() == {"target": " Paris", "counterfactual": "The capital of Italy is"}
    (plain,) = sw.read_prompts(rows, template="if ({{x}}) {country}")
    assert plain.content == "if ({x}) France"
    (chat,) = sw.read_prompts(rows, template=[{"role": "user", "content": "Is it {capital}?"}])
    assert chat.content == [{"role": "user", "content": "Is it Paris?"}]
    (whole,) = sw.read_prompts([{"conversation": CHAT[0]}], template={"messages": "{conversation}"})
    assert whole.content == CHAT[0]
    assert [p.content for p in sw.read_prompts(["w1", "w2"], template="{text} w9")] == ["w1 w9", "w2 w9"]


def test_every_combination_of_words_is_a_prompt() -> None:
    words = {"a": ["w1", "w2"], "b": ["w3", "w4", "w5"]}
    prompts = sw.read_prompts(words, template="{a} {b}")
    assert [prompt.content for prompt in prompts][:3] == ["w1 w3", "w1 w4", "w1 w5"]
    assert [prompt.id for prompt in prompts][-1] == "w2/w5"
    assert len(prompts) == 6


def test_sources_that_hold_no_prompts(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("id,text\nx,w1,w2\n", encoding="utf-8")
    (tmp_path / "no.parquet").write_text("w1", encoding="utf-8")
    wrong: list[tuple[Any, dict[str, Any], str]] = [
        (tmp_path / "wide.csv", {}, "Row 1 of .*wide.csv has more cells than its header"),
        (tmp_path / "no.parquet", {}, "No prompts could be read from .*no.parquet"),
        (tmp_path / "none.parquet", {}, r"No prompts could be read from .*none.parquet \(No such file"),
        (ROWS, {"column": "question"}, "Prompt 0 has no 'question', only 'id', 'text'"),
        (ROWS, {"template": "{question}?"}, r"The template has the slot \{question\}, and row 0 has no 'question'"),
        (ROWS, {"template": "{text}", "column": "text"}, "give one of the two"),
        ({"train": ROWS}, {}, "a dict of 'train': choose one of its parts"),
    ]
    for source, options, sentence in wrong:
        with pytest.raises(sw.errors.StudyError, match=sentence):
            sw.read_prompts(source, **options)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.parquet", b"PAR1" + bytes(60) + b"PAR1"),
        ("p.parquet", b""),
        ("p.jsonl", b"[" * 100_000),
        ("p.jsonl", b'"\xff"'),
        ("p.csv", b'text\n"' + b"w" * 200_000),
        ("p.txt", b"\xff\xfe"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_damaged_files_are_told(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(sw.errors.StudyError, match=rf"{name}"):
        sw.read_prompts(tmp_path / name)
