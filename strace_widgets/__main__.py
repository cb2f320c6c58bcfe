"""The shell commands: ``strace-widgets trace``, ``study`` and ``compare-measures``, or ``python -m strace_widgets``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

TRACE_SIZES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status, 2 for what a person can mend."""
    from .errors import StraceError  # noqa: PLC0415 - with the rest of the package, after --help

    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (StraceError, ValueError, OSError) as reason:
        print(f"strace-widgets: {reason}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("strace-widgets: stopped; a study goes on from here with the same command.", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="strace-widgets", description="How much of a language model a prediction needs."
    )
    commands = parser.add_subparsers(required=True, metavar="command")

    trace = commands.add_parser("trace", help="trace one prompt and print a table of sizes")
    trace.set_defaults(run=_trace)
    trace.add_argument("prompt")
    trace.add_argument(
        "--importance",
        default="l1",
        metavar="NAME",
        help="how an edge is weighed: l1 (the paper's), l2, fisher+projection, ... (default: l1)",
    )
    trace.add_argument("--masks", default="all", help="all, or mlp+residual (default: all)")
    trace.add_argument("--sizes", type=float, nargs="+", default=TRACE_SIZES, metavar="S", help="shares of the edges")
    trace.add_argument("--html", metavar="FILE", help="write the Explorer as a page that needs no kernel")

    study = commands.add_parser("study", help="trace many prompts into a folder, or go on where that stopped")
    study.set_defaults(run=_study)
    study.add_argument(
        "prompts", help="a text file, one prompt a line, or a .jsonl file; 'shipped' for the package's own"
    )
    study.add_argument("--out", required=True, metavar="FOLDER", help="where the results go")
    study.add_argument(
        "--importance",
        nargs="+",
        default=["l1"],
        metavar="NAME",
        help="importance measures, as for trace (default: l1)",
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
    study.add_argument("--limit", type=int, metavar="N", help="draw N prompts at random")
    study.add_argument("--seed", type=int, default=0, help="of that draw and of the random baselines (default: 0)")
    study.add_argument("--column", help="where a .jsonl file has its texts (default: text)")
    study.add_argument("--keep-traces", action="store_true", help="keep the weight and rank of every edge")
    study.add_argument("--hidden", action="store_true", help="keep the last hidden states")

    measures = commands.add_parser(
        "compare-measures", help="set importance measures against one of them, or go on where that stopped"
    )
    measures.set_defaults(run=_compare_measures)
    measures.add_argument("model", help="a hub id or a folder; 'default' for the embedded SmolLM2-135M-Instruct")
    measures.add_argument("folder", help="where the results go")
    measures.add_argument("--prompts", metavar="FILE", help="as for study (default: the package's own)")
    measures.add_argument("--half", help="of the package's own prompts: tuning, or reporting (default: all of them)")
    measures.add_argument(
        "--measures", nargs="+", metavar="NAME", help="(default: l1 l2 fisher fisher+projection rescored)"
    )
    measures.add_argument("--baseline", default="l1", help="what the others are set against (default: l1)")
    for mode, default, values in (
        ("masks", "all", "all, mlp+residual"),
        ("attention", "recomputed", "recomputed, frozen"),
        ("ablation", "zero", "zero, mean"),
    ):
        measures.add_argument(
            f"--{mode}", nargs="+", default=[default], metavar="NAME", help=f"{values} (default: {default})"
        )
    measures.add_argument("--sizes", type=float, nargs="+", metavar="S", help="(default: 37 from 1e-3 to 1)")
    measures.add_argument("--limit", type=int, metavar="N", help="draw N prompts at random")
    measures.add_argument("--seed", type=int, default=0, help="of that draw and of the intervals (default: 0)")
    measures.add_argument("--chart", metavar="FILE", help="write the chart of the first condition: .svg, .png, .html")

    for command in (trace, study):
        command.add_argument("--model", help="a hub id or a folder (default: the embedded SmolLM2-135M-Instruct)")
    return parser


def _trace(options: argparse.Namespace) -> None:
    import strace_widgets as sw  # noqa: PLC0415 - torch is loaded after the arguments were understood

    traced = sw.trace(sw.load_model(options.model), options.prompt, options.importance)
    sweep = traced.evaluate(options.sizes, masks=options.masks)
    print(traced)
    print(f"{'size':>8} {'edges':>9} {'TV':>6} {'entropy':>8} {'nucleus':>8}  most probable (= the full model's)")
    for row, (size, top) in enumerate(zip(sweep.sizes, sweep.top, strict=True)):
        same = "=" if sweep.top1[row] else " "
        print(
            f"{size:8.4g} {sweep.n_edges[row]:9,} {sweep.total_variation[row]:6.3f} {sweep.entropy[row]:8.2f} "
            f"{100 * sweep.nucleus[row]:7.0f}% {same} {top[0].token!r} {top[0].probability:.3f}"
        )
    if options.html:
        traced.to_html(options.html)  # says what it writes


def _study(options: argparse.Namespace) -> None:
    import strace_widgets as sw  # noqa: PLC0415 - as above

    prompts = sw.shipped_prompts() if options.prompts == "shipped" else options.prompts
    result = sw.study(
        sw.load_model(options.model),
        prompts,
        options.out,
        importance=options.importance,
        masks=options.masks,
        baselines=options.baselines,
        sizes=options.sizes,
        positions=options.positions,
        seed=options.seed,
        keep_traces=options.keep_traces,
        hidden=options.hidden,
        column=options.column,
        limit=options.limit,
    )
    print(result)
    print(result.summary().to_string(float_format="{:.3g}".format, na_rep=""))


def _compare_measures(options: argparse.Namespace) -> None:
    import strace_widgets as sw  # noqa: PLC0415 - as above

    if options.prompts and options.half:
        raise ValueError("--half is of the package's own prompts: leave out --prompts, or --half.")
    chosen = {"measures": options.measures} if options.measures else {}
    result = sw.compare_measures(
        sw.load_model(None if options.model == "default" else options.model),
        options.prompts or sw.shipped_prompts(half=options.half),
        options.folder,
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
        result.chart().save(options.chart)


if __name__ == "__main__":
    sys.exit(main())
