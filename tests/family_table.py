"""What docs/models.md says of families: written by ``make tables`` from the lists that the tests go through."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from families import ALL, Family, class_name
from refused_families import ALL_REFUSED, NOT_BUILT
from wrapped_families import ALL_WRAPPED

PAGE = Path(__file__).parent.parent / "docs" / "models.md"


def classes(families: list[Family]) -> set[str]:
    """The names of the classes of families."""
    return {class_name(family.name, family.options) for family in families}


REFUSED_CLASSES = classes([each.family for each in ALL_REFUSED]) | set(NOT_BUILT)
SUPPORTED_CLASSES = classes(ALL + ALL_WRAPPED) - REFUSED_CLASSES


def table() -> str:
    """The page's tables of families, supported and refused, and their counts."""
    supported: dict[str, list[str]] = defaultdict(list)
    for family in ALL + ALL_WRAPPED:
        supported[family.kind].append(family.note or family.name)
    refused: dict[str, list[str]] = defaultdict(list)
    for family, reason in ALL_REFUSED:
        refused[reason.words].append(class_name(family.name, family.options).removesuffix("ForCausalLM"))
    return "\n".join(
        [
            f"{len(SUPPORTED_CLASSES)} model classes are supported. By the prefix of their transformers classes:",
            "",
            "| block | families |",
            "|---|---|",
            *(f"| {kind} | {', '.join(names)} |" for kind, names in supported.items()),
            "",
            f"{len(REFUSED_CLASSES)} are refused, with the layer or the part, and why:",
            "",
            "| why | families |",
            "|---|---|",
            *(f"| {words} | {', '.join(names)} |" for words, names in refused.items()),
            *(f"| not tried: {reason} | {name} |" for name, reason in NOT_BUILT.items()),
        ]
    )


def with_table(readme: str) -> str:
    """The page with its tables of families as they should be."""
    before, opening, rest = readme.partition("<!-- families -->\n")
    _, closing, after = rest.partition("<!-- /families -->")
    assert opening
    assert closing
    return f"{before}{opening}{table()}\n{closing}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
