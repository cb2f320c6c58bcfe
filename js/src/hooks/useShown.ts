// What a model's traits amount to on screen; the Explorer and its single views read the same.
import { useMemo } from "preact/hooks";
import { decodeEffects, type Effects } from "../logic/effects";
import { read, type Reading } from "../logic/reading";
import { sameToggles } from "../logic/toggles";
import { tokenShares, traceAt, type Trace } from "../logic/trace";
import type { ExplorerModel } from "../protocol/model";
import type { Curve, Evaluation, Shade, Toggles, ViewState } from "../protocol/types";
import { useKernel, type Kernel } from "./kernel";
import { useNaming, type Naming } from "./useNaming";
import { useSize, useTrait, type SizeHandle } from "./store";

export interface Shown {
  size: SizeHandle;
  toggles: Toggles;
  evaluation: Evaluation | null;
  curves: Curve[];
  /** What the cells of heads and MLPs are shaded by. */
  shade: Shade;
  /** What each of them does, where that was asked for. */
  effects: Effects | null;
  /** What a person named and noted. */
  naming: Naming;
  kernel: Kernel;
  live: boolean;
  /** Whether toggles can be tried: a kernel answers, or some of their results are known. */
  toggleable: boolean;
  /** Exact results that are known without a kernel. */
  known: Evaluation[];
  /** Why the present subgraph has no result, where that is known without a kernel. */
  refused: string | null;
  reading: Reading;
  trace: Trace;
  shares: ReturnType<typeof tokenShares>;
  /** The exact result under toggles, which may lie off the curve; null without toggles. */
  toggled: Evaluation | null;
}

export function useShown(model: ExplorerModel, viewState: ViewState): Shown {
  const size = useSize(model);
  const toggles = useTrait(model, "toggles");
  const evaluation = useTrait(model, "evaluation");
  const curves = useTrait(model, "curves");
  const shade = useTrait(model, "shade");
  const effectMap = useTrait(model, "effects");
  const effects = useMemo(() => decodeEffects(effectMap), [effectMap]);
  const naming = useNaming(model);
  const known = useTrait(model, "evaluations");
  const refusals = useTrait(model, "refused");
  const kernel = useKernel(model);
  const live = kernel === "live" || kernel === "awaited";
  const refusal = refusals.find((one) => !live && one.n_edges === size.nEdges && sameToggles(one.toggles, toggles));
  const toggleable = live || known.length + refusals.length > 0;
  const reading = useMemo(() => read(viewState, size.nEdges, toggles, evaluation), [viewState, size.nEdges, toggles, evaluation]);
  const trace = useMemo(() => traceAt(viewState, size.nEdges), [viewState, size.nEdges]);
  const shares = useMemo(() => tokenShares(viewState, trace), [viewState, trace]);
  const underToggles = Object.keys(toggles).length > 0 && evaluation !== null && Object.keys(evaluation.toggles).length > 0;
  const toggled = underToggles ? evaluation : null;
  return { size, toggles, evaluation, curves, shade, effects, naming, kernel, live, toggleable, known, refused: refusal?.reason ?? null, reading, trace, shares, toggled };
}
