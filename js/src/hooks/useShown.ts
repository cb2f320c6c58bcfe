// What a model's traits amount to on screen; the Explorer and its single views read the same.
import { useMemo } from "preact/hooks";
import { read, type Reading } from "../logic/reading";
import { tokenShares, traceAt, type Trace } from "../logic/trace";
import type { Bundle, Curve, Evaluation, ExplorerModel, Toggles } from "../protocol/state";
import { useKernel, type Kernel } from "./kernel";
import { useSize, useTrait, type SizeHandle } from "./store";

export interface Shown {
  size: SizeHandle;
  toggles: Toggles;
  evaluation: Evaluation | null;
  curves: Curve[];
  kernel: Kernel;
  live: boolean;
  /** Whether switches can be tried: a kernel answers, or some of their results are known. */
  switchable: boolean;
  /** Exact results that are known without a kernel. */
  known: Evaluation[];
  reading: Reading;
  trace: Trace;
  shares: ReturnType<typeof tokenShares>;
  /** The exact result under switches, which may lie off the curve; null without switches. */
  switched: Evaluation | null;
}

const nothing: Evaluation[] = [];

export function useShown(model: ExplorerModel, bundle: Bundle): Shown {
  const size = useSize(model);
  const toggles = useTrait(model, "toggles");
  const evaluation = useTrait(model, "evaluation");
  const curves = useTrait(model, "curves");
  const known = useTrait(model, "evaluations") ?? nothing;
  const kernel = useKernel(model);
  const live = kernel === "live" || kernel === "awaited";
  const switchable = live || known.length > 0;
  const reading = useMemo(() => read(bundle, size.nEdges, toggles, evaluation), [bundle, size.nEdges, toggles, evaluation]);
  const trace = useMemo(() => traceAt(bundle, size.nEdges), [bundle, size.nEdges]);
  const shares = useMemo(() => tokenShares(bundle, trace), [bundle, trace]);
  const underSwitches = Object.keys(toggles).length > 0 && evaluation !== null && Object.keys(evaluation.toggles).length > 0;
  const switched = underSwitches ? evaluation : null;
  return { size, toggles, evaluation, curves, kernel, live, switchable, known, reading, trace, shares, switched };
}
