"""The results of a study: its tables, read from its folder, whole or as far as it has come."""

from __future__ import annotations

import html
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import StudyError
from ..graph.edges import Array, Edges, Graph
from ..graph.order import SavedOrder
from .checksums import arrays_of, was_written
from .elsewhere import brought
from .folder import STATES, described, finished_parts, refuse_other_settings
from .tables import read_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ..extras import pd
    from ..findings.budget import Budget
    from ..model.model import Model
    from ..paths import AnyPath
    from ..study_explorer.widget import StudyExplorer
    from .settings import Settings


AT_A_TIME = 256
"""How many prompts' rows are in memory at once where a table is read in batches."""


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """The results of `strace_widgets.study`: tidy tables, one row a fact, read from the folder when first asked for.

    Attributes
    ----------
    folder : Path
    settings : Settings
    n_asked : int
        How many prompts the study has when it is whole.
    others : tuple of Path
        The folders of its other parts, of a study that was run in several.

    Notes
    -----
    Sizes are shares s of a prompt's E edges, from the same grid for all prompts (``settings.sizes``); entropies and KL
    divergences are in nats, nuclei in per cent, correlations are Spearman's.
    """

    folder: Path
    settings: Settings
    n_asked: int
    others: tuple[Path, ...] = ()

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """One row a prompt, and what the full model predicts.

        ``status`` is "ok" or "failed", with the ``reason``. ``expected_id`` is the first token of the expected text,
        and ``full_expected_probability`` the probability that the full model gives it. ``full_unigram_correlation`` is
        the rank correlation of the full model's probabilities with the frequency of English words, over the tokens that
        are words. ``warning`` says what of the prompt is probably not meant, such as two start tokens.
        """
        return self._table("prompts")

    @cached_property
    def points(self) -> pd.DataFrame:
        """One row a prompt, importance, masks mode, subgraph and size: what the subgraph predicts.

        ``subgraph`` is "trace", or a baseline: "inverse", "random", "random-residual-kept". ``n_edges`` of the trace is
        int(s E). ``top1`` says whether the subgraph's most probable token is the full model's, and ``nucleus`` is the
        largest nucleus that it recovers, in per cent, or 0. ``full_correlation`` and ``unigram_correlation`` are the
        rank correlations of its probabilities with the full model's and with word frequency: NaN where all tokens are
        equally probable. Baselines are computed once for each masks mode; an inverse is that of the first importance
        measure.
        """
        return self._table("points")

    @cached_property
    def necessary(self) -> pd.DataFrame:
        """One row a prompt, importance, masks mode and criterion: the smallest size from which on it holds.

        The criteria are "top1" (the most probable token), "top5" (the five most probable, in any order), "nucleus1" to
        "nucleus90" (the recovered nucleus) and "tv0.3", "tv0.1" (total variation at most that). ``size`` is never
        missing: at 1 the subgraph is the model, so a prompt that needs the whole graph has the size 1.
        """
        return self._table("necessary")

    @cached_property
    def components(self) -> pd.DataFrame:
        """One row a prompt, importance, size and component: how many of its edges are in the trace.

        ``kind`` is "attention" (with a ``head``), "mlp" or "residual" (both residual edges of the layer), ``n_total``
        the component's edges in the whole graph. Traces by a measure that depends on the evaluation modes
        (`strace_widgets.graph.measures.depends_on_modes`) are those of the first masks mode, here and in `edges`.
        """
        return self._table("components")

    def hidden_states(self) -> dict[str, Array]:
        """Return each prompt's last hidden states (K + 1, M) float32: of the trace at each size, then of the model.

        They are what the unembedding reads at the last position, in the traces by the first importance measure and
        under the first masks mode.

        Raises
        ------
        StudyError
            When the study was run without ``hidden_states=True``.
        """
        if not self.settings.hidden_states:
            raise StudyError("This study kept no hidden states: run it with hidden_states=True, in another folder.")
        parts = dict(zip(self.prompts["prompt_id"], self.parts(), strict=True))
        return {name: self._states(part) for name, part in parts.items() if was_written(part, STATES)}

    @staticmethod
    def _states(part: Path) -> Array:
        with arrays_of(part, STATES) as found:
            states: Array = found
            return states

    def edges(self, prompt_id: str, importance: str | None = None) -> tuple[Edges, Edges]:
        """Return the weights and ranks of one prompt's edges; of the first importance measure unless said otherwise.

        Parameters
        ----------
        prompt_id : str
        importance : str, optional

        Raises
        ------
        StudyError
            When the study was run without ``keep_traces=True``, or has no such trace.
        TraceFileError
            When the ranks, which follow from the weights, are not those that the prompt was evaluated with.
        """
        importance = importance or self.settings.importance[0]
        parts = dict(zip(self.prompts["prompt_id"], self.parts(), strict=True))
        file = parts.get(prompt_id, self.folder) / f"edges-{importance}.npz"
        if not was_written(file.parent, file.name):
            kept = (
                "has no trace of" if self.settings.keep_traces else "kept no traces (keep_traces=True does), so none of"
            )
            raise StudyError(f"This study {kept} the prompt {prompt_id!r} by {importance!r}.")
        with arrays_of(file.parent, file.name) as arrays:
            weights = Edges(*(arrays[f"weights_{kind}"] for kind in Edges._fields))
            if "ranks_sha256" not in arrays:  # version 1 kept the ranks
                return weights, Edges(*(arrays[f"ranks_{kind}"] for kind in Edges._fields))
            sha256 = str(arrays["ranks_sha256"])
        parallel = bool(self.settings.dimensions["parallel"])
        graph = Graph(weights.n_layers, weights.n_heads, weights.n_tokens, parallel)
        return weights, SavedOrder(weights, graph, sha256).ranks

    def budget(self, criterion: str = "top1", coverage: float = 0.9, **run: Any) -> Budget:
        """Return a rule from what is known before tracing to the necessary size: see `strace_widgets.findings.budget`.

        Parameters
        ----------
        criterion : str
        coverage : float in (0, 1)
        **run
            ``importance`` and ``masks``, where the study has several.
        """
        from ..findings.budget import budget  # noqa: PLC0415 - findings are above the studies

        return budget(self, criterion, coverage, **run)

    def explore(self, *others: Study, model: Any = None) -> StudyExplorer:
        """Open a widget over the study, and over others beside it: prompts, curves and components in linked views.

        Brushing in one view filters all; a click on a prompt opens its Explorer. The widget grows while the study runs,
        in another process, and ``.to_html(path)`` writes it as a page.

        Parameters
        ----------
        *others : Study
            Of other models, on the same grid of sizes.
        model : Model, or what `strace_widgets.load_model` takes, or a list of them, optional
            The study's model, on which prompts are opened. Without it they open as their traces were kept, if the study
            was run with ``keep_traces=True``.

        Returns
        -------
        StudyExplorer
        """
        from ..study_explorer.widget import StudyExplorer  # noqa: PLC0415 - it is above the studies

        return StudyExplorer(self, *others, model=model)

    def report(self, path: AnyPath, *, title: str | None = None, model: Model | None = None) -> Path:
        """Write the study up as one page without scripts that loads nothing; return its path.

        It has the settings, versions and digests, how many prompts there are and failed, each finding with a sentence
        of what was measured, its chart and its table, and the failures with their reasons.

        Parameters
        ----------
        path : str or Path
        title : str, optional
            The model's name and how many prompts there are, unless given.
        model : Model, optional
            The study's model: the prompts that need least and most are then traced again, and each gets a page with
            its Explorer, in a folder beside the report that it links to.
        """
        from ..report.page import write_report  # noqa: PLC0415 - the report is above the studies

        return write_report(self, path, title=title, model=model)

    def save_figures(
        self, folder: AnyPath, *, width: str | float = "column", formats: Sequence[str] = ("svg", "pdf")
    ) -> list[Path]:
        """Write the chart of each finding for a paper: so wide, without a title, in black type of at least 7 points.

        Parameters
        ----------
        folder : str or Path
        width : {"column", "page"} or float
            85 mm, 178 mm, or so many mm, 80 at least.
        formats : of "svg" and "pdf"

        Returns
        -------
        list of Path
        """
        from ..report.paper import save_figures  # noqa: PLC0415 - as above

        return save_figures(self, folder, width=width, formats=formats)

    def save_latex(self, folder: AnyPath) -> list[Path]:
        """Write the table of each finding in LaTeX (with the package booktabs), its caption says what was measured.

        Parameters
        ----------
        folder : str or Path

        Returns
        -------
        list of Path
        """
        from ..report.paper import save_latex  # noqa: PLC0415 - as above

        return save_latex(self, folder)

    def __repr__(self) -> str:
        s = self.settings
        return (
            f"Study of {s.model}: {self._progress()}; importance {', '.join(s.importance)}, "
            f"masks {', '.join(s.masks)}, attention {s.attention}, ablation {s.ablation}, {len(s.sizes)} sizes, "
            f"baselines {', '.join(s.baselines) or 'none'}; in {', '.join(map(str, (self.folder, *self.others)))}"
        )

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>{self.summary().to_html(float_format='{:.3g}'.format, na_rep='')}"

    def summary(self) -> pd.DataFrame:
        """Return one row a kind of prompts: how many, how many failed, and the median necessary size for the top-1.

        ``expected`` is the share of prompts with an expected continuation at whose first token the full model is right.
        """
        prompts = self.prompts.assign(kind=self.prompts["kind"].astype("string").fillna("-"))
        needed = (
            self.necessary[self.necessary["criterion"] == "top1"].groupby("prompt_id", observed=True)["size"].median()
        )
        described = prompts.assign(
            failed=prompts["status"] == "failed",
            expected=(prompts["full_top1_id"] == prompts["expected_id"])
            .where(prompts["expected_id"].notna())
            .astype(float),
            necessary=prompts["prompt_id"].map(needed.rename(str)).astype(float),
        )
        return described.groupby("kind", sort=False).agg(
            prompts=("prompt_id", "size"),
            failed=("failed", "sum"),
            expected=("expected", "mean"),
            median_entropy=("full_entropy", "median"),
            median_size_for_top1=("necessary", "median"),
        )

    def _progress(self) -> str:
        n_failed, n_prompts = int((self.prompts["status"] == "failed").sum()), len(self.prompts)
        of_all = "" if n_prompts == self.n_asked else f" of {self.n_asked:,}"
        return f"{n_prompts:,}{of_all} prompts" + (f" ({n_failed:,} failed)" if n_failed else "")

    def parts(self) -> list[Path]:
        """Return the folders of the prompts that are done, of those that failed too, in the tables' order."""
        return [part for folder in (self.folder, *self.others) for part in finished_parts(folder)]

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(name, self.parts())

    def columns(self, table: str, names: Sequence[str]) -> pd.DataFrame:
        """Return some columns of a table, without reading the others.

        Parameters
        ----------
        table : str
            ``"prompts"``, ``"points"``, ``"necessary"`` or ``"components"``.
        names : sequence of str
        """
        return self.__dict__[table][list(names)] if table in self.__dict__ else read_table(table, self.parts(), names)

    def batches(self, table: str, names: Sequence[str]) -> Iterator[pd.DataFrame]:
        """Return the same columns of `AT_A_TIME` prompts after another, so that no table need be in memory whole.

        Parameters
        ----------
        table : str
        names : list of str
            The columns.
        """
        parts = self.parts()
        for start in range(0, len(parts), AT_A_TIME):
            yield read_table(table, parts[start : start + AT_A_TIME], names)


def load_study(folder: AnyPath, *others: AnyPath) -> Study:
    """Return the study in a folder, whole or as far as it has come.

    Parameters
    ----------
    folder : str or Path
        Or the address of a study elsewhere (see `strace_widgets.study`), which is brought here.
    *others : str or Path
        Further folders of the same study, where its prompts were divided among several runs.

    Raises
    ------
    StudyError
        When a folder holds no study, or one of another version; when the folders' settings differ, or two of them hold
        the same prompt.
    """
    first, *rest = [_load(each) for each in (folder, *others)]
    if not rest:
        return first
    for study in rest:
        refuse_other_settings(first.settings, study.settings, str(first.folder), str(study.folder))
    joined = Study(first.folder, first.settings, sum(s.n_asked for s in (first, *rest)), tuple(s.folder for s in rest))
    repeated = joined.prompts["prompt_id"][joined.prompts["prompt_id"].duplicated()]
    if len(repeated):
        folders = ", ".join(str(study.folder) for study in (first, *rest))
        raise StudyError(
            f"{repeated.iloc[0]!r} is a prompt of more than one of the folders {folders}: divide the prompts among the "
            "runs, so that each is in one of them."
        )
    return joined


def _load(folder: AnyPath) -> Study:
    folder, _ = brought(folder)
    settings, n_prompts, _ = described(folder)
    return Study(folder, settings, n_prompts)
