"""A study on disk: its settings, its tables, and one folder a prompt that appears whole or not at all.

``study.json`` holds the settings. ``parts/<number>-<id>/`` holds one small Parquet file for each table (and
``states.npy`` and ``edges-<importance>.npz`` if the study keeps them); the tables of a study are those of its parts,
one after another. A part is written under another name and renamed when it is whole, so that a stop leaves no half
part.
"""

from __future__ import annotations

import html
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..errors import StudyError
from ..graph.edges import Array, Edges, Graph
from ..graph.order import SavedOrder
from ..json_files import Header, decode_file, encode
from ..paths import absolute, expanded
from .tables import read_table, write_tables

if TYPE_CHECKING:
    from pathlib import Path

    from ..extras import pa, pd
    from ..paths import AnyPath


FORMAT, VERSION = "strace-study", 2
UNFINISHED = "unfinished-"
"""What the name of a file or folder begins with until it is whole."""

STATES = "states.npy"
"""The file of a prompt's hidden states."""


class Settings(msgspec.Struct, frozen=True):
    """How a study was run; all prompts in a folder share the same settings.

    Attributes
    ----------
    model, tokenizer : str
        The model's name; how many tokens its vocabulary has, and a checksum of their texts.
    dimensions : dict
        The model's sizes: ``n_layers``, ``n_heads``, and whether its blocks are ``parallel``. Where the model's weights
        can be counted, also ``n_key_value_heads``, ``d_model``, ``d_head`` and ``mlp_weights``
        (`strace_widgets.studies.model_sizes.dimensions`).
    importance, masks, baselines : tuple of str
    sizes : tuple of float
        Ascending, the last is 1.
    positions : str
    seed : int
    keep_traces, hidden_states : bool
    attention, ablation : str
        The other modes of every sweep; the first studies do not name them, and have the default ones.
    """

    model: str
    tokenizer: str
    dimensions: dict[str, int | bool]
    importance: tuple[str, ...]
    masks: tuple[str, ...]
    baselines: tuple[str, ...]
    sizes: tuple[float, ...]
    positions: str
    seed: int
    keep_traces: bool
    hidden_states: bool = msgspec.field(name="hidden")  # the name that the file has always had
    attention: str = "recomputed"
    ablation: str = "zero"

    def modes(self) -> dict[str, Any]:
        """Return what every sweep is evaluated with, beside its masks mode."""
        return {"attention": self.attention, "ablation": self.ablation}


class _StudyFile(Header):
    """What ``study.json`` holds."""

    n_prompts: int
    settings: Settings


_FIRST_NAMES = {"width": "d_model", "head_width": "d_head"}
"""The keys of `Settings.dimensions` in the first studies, and what they are called now."""


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
        parts = dict(zip(self.prompts["prompt_id"], self._parts(), strict=True))
        return {
            name: np.load(part / STATES, allow_pickle=False) for name, part in parts.items() if (part / STATES).exists()
        }

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
        parts = dict(zip(self.prompts["prompt_id"], self._parts(), strict=True))
        file = parts.get(prompt_id, self.folder) / f"edges-{importance}.npz"
        if not file.exists():
            kept = (
                "has no trace of" if self.settings.keep_traces else "kept no traces (keep_traces=True does), so none of"
            )
            raise StudyError(f"This study {kept} the prompt {prompt_id!r} by {importance!r}.")
        with np.load(file, allow_pickle=False) as arrays:
            weights = Edges(*(arrays[f"weights_{kind}"] for kind in Edges._fields))
            if "ranks_sha256" not in arrays:  # version 1 kept the ranks
                return weights, Edges(*(arrays[f"ranks_{kind}"] for kind in Edges._fields))
            sha256 = str(arrays["ranks_sha256"])
        parallel = bool(self.settings.dimensions["parallel"])
        graph = Graph(weights.n_layers, weights.n_heads, weights.n_tokens, parallel)
        return weights, SavedOrder(weights, graph, sha256).ranks

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

    def _parts(self) -> list[Path]:
        return [part for folder in (self.folder, *self.others) for part in finished_parts(folder)]

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(name, self._parts())


def load_study(folder: AnyPath, *others: AnyPath) -> Study:
    """Return the study in a folder, whole or as far as it has come.

    Parameters
    ----------
    folder : str or Path
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
        _refuse_other_settings(first, study.settings, study.folder)
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
    folder = expanded(folder)
    file = folder / "study.json"
    try:
        described = decode_file(file.read_bytes(), _StudyFile, FORMAT, VERSION)
    except OSError as reason:
        raise StudyError(f"There is no study in {absolute(folder)} ({reason.strerror or reason}).") from reason
    except ValueError as reason:
        raise StudyError(f"{file} describes no study: {reason}.") from reason
    dimensions = {_FIRST_NAMES.get(name, name): size for name, size in described.settings.dimensions.items()}
    return Study(folder, msgspec.structs.replace(described.settings, dimensions=dimensions), described.n_prompts)


def open_study(folder: Path, settings: Settings, n_prompts: int) -> Study:
    """Make a study's folder, or open the one that exists to continue its study.

    Raises
    ------
    StudyError
        When nothing can be written to the folder, or when it holds a study of other settings; names the differences.
    """
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        if (folder / "study.json").exists():
            _refuse_other_settings(load_study(folder), settings)
        described = encode(_StudyFile(FORMAT, VERSION, n_prompts, settings))
        unfinished = folder / f"{UNFINISHED}study.json"
        unfinished.write_bytes(described + b"\n")
        unfinished.replace(folder / "study.json")
        for leftover in (folder / "parts").glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover)
    except OSError as reason:
        raise StudyError(f"The study cannot be written to {absolute(folder)}: {reason}.") from reason
    return Study(folder, settings, n_prompts)


def _refuse_other_settings(study: Study, settings: Settings, other: Path | None = None) -> None:
    """Refuse to continue a study with other settings, or to join it with another folder's study that has them."""
    old, new = msgspec.structs.asdict(study.settings), msgspec.structs.asdict(settings)
    if other is None:
        differences = [f"{name} was {old[name]!r} and is now {new[name]!r}" for name in new if old[name] != new[name]]
        advice = "Give another folder, or the settings that it was begun with."
    else:
        differences = [f"{name} is {old[name]!r} and there {new[name]!r}" for name in new if old[name] != new[name]]
        advice = "Only runs with the same settings are one study."
    if differences:
        than = "" if other is None else f" than {str(other)!r}"
        raise StudyError(
            f"{str(study.folder)!r} holds a study of other settings{than}: {'; '.join(differences)}. {advice}"
        )


def part_name(order: str, prompt_id: str) -> str:
    """Return the name of a prompt's folder: sorted by name, the parts are in the prompts' order."""
    return f"{order}-{re.sub(r'[^A-Za-z0-9@._-]+', '-', prompt_id)[:60]}"


def finished_parts(folder: Path) -> list[Path]:
    """Return the folders of the prompts that are done, in the prompts' order."""
    return sorted(part for part in (folder / "parts").iterdir() if not part.name.startswith(UNFINISHED))


def write_part(folder: Path, name: str, tables: dict[str, pa.Table], arrays: dict[str, Any]) -> None:
    """Write the results of one prompt.

    Parameters
    ----------
    folder : Path
        Of the study.
    name : str
        From `part_name`.
    tables : dict of Table
        From `strace_widgets.studies.tables.as_tables`.
    arrays : dict
        By file name: an array for ``.npy``, a dict of arrays for ``.npz``.
    """
    unfinished = folder / "parts" / f"{UNFINISHED}{name}"
    unfinished.mkdir()
    write_tables(unfinished, tables)
    for file, values in arrays.items():
        if isinstance(values, dict):
            np.savez_compressed(unfinished / file, **values)
        else:
            np.save(unfinished / file, values, allow_pickle=False)
    unfinished.rename(folder / "parts" / name)
