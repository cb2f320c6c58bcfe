// What files of version 1 hold, as version 2 has it. The view state was called a bundle, the leading tokens were called
// a head, a nucleus was in per cent, and a history that had not begun was empty. Python has the same in results/upgrade.py.
import { decodeArray } from "./decode";
import { defaults, version, type Evaluation, type ExplorerState, type History, type Tried } from "./types";

/** A state or a history of version 1; who reads it has checked no more than that it is an object. */
type Former = Record<string, any>;

/** A saved state, as it is or of version 1. */
export function upgradeState(saved: Former): Partial<ExplorerState> {
  if (!saved.bundle) return saved;
  const { bundle, ...others } = saved;
  const { nucleus } = bundle.arrays;
  const fractions = decodeArray(nucleus).map((percent) => percent / 100);
  return {
    ...others,
    view_state: { ...bundle, version, arrays: { ...bundle.arrays, nucleus: { ...nucleus, data: fractions.buffer } } },
    evaluation: saved.evaluation && upgradeEvaluation(saved.evaluation),
    evaluations: saved.evaluations?.map(upgradeEvaluation) ?? [],
    refused: [],
    history: upgradeHistory(saved.history ?? {}),
  };
}

/** A history of version 1. */
export const upgradeHistory = (saved: Former): History => ({
  ...defaults.history,
  ...saved,
  version,
  tried: saved.tried?.map(upgradeTried) ?? [],
});

const upgradeEvaluation = ({ head, nucleus, ...others }: Former): Evaluation =>
  ({ ...others, top: head, nucleus: nucleus / 100 }) as Evaluation;

/** Its top token, and the probability of that, are the first of its leading tokens. */
const upgradeTried = ({ head, top: _, probability: __, ...others }: Former): Tried => ({ ...others, top: head }) as Tried;
