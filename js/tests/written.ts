// States that Python wrote, with what is in them as plain figures: `python tests/test_contract.py` writes both files.
import plain from "./written/state.json";
import former from "./written/version1.json";
import type { ExplorerState } from "../src/protocol/types";

interface Written<S> {
  saved: S;
  /** What they hold, by name; arrays as lists of numbers. */
  figures: Record<string, any>;
}

export const present = plain as unknown as Written<ExplorerState>;
export const version1 = former as unknown as Written<Record<string, any>>;
