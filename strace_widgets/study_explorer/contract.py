"""What Python and the browser say to each other of a study: see `strace_widgets.explorer.contract`.

``js/generate_protocol.py`` makes ``js/src/protocol/study.ts`` from it.
"""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from ..explorer.contract import EncodedArray, ExplorerState  # noqa: TC001 - read as it runs

Opens = Literal["live", "kept", "none"]


class StudiedModel(TypedDict):
    """A model that was studied."""

    name: Annotated[str, "as it was loaded"]
    n_layers: Annotated[int, "how many layers it has"]
    n_heads: Annotated[int, "how many heads a layer has"]
    opens: Annotated[Opens, "whether a prompt opens on the model, as its trace was kept, or not at all"]


class StudyRun(TypedDict):
    """One way in which all prompts were traced and evaluated."""

    importance: Annotated[str, "the importance measure"]
    masks: Annotated[str, "which edges a subgraph may lose"]


class StudyColumn(TypedDict):
    """A number that is known of each prompt before it is traced."""

    key: Annotated[str, "its name in the table of prompts"]
    label: Annotated[str, "for an axis, with its unit"]


class StudyState(TypedDict):
    """What is shown of a study beside its prompts, which come in portions."""

    title: Annotated[str, "a heading"]
    models: Annotated[list[StudiedModel], "one a study that is shown"]
    runs: Annotated[list[StudyRun], "those that all studies have"]
    importances: Annotated[list[str], "the measures of `runs`, each once"]
    sizes: Annotated[list[float], "the grid, ascending; the last is 1"]
    use_sizes: Annotated[list[float], "the sizes at which the use of components is told"]
    criteria: Annotated[list[str], "what a necessary size is necessary for"]
    columns: Annotated[list[StudyColumn], "the numbers of `numbers`"]
    n_asked: Annotated[int, "how many prompts there are once the study is whole"]


class StudyArrays(TypedDict):
    """The numbers of a portion of n prompts; not-a-number where a prompt failed or has none."""

    numbers: Annotated[EncodedArray, "float32 (columns, n)"]
    curves: Annotated[EncodedArray, "float32 (runs, n, sizes): total variation of the trace"]
    necessary: Annotated[EncodedArray, "float32 (runs, criteria, n)"]
    use: Annotated[
        EncodedArray,
        "uint8 (importances, use sizes, n, layers x (heads + 1)): the share of a head's edges, or of an MLP's (the "
        "last of its layer), that is in the trace; in 255ths, rounded up",
    ]


class StudyRows(TypedDict):
    """A portion of prompts of one study."""

    model: Annotated[int, "the place of its model"]
    ids: Annotated[list[str], "of the prompts"]
    texts: Annotated[list[str], "which are data and never HTML"]
    kinds: Annotated[list[str], "empty for none"]
    languages: Annotated[list[str], "empty for none"]
    top1: Annotated[list[str], "the full model's most probable next token"]
    reasons: Annotated[list[str], "why a prompt failed; empty if it did not"]
    arrays: Annotated[StudyArrays, "its numbers"]


class KeptPrompt(TypedDict):
    """A prompt's Explorer on a page."""

    row: Annotated[int, "of the prompt"]
    importance: Annotated[str, "the measure"]
    state: Annotated[str, "its state: JSON, compressed by gzip, as base64"]


class StudyPage(TypedDict):
    """A study in a page without a kernel."""

    study: Annotated[StudyState, "all but its prompts"]
    rows: Annotated[list[StudyRows], "all portions"]
    kept: Annotated[list[KeptPrompt], "the Explorers that can be opened"]


class RowsAsked(TypedDict):
    """Which portion of prompts is asked for."""

    portion: Annotated[int, "its number, from 0"]


class RowsAnswer(TypedDict):
    """A portion of prompts."""

    rows: Annotated[StudyRows, "the portion, its bytes apart"]


class OpenAsked(TypedDict):
    """Which prompt is to be opened."""

    row: Annotated[int, "its number, counted over all portions"]
    importance: Annotated[str, "the measure"]


class OpenAnswer(TypedDict):
    """A prompt's Explorer."""

    state: NotRequired[Annotated[ExplorerState, "as it was kept; without one it is the model's trait `explorer`"]]
