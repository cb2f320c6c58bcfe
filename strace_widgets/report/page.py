"""The report of a study: one page without scripts, which nothing is loaded into."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import vl_convert

from ..explorer.html_page import document
from ..paths import expanded, write_file
from ..studies import manifest as manifests
from ..study_explorer.opening import Opening
from .sections import sections_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..extras import pd
    from ..model.model import Model
    from ..paths import AnyPath
    from ..studies.store import Study
    from .sections import Section

ROWS = 400
"""How many rows of a table a report has at most."""

COUNTED = (
    "How many prompts of each kind, how many failed, the share with an expected continuation at which the model is "
    "right, the median entropy of its prediction in nats, and the median necessary size for its top token."
)

PAGES = "-prompts"
"""What the name of the folder of single prompts' pages ends in."""


def write_report(study: Study, path: AnyPath, *, title: str | None = None, model: Model | None = None) -> Path:
    """Write the report of a study as one page; return its path. `strace_widgets.Study.report` says what is in it."""
    file = expanded(path)
    sections, without = sections_of(study)
    links = {} if model is None else _prompt_pages(study, file, sections, model)
    name = title or f"{study.settings.model}: {len(study.prompts):,} prompts"
    parts: list[str] = [
        f"<h1>{html.escape(name)}</h1>",
        _settings(study),
        f"<h2>Prompts</h2><p>{COUNTED}</p>",
        _table(study.summary().reset_index()),
        *(_section(number, each, links) for number, each in enumerate(sections)),
        _failures(study),
        _not_there(without),
    ]
    return write_file(file, _page(name, "\n".join(parts)).encode())


def _settings(study: Study) -> str:
    s = study.settings
    rows = {
        "Model": s.model,
        "Tokenizer": s.tokenizer,
        "Importance": ", ".join(s.importance),
        "Masks": ", ".join(s.masks),
        "Attention, ablation": f"{s.attention}, {s.ablation}",
        "Baselines": ", ".join(s.baselines) or "none",
        "Sizes": f"{len(s.sizes)}, from {s.sizes[0]:.3g} to 1",
        "Positions": s.positions,
        "Seed": str(s.seed),
    }
    file = study.folder / manifests.FILE
    if file.exists():  # studies of before have none
        found = manifests.read_manifest(file)
        rows["Loaded from"] = found.model.source or "a model that was held"
        rows["Weights' index, SHA-256"] = found.model.weights_sha256
        rows["Prompts, SHA-256"] = found.prompts.sha256
        for here in found.environments:
            versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
            rows["Ran with"] = "; ".join(
                filter(None, (rows.get("Ran with"), f"{here.dtype} on {here.device}; {versions}"))
            )
    lines = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in rows.items())
    return f'<table class="settings">{lines}</table>'


def _section(number: int, section: Section, links: Mapping[str, str]) -> str:
    table = section.table
    shown = _table(table, links)
    if len(table) > 12:  # noqa: PLR2004 - what fits under a chart
        shown = f"<details><summary>Table, {len(table):,} rows</summary>{shown}</details>"
    return (
        f'<section id="{section.name}"><h2>{html.escape(section.title)}</h2><p>{html.escape(section.says)}</p>'
        f"{_figure(number, section)}{shown}</section>"
    )


def _figure(number: int, section: Section) -> str:
    if section.chart is None:
        return ""
    svg = vl_convert.vegalite_to_svg(section.chart.to_dict())
    # Several pictures share the page, and number their parts as they were drawn: each gets numbers of its own.
    names = {name: f"f{number}-{k}" for k, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}
    svg = re.sub(r'\bid="([^"]+)"', lambda found: f'id="{names[found[1]]}"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{names.get(found[1], found[1])})", svg)
    svg = re.sub(r"^<svg ", f'<svg role="img" aria-label="{html.escape(section.title)}" ', svg)
    return f"<figure>{svg}</figure>"


def _table(table: pd.DataFrame, links: Mapping[str, str] | None = None) -> str:
    """Return a table as HTML, its first rows where there are many; ids of prompts lead to their pages."""
    first = table.head(ROWS)
    head = "".join(f"<th>{html.escape(str(name))}</th>" for name in first)
    body = "".join(
        "<tr>" + "".join(_cell(name, value, links or {}) for name, value in zip(first, row, strict=True)) + "</tr>"
        for row in first.itertuples(index=False, name=None)
    )
    more = f"<p>The first {ROWS} of {len(table):,} rows.</p>" if len(table) > ROWS else ""
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>{more}'


def _cell(name: Any, value: Any, links: Mapping[str, str]) -> str:
    if isinstance(value, float):
        return f'<td class="number">{"" if value != value else f"{value:.3g}"}</td>'  # noqa: PLR0124 - NaN
    text = "" if value is None or str(value) in {"<NA>", "nan"} else html.escape(str(value))
    if name == "prompt_id" and value in links:
        text = f'<a href="{html.escape(links[value])}">{text}</a>'
    return f"<td>{text}</td>" if isinstance(value, str) else f'<td class="number">{text}</td>'


def _failures(study: Study) -> str:
    failed = study.prompts[study.prompts["status"] == "failed"][["prompt_id", "text", "reason"]]
    if failed.empty:
        return "<h2>Failures</h2><p>No prompt failed.</p>"
    n_failed = "1 prompt" if len(failed) == 1 else f"{len(failed):,} prompts"
    return f"<h2>Failures</h2><p>{n_failed} could not be traced, for the reason beside.</p>{_table(failed)}"


def _not_there(without: Mapping[str, str]) -> str:
    if not without:
        return ""
    rows = "".join(f"<li>{html.escape(title)}: {html.escape(reason)}</li>" for title, reason in without.items())
    return f"<h2>Not in this report</h2><ul>{rows}</ul>"


def _prompt_pages(study: Study, file: Path, sections: list[Section], model: Model) -> dict[str, str]:
    """Write the Explorer's page of each extreme prompt beside the report; return the links to them."""
    folder = file.with_name(f"{file.stem}{PAGES}")
    opening = Opening(study, model)
    extremes = next((each.table for each in sections if each.name == "extremes"), None)
    rows = [] if extremes is None else extremes[["prompt_id", "importance"]].drop_duplicates("prompt_id").to_numpy()
    links = {}
    for number, (name, importance) in enumerate(rows):
        page = folder / f"{number:02d}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)[:60]}.html"
        opening.traced(name, importance).to_html(page)
        links[name] = f"{quote(folder.name)}/{quote(page.name)}"
    return links


def _page(title: str, content: str) -> str:
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    return document(title, policy, style, content)
