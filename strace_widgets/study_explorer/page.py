"""A study as one page without a kernel: the prompts in linked views, and the Explorers that were kept."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING, Any

from ..explorer.html_page import data_element, page_of
from ..studies.checksums import check, was_written
from ..studies.kept_views import view_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .contract import KeptPrompt, StudyPage, StudyState
    from .following import Portion


def study_page(title: str | None, study: StudyState, portions: Sequence[Portion], importances: Sequence[str]) -> bytes:
    """Return the page."""
    kept = list(_kept(portions, importances))
    opens = [_opens(model["opens"], kept) for model in study["models"]]
    models = [model | {"opens": how} for model, how in zip(study["models"], opens, strict=True)]
    whole: StudyPage = {
        "study": {**study, "models": models},
        "rows": [portion.rows for portion in portions],
        "kept": kept,
    }
    look = "" if title else ' class="unseen"'  # the card has a heading of its own
    body = f"<h1{look}>{html.escape(title or study['title'])}</h1>\n{data_element('study', whole)}"
    return page_of("study", title or study["title"], body).encode()


def _opens(how: str, kept: list[KeptPrompt]) -> Any:
    """Return how prompts open where no model is: as they were kept, if they were."""
    return "kept" if kept and how != "none" else "none"


def _kept(portions: Sequence[Portion], importances: Sequence[str]) -> Iterator[KeptPrompt]:
    row = 0
    for portion in portions:
        for part in portion.parts:
            for importance in importances:
                file = view_file(importance)
                if was_written(part, file):
                    check(part, file)
                    state = base64.b64encode((part / file).read_bytes()).decode()
                    yield {"row": row, "importance": importance, "state": state}
            row += 1
