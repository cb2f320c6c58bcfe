"""A study on disk: its settings, its tables, and one folder a prompt that appears whole or not at all.

``study.json`` says what was asked. ``parts/<number>-<id>/`` holds one small Parquet file a table (and ``states.npy``
and ``edges-<importance>.npz`` where they were asked for); the tables of a study are its parts in order. A part is
written under another name and renamed when it is whole, so a stop leaves no half part behind.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import StudyError
from ..extras import pa, pads, pd, pq
from ..graph.edges import Edges

Array = np.ndarray[Any, Any]

FORMAT, VERSION = "strace-study", 1
UNFINISHED = "unfinished-"

_WORD = pa.dictionary(pa.int32(), pa.string())
SCHEMAS = {
    "prompts": pa.schema(
        {
            "prompt_id": pa.string(),
            "text": pa.string(),
            "kind": _WORD,
            "expected": pa.string(),
            "language": _WORD,
            "n_tokens": pa.int32(),
            "n_edges": pa.int64(),
            "status": _WORD,
            "reason": pa.string(),
            "expected_id": pa.int32(),
            "full_top1_id": pa.int32(),
            "full_top1": pa.string(),
            "full_top1_probability": pa.float64(),
            "full_entropy": pa.float64(),
            "full_expected_probability": pa.float64(),
            "full_unigram_correlation": pa.float64(),
        }
    ),
    "points": pa.schema(
        {
            "prompt_id": _WORD,
            "importance": _WORD,
            "masks": _WORD,
            "subgraph": _WORD,
            "size": pa.float64(),
            "n_edges": pa.int64(),
            "total_variation": pa.float64(),
            "kl": pa.float64(),
            "entropy": pa.float64(),
            "top1": pa.bool_(),
            "nucleus": pa.int32(),
            "top1_id": pa.int32(),
            "top1_token": pa.string(),
            "top1_probability": pa.float64(),
            "full_correlation": pa.float64(),
            "unigram_correlation": pa.float64(),
        }
    ),
    "necessary": pa.schema(
        {"prompt_id": _WORD, "importance": _WORD, "masks": _WORD, "criterion": _WORD, "size": pa.float64()}
    ),
    "components": pa.schema(
        {
            "prompt_id": _WORD,
            "importance": _WORD,
            "size": pa.float64(),
            "layer": pa.int32(),
            "kind": _WORD,
            "head": pa.int16(),
            "n_edges": pa.int32(),
            "n_total": pa.int32(),
        }
    ),
}
"""The columns of each table; `strace_widgets.Study` says what they mean."""


@dataclass(frozen=True)
class Settings:
    """What a study was asked; a folder holds prompts of one and the same.

    Attributes
    ----------
    model, tokenizer : str
        The model's name; how many tokens its vocabulary has, and a checksum of their texts.
    dimensions : dict
        The model's sizes: ``n_layers``, ``n_heads``, and whether its blocks are ``parallel``.
    importance, masks, baselines : tuple of str
    sizes : tuple of float
        Ascending, the last is 1.
    positions : str
    seed : int
    keep_traces, hidden : bool
    attention, ablation : str
        The other modes of every sweep; studies from before there was a choice do not name them.
    """

    model: str
    tokenizer: str
    dimensions: dict[str, Any]
    importance: tuple[str, ...]
    masks: tuple[str, ...]
    baselines: tuple[str, ...]
    sizes: tuple[float, ...]
    positions: str
    seed: int
    keep_traces: bool
    hidden: bool
    attention: str = "recomputed"
    ablation: str = "zero"

    def modes(self) -> dict[str, Any]:
        """Return what every sweep is evaluated with, beside its masks mode."""
        return {"attention": self.attention, "ablation": self.ablation}


@dataclass(frozen=True, repr=False)
class Study:
    """The results of `strace_widgets.study`: tidy tables, one row a fact, read from the folder when first asked for.

    Attributes
    ----------
    folder : Path
    settings : Settings
    n_asked : int
        How many prompts the study has when it is whole.

    Notes
    -----
    Sizes are shares s of a prompt's E edges, from the same grid for all prompts (``settings.sizes``); entropies and KL
    divergences are in nats, nuclei in per cent, correlations are Spearman's.
    """

    folder: Path
    settings: Settings
    n_asked: int

    @cached_property
    def prompts(self) -> pd.DataFrame:
        """One row a prompt, and what the full model predicts.

        ``status`` is "ok" or "failed", with the ``reason``. ``expected_id`` is the first token of the expected text,
        and ``full_expected_probability`` what the full model gives it; ``full_unigram_correlation`` correlates the full
        model's log-probabilities with the log-frequency of English words, over the tokens that are words.
        """
        return self._table("prompts")

    @cached_property
    def points(self) -> pd.DataFrame:
        """One row a prompt, importance, masks mode, subgraph and size: what the subgraph predicts.

        ``subgraph`` is "trace", or a baseline: "inverse", "random", "random-residual-kept". ``n_edges`` of the trace is
        int(s E). ``top1`` says whether its most probable token is the full model's, ``nucleus`` which nucleus returns;
        ``full_correlation`` and ``unigram_correlation`` correlate its log-probabilities with the full model's and with
        word frequency. Baselines are computed once a masks mode: an inverse is that of the first importance measure.
        """
        return self._table("points")

    @cached_property
    def necessary(self) -> pd.DataFrame:
        """One row a prompt, importance, masks mode and criterion: the smallest size from which on it holds.

        The criteria are "top1" (the most probable token), "top5" (the five most probable, in any order), "nucleus1" to
        "nucleus90" (the recovered nucleus) and "tv0.3", "tv0.1" (total variation at most that). At 1 the subgraph is
        the model: a size of 1 says that no smaller one lasts.
        """
        return self._table("necessary")

    @cached_property
    def components(self) -> pd.DataFrame:
        """One row a prompt, importance, size and component: how many of its edges are in the trace.

        ``kind`` is "attention" (with a ``head``), "mlp" or "residual" (both residual edges of the layer), ``n_total``
        the component's edges in the whole graph.
        """
        return self._table("components")

    def states(self) -> dict[str, Array]:
        """Return the last hidden states by prompt, (K + 1, d) float32: at each size of the trace, then the full one.

        What the unembedding reads at the last position, by the first importance measure and masks mode.

        Raises
        ------
        StudyError
            When the study was run without ``hidden=True``.
        """
        if not self.settings.hidden:
            raise StudyError("This study kept no hidden states: run it with hidden=True, in another folder.")
        parts = dict(zip(self.prompts["prompt_id"], self._parts(), strict=True))
        return {
            name: np.load(part / "states.npy", allow_pickle=False)
            for name, part in parts.items()
            if (part / "states.npy").exists()
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
            weights, ranks = (
                Edges(*(arrays[f"{what}_{kind}"] for kind in Edges._fields)) for what in ("weights", "ranks")
            )
        return weights, ranks

    def __repr__(self) -> str:
        s = self.settings
        return (
            f"Study of {s.model}: {self._progress()}; importance {', '.join(s.importance)}, "
            f"masks {', '.join(s.masks)}, attention {s.attention}, ablation {s.ablation}, {len(s.sizes)} sizes, "
            f"baselines {', '.join(s.baselines) or 'none'}; in {self.folder}"
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
        told = prompts.assign(
            failed=prompts["status"] == "failed",
            expected=(prompts["full_top1_id"] == prompts["expected_id"])
            .where(prompts["expected_id"].notna())
            .astype(float),
            necessary=prompts["prompt_id"].map(needed.rename(str)).astype(float),
        )
        return told.groupby("kind", sort=False).agg(
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
        return finished_parts(self.folder)

    def _table(self, name: str) -> pd.DataFrame:
        return read_table(name, self._parts())


def load_study(folder: str | Path) -> Study:
    """Return the study in a folder, whole or as far as it has come.

    Parameters
    ----------
    folder : str or Path

    Raises
    ------
    StudyError
        When the folder holds no study, or one of another version.
    """
    folder = Path(folder)
    try:
        told = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as reason:
        raise StudyError(f"There is no study in {str(folder)!r} ({reason}).") from reason
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise StudyError(f"{folder / 'study.json'} does not describe a study of this package.")
    if told.get("version") != VERSION:
        raise StudyError(
            f"The study in {str(folder)!r} has version {told.get('version')!r}; this package reads version {VERSION}."
        )
    try:
        plain: dict[str, Any] = told["settings"]
        known = [field.name for field in fields(Settings) if field.name in plain]
        settings: dict[str, Any] = {
            name: tuple(plain[name]) if isinstance(plain[name], list) else plain[name] for name in known
        }
        return Study(folder, Settings(**settings), int(told["n_prompts"]))
    except (KeyError, TypeError, ValueError) as reason:
        raise StudyError(f"{folder / 'study.json'} lacks something, or holds it wrongly ({reason!r}).") from reason


def open_study(folder: Path, settings: Settings, n_prompts: int) -> Study:
    """Make a study's folder, or open the one that is there to go on in it.

    Raises
    ------
    StudyError
        When nothing can be written there, or when it holds a study of other settings; names the differences.
    """
    try:
        (folder / "parts").mkdir(parents=True, exist_ok=True)
        if (folder / "study.json").exists():
            _refuse_others(load_study(folder), settings)
        told = {"format": FORMAT, "version": VERSION, "n_prompts": n_prompts, "settings": asdict(settings)}
        waiting = folder / f"{UNFINISHED}study.json"
        waiting.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        waiting.replace(folder / "study.json")
        for leftover in (folder / "parts").glob(f"{UNFINISHED}*"):
            shutil.rmtree(leftover)
    except OSError as reason:
        raise StudyError(f"The study cannot be written to {str(folder)!r}: {reason}.") from reason
    return Study(folder, settings, n_prompts)


def _refuse_others(there: Study, settings: Settings) -> None:
    old, new = asdict(there.settings), asdict(settings)
    differences = [f"{name} was {old[name]!r} and is now {new[name]!r}" for name in new if old[name] != new[name]]
    if differences:
        raise StudyError(
            f"{str(there.folder)!r} holds a study of other settings: {'; '.join(differences)}. "
            "Give another folder, or the settings that it was begun with."
        )


def part_name(order: str, prompt_id: str) -> str:
    """Return the name of a prompt's folder: sorted by name, the parts are in the prompts' order."""
    return f"{order}-{re.sub(r'[^A-Za-z0-9@._-]+', '-', prompt_id)[:60]}"


def finished_parts(folder: Path) -> list[Path]:
    """Return the folders of the prompts that are done, in the prompts' order."""
    return sorted(part for part in (folder / "parts").iterdir() if not part.name.startswith(UNFINISHED))


def write_part(folder: Path, name: str, tables: dict[str, dict[str, Any]], arrays: dict[str, Any]) -> None:
    """Write the results of one prompt.

    Parameters
    ----------
    folder : Path
        Of the study.
    name : str
        From `part_name`.
    tables : dict of dict
        The columns of each table, arrays or lists of one length; a single value stands for all rows.
    arrays : dict
        By file name: an array for ``.npy``, a dict of arrays for ``.npz``.
    """
    unfinished = folder / "parts" / f"{UNFINISHED}{name}"
    unfinished.mkdir()
    for table, columns in tables.items():
        pq.write_table(_as_table(table, columns), unfinished / f"{table}.parquet", compression="zstd")
    for file, values in arrays.items():
        if isinstance(values, dict):
            np.savez_compressed(unfinished / file, **values)
        else:
            np.save(unfinished / file, values, allow_pickle=False)
    unfinished.rename(folder / "parts" / name)


def read_table(name: str, parts: list[Path]) -> pd.DataFrame:
    """Return one table of some parts, one after another."""
    files = [str(file) for part in parts if (file := part / f"{name}.parquet").exists()]
    table = pads.dataset(files, schema=SCHEMAS[name]).to_table() if files else SCHEMAS[name].empty_table()
    return table.unify_dictionaries().to_pandas(types_mapper={pa.int16(): pd.Int16Dtype()}.get)


def _as_table(name: str, columns: dict[str, Any]) -> pa.Table:
    lengths = {len(values) for values in columns.values() if isinstance(values, (np.ndarray, list))}
    (length,) = lengths or {1}
    arrays = []
    for field in SCHEMAS[name]:
        values = columns.get(field.name)
        if isinstance(values, (np.ndarray, list)):
            arrays.append(pa.array(values, type=field.type))
        else:
            arrays.append(pa.array([values] * length, type=field.type))
    return pa.Table.from_arrays(arrays, schema=SCHEMAS[name])
