import { beforeEach, afterEach, describe, expect, it, vi } from "vitest";
import { ask, NoAnswer } from "../src/protocol/messages";
import { fakeModel } from "./fakeModel";

const open = () => {
  const model = fakeModel({});
  model.replies = {};
  return { model, gone: new AbortController() };
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("ask", () => {
  it("hears the answer with its own id only", async () => {
    const { model, gone } = open();
    const first = ask(model, "code", {}, 1000, gone.signal);
    const second = ask(model, "code", {}, 1000, gone.signal);
    const [one, two] = model.sent.map(({ id }) => id);
    expect(one).not.toBe(two);
    model.receive({ id: "someone else's", ok: false, error: "no" });
    model.receive({ id: two, ok: true, strace_widgets: "2", nnsight: "2" });
    model.receive({ id: one, ok: true, strace_widgets: "1", nnsight: "1" });
    expect((await first).nnsight).toBe("1");
    expect((await second).nnsight).toBe("2");
    expect(model.listeners).toBe(0);
  });

  it("carries its payload, and rejects with the sentence of a refusal", async () => {
    const { model, gone } = open();
    model.replies.compare = () => ({ ok: false, error: "There is no measure l3." });
    await expect(ask(model, "compare", { names: ["l3"] }, 1000, gone.signal)).rejects.toThrow("There is no measure l3.");
    expect(model.sent[0]).toMatchObject({ kind: "compare", names: ["l3"] });
  });

  it("gives up on a lost answer, but not while the status moves", async () => {
    const { model, gone } = open();
    const failed = vi.fn();
    ask(model, "evaluate", {}, 1000, gone.signal).catch(failed);
    await vi.advanceTimersByTimeAsync(900);
    model.set("status", { state: "running", message: "Scores", progress: 0.5 });
    await vi.advanceTimersByTimeAsync(900);
    expect(failed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(failed.mock.calls[0][0]).toBeInstanceOf(NoAnswer);
    expect(model.listeners).toBe(0);
  });

  it("leaves nothing behind when its view goes, or when the comm is closed", async () => {
    const { model, gone } = open();
    const failed = vi.fn();
    ask(model, "evaluate", {}, 1000, gone.signal).catch(failed);
    gone.abort();
    model.send = () => {
      throw new Error("closed");
    };
    await expect(ask(model, "evaluate", {}, 1000, new AbortController().signal)).rejects.toThrow("closed");
    expect(failed).toHaveBeenCalledOnce();
    expect(model.listeners).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
