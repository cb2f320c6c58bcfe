import { pageModel } from "../src/logic/pageModel";
import type { ExplorerModel } from "../src/protocol/model";
import type { ExplorerState } from "../src/protocol/types";

type Message = { id: string; kind: string } & Record<string, unknown>;

export interface FakeModel extends ExplorerModel {
  /** What a kernel would have received: the requested states, and the messages. */
  saved: Pick<ExplorerState, "n_edges" | "toggles">[];
  sent: Message[];
  listeners: number;
  /** What Python answers at once, by kind; a kind that is absent is never answered. */
  replies: Record<string, (message: Message) => object>;
  /** A message from Python. */
  receive(message: object): void;
  sentOf(kind: string): Message[];
}

/** A model that records what the front end does to it. */
export function fakeModel(state: Partial<ExplorerState>): FakeModel {
  const model = pageModel(state);
  const heard = new Set<(message: object, buffers: unknown[]) => void>();
  const request = () => ({ n_edges: model.get("n_edges"), toggles: model.get("toggles") });
  let last = request();
  const fake: FakeModel = {
    ...model,
    saved: [],
    sent: [],
    listeners: 0,
    replies: { hello: () => ({ ok: true }) },
    on: (event: string, listener: (...about: any[]) => void) => {
      fake.listeners += 1;
      if (event === "msg:custom") heard.add(listener);
      else model.on(event, listener);
    },
    off: (event, listener) => {
      fake.listeners -= 1;
      if (event === "msg:custom") heard.delete(listener as never);
      else model.off(event, listener);
    },
    save_changes: () => {
      const now = request();
      if (now.n_edges !== last.n_edges || now.toggles !== last.toggles) fake.saved.push(now);
      last = now;
    },
    send: (content) => {
      const message = content as Message;
      fake.sent.push(message);
      const reply = fake.replies[message.kind]?.(message);
      if (reply) fake.receive({ id: message.id, kind: message.kind, ...reply });
    },
    receive: (message) => {
      for (const listener of [...heard]) listener(message, []);
    },
    sentOf: (kind) => fake.sent.filter((message) => message.kind === kind),
  };
  return fake;
}
