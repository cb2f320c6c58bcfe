"""The report of a study: what is on it, that it loads nothing, and figures and tables for a paper."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from hand_made_study import hand_made_study

import strace_widgets as sw
from strace_widgets.report.sections import sections_of


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> sw.Model:
    folder = tmp_path_factory.mktemp("model")
    tiny_models.tiny().save_pretrained(folder)
    tiny_models.words().save_pretrained(folder)
    return sw.load_model(folder)


@pytest.fixture(scope="module")
def study(model: sw.Model, tmp_path_factory: pytest.TempPathFactory) -> sw.Study:
    prompts: list[Any] = [
        {"id": f"p<{n}>", "text": f"w{n} w{3 * n + 1} w{90 - n} w{5 * n}", "kind": "<i>ab"[n % 5], "target": 7}
        for n in range(12)
    ]
    prompts.append({"id": "empty", "text": "", "kind": "a"})
    folder = tmp_path_factory.mktemp("report") / "s"
    return sw.study(model, prompts, folder, importance=("l1", "l2"), hidden_states=True, progress=False)


class Read(HTMLParser):
    """What a page has: its tags, what they link to, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_says_what_was_done_and_found(study: sw.Study, tmp_path: Path) -> None:
    file = study.report(tmp_path / "new" / "report.html")
    page = file.read_text(encoding="utf-8")
    read = Read(page)
    manifest = (study.folder / "manifest.json").read_text()
    for digest in re.findall(r'"\w*sha256": "(\w+)"', manifest):
        assert digest in read.text
    assert "12 of 13" not in read.text
    for words in ("l1, l2", "inverse, random", "torch 2.", "float32 on cpu", "The prompt is empty", "13 prompts"):
        assert words in read.text, words
    sections = [value for tag, name, value in read.attributes if (tag, name) == ("section", "id")]
    assert {"error_by_size", "composition", "component_use", "uncertainty", "extremes", "geometry"} <= set(sections)
    assert read.tags.count("svg") >= 9
    assert "every prompt" not in read.text
    assert study.report(tmp_path / "again.html").read_text(encoding="utf-8") == page


def test_the_report_loads_nothing_and_runs_nothing(study: sw.Study, tmp_path: Path) -> None:
    page = study.report(tmp_path / "report.html").read_text(encoding="utf-8")
    read = Read(page)
    assert not {"script", "link", "iframe", "i", "img"} & set(read.tags), "ids and kinds of prompts are text"
    addresses = [value for _, name, value in read.attributes if name in {"src", "href", "xlink:href"}]
    assert not [each for each in addresses if not each.startswith("#")]
    ids = [value for _, name, value in read.attributes if name == "id"]
    assert len(ids) == len(set(ids)), "pictures do not name their parts alike"
    assert "default-src 'none'" in page


def test_extreme_prompts_lead_to_their_explorer(study: sw.Study, model: sw.Model, tmp_path: Path) -> None:
    page = study.report(tmp_path / "a report.html", model=model).read_text(encoding="utf-8")
    links = {value for tag, name, value in Read(page).attributes if (tag, name) == ("a", "href")}
    assert links
    pages = list((tmp_path / "a report-prompts").iterdir())
    assert {f"a%20report-prompts/{each.name}" for each in pages} == links
    assert "strace-widgets-state" in pages[0].read_text(encoding="utf-8")
    other = sw.load_model(tiny_models.tiny(seed=1), tokenizer=tiny_models.words())
    with pytest.raises(sw.errors.StudyError, match="of other weights"):
        study.report(tmp_path / "x.html", model=other)


def test_a_report_says_what_it_lacks(tmp_path: Path) -> None:
    page = hand_made_study(3).report(tmp_path / "r.html", title="By <hand>").read_text(encoding="utf-8")
    assert "<h1>By &lt;hand&gt;</h1>" in page
    text = Read(page).text
    assert "Not in this report" in text
    assert "This study kept no hidden states" in text
    assert "No prompt failed." in text


def test_figures_are_as_wide_as_asked_and_can_be_read(study: sw.Study, tmp_path: Path) -> None:
    asked: list[tuple[Any, float, tuple[str, ...]]] = [
        ("column", 85.0, ("svg", "pdf")),
        ("page", 178.0, ("svg",)),
        (120, 120.0, ("pdf",)),
    ]
    for width, millimetres, formats in asked:
        files = study.save_figures(tmp_path / str(width), width=width, formats=formats)
        assert {file.suffix for file in files} == {f".{name}" for name in formats}
        for file in files:
            if file.suffix == ".pdf":
                found = re.search(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ", file.read_bytes())
                assert found
                assert float(found[1]) == pytest.approx(millimetres / 25.4 * 72, rel=0.01), file
                continue
            svg = file.read_text(encoding="utf-8")
            head = svg[: svg.index(">")]
            size = re.search(r'width="([\d.]+)mm"', head)
            box = re.search(r'viewBox="0 0 ([\d.]+) ', head)
            assert size and box, head  # noqa: PT018
            assert float(size[1]) == pytest.approx(millimetres, rel=0.01), file
            smallest = min(map(float, re.findall(r'font-size="([\d.]+)px"', svg)))
            assert smallest * millimetres / float(box[1]) / 25.4 * 72 >= 6, file
    with pytest.raises(ValueError, match="width='wide' does not exist: choose 'column' or 'page'"):
        study.save_figures(tmp_path, width="wide")
    with pytest.raises(ValueError, match="A figure of 20 mm has no room"):
        study.save_figures(tmp_path, width=20)
    with pytest.raises(ValueError, match="cannot be written as 'gif'"):
        study.save_figures(tmp_path, formats=("gif",))


def test_findings_are_worked_out_once_for_a_report_its_figures_and_its_tables(study: sw.Study) -> None:
    assert sections_of(study) is sections_of(study)
    assert sections_of(sw.load_study(study.folder)) is not sections_of(study)  # which may have grown


def test_tables_come_in_latex(study: sw.Study, tmp_path: Path) -> None:
    files = {file.stem: file.read_text(encoding="utf-8") for file in study.save_latex(tmp_path)}
    assert {"error_by_size", "uncertainty", "extremes"} <= set(files)
    assert r"\toprule" in files["uncertainty"]
    assert r"\label{tab:uncertainty}" in files["uncertainty"]
    assert "Spearman" in files["uncertainty"]
    assert "p<0>" in files["extremes"] or r"p\textless" in files["extremes"] or "prompt id" in files["extremes"]
