import { pageModel } from "../src/page";
import type { ExplorerModel, ExplorerState } from "../src/state";

export interface FakeModel extends ExplorerModel {
  /** What a kernel would have received: the traits at each save, and the messages. */
  saved: Pick<ExplorerState, "n_edges" | "toggles">[];
  sent: unknown[];
  listeners: number;
}

/** A model that records what the front end does to it. */
export function fakeModel(state: Partial<ExplorerState>): FakeModel {
  const model = pageModel(state);
  const fake: FakeModel = {
    ...model,
    saved: [],
    sent: [],
    listeners: 0,
    on: (event: string, listener: (...about: any[]) => void) => {
      fake.listeners += 1;
      model.on(event, listener);
    },
    off: (event, listener) => {
      fake.listeners -= 1;
      model.off(event, listener);
    },
    save_changes: () => fake.saved.push({ n_edges: model.get("n_edges"), toggles: model.get("toggles") }),
    send: (content) => fake.sent.push(content),
  };
  return fake;
}
