"""The shell commands: ``strace-widgets trace``, ``study`` and ``compare-measures``, or ``python -m strace_widgets``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .paths import writing
from .token_text import names

if TYPE_CHECKING:
    from collections.abc import Sequence

SHIPPED = "shipped"
"""What stands for the package's own prompts."""

TRACE_SIZES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status, which is 2 for a mistake that the user can correct."""
    from .errors import StraceError  # noqa: PLC0415 - with the rest of the package, after --help

    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (StraceError, ValueError, OSError) as reason:
        print(f"strace-widgets: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("strace-widgets: stopped; the same command continues a study.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strace-widgets", description="How much of a language model a prediction needs."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    for add in (_add_trace, _add_study, _add_compare_measures):
        command = add(commands)
        several: dict[str, Any] = {"nargs": "+", "default": [None]} if add is _add_compare_measures else {}
        command.add_argument(
            "--model",
            help="a hub id or a folder (default: SmolLM2-135M-Instruct, the package's default model)"
            + ("; several are loaded one after the other" if several else ""),
            **several,
        )
    return parser


def _add_trace(commands: Any) -> argparse.ArgumentParser:
    trace: argparse.ArgumentParser = commands.add_parser("trace", help="trace one prompt and print a table of sizes")
    trace.set_defaults(run=_trace)
    trace.add_argument("prompt")
    trace.add_argument(
        "--chat", action="store_true", help="the prompt is a user's message, which the model's chat template writes"
    )
    trace.add_argument(
        "--importance",
        default="l1",
        metavar="NAME",
        help="how an edge is weighed: l1 (the paper's), l2, fisher+projection, ... (default: l1)",
    )
    trace.add_argument("--masks", default="all", help="all, or mlp+residual (default: all)")
    trace.add_argument("--sizes", type=float, nargs="+", default=TRACE_SIZES, metavar="S", help="shares of the edges")
    trace.add_argument("--html", metavar="FILE", help="write the Explorer as a page that needs no kernel")
    return trace


def _add_study(commands: Any) -> argparse.ArgumentParser:
    study: argparse.ArgumentParser = commands.add_parser(
        "study", help="trace many prompts into a folder, or continue a study"
    )
    study.set_defaults(run=_study)
    _add_prompts_and_folder(study, nargs="?")
    study.add_argument(
        "--importance", nargs="+", default=["l1"], metavar="NAME", help="measures, as for trace (default: l1)"
    )
    study.add_argument("--masks", nargs="+", default=["all"], metavar="NAME", help="all, mlp+residual (default: all)")
    study.add_argument(
        "--baselines",
        nargs="*",
        default=["inverse", "random"],
        metavar="NAME",
        help="inverse, random, random-residual-kept, or no name for none (default: inverse random)",
    )
    study.add_argument(
        "--sizes", type=float, nargs="+", metavar="S", help="shares of the edges (default: 25 from 1e-4 to 1)"
    )
    study.add_argument(
        "--positions", default="last", help="last, or all: every token from the second on (default: last)"
    )
    study.add_argument("--seed", type=int, default=0, help="of the draw and of the random baselines (default: 0)")
    study.add_argument("--column", help="the column of a table that has the texts (default: text)")
    study.add_argument("--template", help="a text with slots for columns: 'The capital of {country} is'")
    study.add_argument("--keep-traces", action="store_true", help="keep the weight and rank of every edge")
    study.add_argument("--hidden-states", action="store_true", help="keep the last hidden states")
    _add_how(study)
    return study


def _add_how(study: argparse.ArgumentParser) -> None:
    study.add_argument(
        "--from", dest="manifest", metavar="FILE", help="repeat the study of this manifest.json, into --out"
    )
    study.add_argument("--retry", action="store_true", help="try the prompts again that failed")
    study.add_argument("--extend", action="store_true", help="add measures, modes, baselines and sizes to the study")
    study.add_argument(
        "--shard",
        metavar="K/N",
        help="every Nth prompt only, from the Kth on; N such runs make one study (Slurm arrays)",
    )
    study.add_argument(
        "--ray", nargs="?", const="", metavar="ADDRESS", help="run on a cluster of Ray, such as host:6379 or auto"
    )
    study.add_argument("--workers", type=int, metavar="N", help="with --ray (default: as many as there is room for)")
    study.add_argument("--cpus", type=float, default=1, metavar="N", help="that a worker takes (default: 1)")
    study.add_argument("--gpus", type=float, metavar="N", help="that a worker takes (default: 1 where there are any)")


def _add_compare_measures(commands: Any) -> argparse.ArgumentParser:
    measures: argparse.ArgumentParser = commands.add_parser(
        "compare-measures", help="compare importance measures on one model or several, or continue a comparison"
    )
    measures.set_defaults(run=_compare_measures)
    _add_prompts_and_folder(measures)
    measures.add_argument("--half", help="tuning or reporting: a half of the shipped prompts (default: all of them)")
    measures.add_argument(
        "--importance", nargs="+", metavar="NAME", help="measures (default: l1 l2 fisher fisher+projection rescored)"
    )
    measures.add_argument("--baseline", default="l1", help="the measure to compare with (default: l1)")
    for mode, default, values in (
        ("masks", "all", "all, mlp+residual"),
        ("attention", "recomputed", "recomputed, frozen"),
        ("ablation", "zero", "zero, mean"),
    ):
        measures.add_argument(
            f"--{mode}", nargs="+", default=[default], metavar="NAME", help=f"{values} (default: {default})"
        )
    measures.add_argument(
        "--sizes", type=float, nargs="+", metavar="S", help="shares of the edges (default: 37 from 1e-3 to 1)"
    )
    measures.add_argument("--seed", type=int, default=0, help="of the draw and of the intervals (default: 0)")
    measures.add_argument("--chart", metavar="FILE", help="write the chart of the first condition: .svg, .png, .html")
    return measures


def _add_prompts_and_folder(command: argparse.ArgumentParser, **prompts: Any) -> None:
    command.add_argument(
        "prompts",
        help="a text file, one prompt a line, or a .jsonl, .csv or .parquet file; 'shipped' for the package's own",
        **prompts,
    )
    command.add_argument("--out", required=True, metavar="FOLDER", help="the folder for the results")
    command.add_argument("--limit", type=int, metavar="N", help="draw N prompts at random")


def _trace(options: argparse.Namespace) -> None:
    import strace_widgets as sw  # noqa: PLC0415 - torch is loaded after the arguments were understood

    prompt = [{"role": "user", "content": options.prompt}] if options.chat else options.prompt
    traced = sw.trace(sw.load_model(options.model), prompt, options.importance)
    sweep = traced.evaluate(options.sizes, masks=options.masks)
    print(traced)
    if traced.origin.note:
        print(traced.origin.note)
    tops = names([top[0].token for top in sweep.top])
    print(f"{'size':>8} {'edges':>9} {'TV':>6} {'entropy':>8} {'nucleus':>8}  most probable (= the full model's)")
    for row, (size, top) in enumerate(zip(sweep.sizes, sweep.top, strict=True)):
        same = "=" if sweep.top1[row] else " "
        print(
            f"{size:8.4g} {sweep.n_edges[row]:9,} {sweep.total_variation[row]:6.3f} {sweep.entropy[row]:8.2f} "
            f"{100 * sweep.nucleus[row]:7.0f}% {same} {tops[row]} {top[0].probability:.3f}"
        )
    if options.html:
        page = traced.to_html(options.html)
        print(f"{page}: a page of {page.stat().st_size / 1e6:.2f} MB")


def _study(options: argparse.Namespace) -> None:
    import strace_widgets as sw  # noqa: PLC0415 - as above

    how = {"retry": options.retry, "extend": options.extend, "shard": options.shard, "on": _cluster(options)}
    if (options.prompts is None) == (options.manifest is None):
        raise ValueError("Give either prompts, or the manifest of a study to repeat: --from manifest.json.")
    if options.manifest:
        model = None if options.model is None else _loadable(options)
        result = sw.repeat_study(options.manifest, options.out, model=model, **how)
    else:
        names = ["importance", "masks", "baselines", "sizes", "positions", "seed", "keep_traces", "hidden_states"]
        names += ["column", "template", "limit"]
        result = sw.study(
            _loadable(options),
            sw.shipped_prompts() if options.prompts == SHIPPED else options.prompts,
            options.out,
            **{name: getattr(options, name) for name in names},
            **how,
        )
    print(result)
    print(result.summary().to_string(float_format="{:.3g}".format, na_rep=""))


def _cluster(options: argparse.Namespace) -> Any:
    import strace_widgets as sw  # noqa: PLC0415 - as above

    if options.ray is None:
        return None
    return sw.RayCluster(options.ray or None, options.workers, options.cpus, options.gpus)


def _loadable(options: argparse.Namespace) -> Any:
    """Return the model, or on a cluster, where each worker loads its own, its name."""
    import strace_widgets as sw  # noqa: PLC0415 - as above

    return sw.load_model(options.model) if options.ray is None else options.model


def _compare_measures(options: argparse.Namespace) -> None:
    import strace_widgets as sw  # noqa: PLC0415 - as above

    shipped = options.prompts == SHIPPED
    if options.half and not shipped:
        raise ValueError(f"--half is a half of the package's own prompts: give {SHIPPED!r} for them, or leave it out.")
    chosen = {"importance": options.importance} if options.importance else {}
    result = sw.compare_measures(
        options.model,
        sw.shipped_prompts(half=options.half) if shipped else options.prompts,
        options.out,
        baseline=options.baseline,
        masks=options.masks,
        attention=options.attention,
        ablation=options.ablation,
        sizes=options.sizes,
        limit=options.limit,
        seed=options.seed,
        **chosen,
    )
    print(result)
    if options.chart:
        with writing(options.chart) as unfinished:
            result.chart().save(str(unfinished), format=Path(options.chart).suffix[1:])


if __name__ == "__main__":
    sys.exit(main())
