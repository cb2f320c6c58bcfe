import axe from "axe-core";
import { act } from "preact/test-utils";
import { afterEach, describe, expect, it, vi } from "vitest";
import { formatWait } from "../src/logic/job";
import type { EncodedViewState, Status } from "../src/protocol/types";
import { makeState } from "./fixture";
import { choose, clear, click, evaluate, settle, show, write } from "./render";

const viewState: EncodedViewState = { ...(makeState().view_state as EncodedViewState), server: "127.0.0.1:20800" };
const ready: Status = { state: "ready", message: "", progress: 0 };
const running: Status = { ...ready, state: "running" };
const queued = { stage: "queued", since: 1000, description: "Added to Queue at position 3." };
afterEach(() => {
  clear();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("a model on a server", () => {
  it("is named, and one here has no such line", () => {
    expect(show({ view_state: viewState }).get("server-line").textContent).toBe("on 127.0.0.1:20800");
    expect(show().seek("server-line")).toBeNull();
    expect(show({ view_state: viewState, live: false }).seek("server-line")).toBeNull();
  });

  it("has the stage of an evaluation shown with a running time, and spoken once", () => {
    vi.useFakeTimers({ now: 1_007_000 });
    const { model, get, find, seek } = show({ view_state: viewState });
    click(find('[data-component="1.0"]'));
    write(model, { status: { ...running, job: queued } });
    expect(get("job").textContent).toBe("queued 7 s Added to Queue at position 3.");
    expect(get("stage-spoken").textContent).toBe("queued");
    const spoken = vi.fn();
    const observer = new MutationObserver(spoken);
    observer.observe(get("stage-spoken"), { subtree: true, childList: true, characterData: true });
    act(() => void vi.advanceTimersByTime(60_000));
    expect(get("job").textContent).toContain("queued 1 min 07 s");
    expect(get("job").closest("[role=status], [aria-live]")).toBeNull();
    expect(observer.takeRecords()).toEqual([]);
    observer.disconnect();
    write(model, { status: { ...running, job: { ...queued, stage: "running", since: 2000 } } });
    expect(get("job").textContent).toContain("running 0 s"); // the kernel's clock is ahead
    expect(get("stage-spoken").textContent).toBe("running");
    write(model, { status: ready });
    for (const id of ["job", "stop-waiting"]) expect(seek(id)).toBeNull();
    expect(get("stage-spoken").textContent).toBe("");
  });

  it("is waited for no longer on request, and asked again", async () => {
    const { model, get, seek, find } = show({ view_state: viewState });
    model.replies.cancel = () => ({ ok: true });
    model.replies.evaluate = () => ({ ok: true });
    click(find('[data-component="1.0"]'));
    write(model, { status: { ...running, job: queued } });
    click(get("stop-waiting"));
    expect(model.sentOf("cancel")).toHaveLength(1);
    expect(get<HTMLButtonElement>("stop-waiting").disabled).toBe(true);
    write(model, { status: { ...ready, kind: "evaluate", message: "No longer waiting." } });
    expect(get("stopped").textContent).toBe("No longer waiting.");
    expect(seek("outcome")).toBeNull();
    expect(get("state").dataset.state).toBe("stale");
    click(get("evaluate-again"));
    expect(model.sentOf("evaluate")).toHaveLength(1);
    write(model, { status: ready });
    evaluate(model);
    expect(seek("stopped")).toBeNull();
  });

  it("shows the stage of a trace beside its step, and is waited for however long that takes", async () => {
    vi.useFakeTimers();
    const { model, get, seek } = show({ view_state: viewState });
    choose(get<HTMLSelectElement>("importance"), "l2");
    write(model, { status: { ...running, message: "weighing", progress: 0.1, job: queued } });
    expect(get("cancel").textContent).toBe("Stop waiting");
    expect(get("job").dataset.stage).toBe("queued");
    expect(get("stage-spoken").textContent).toBe("weighing, queued");
    await act(async () => void (await vi.advanceTimersByTimeAsync(3_600_000)));
    expect(seek("error")).toBeNull();
    write(model, { status: { ...running, message: "weighing", progress: 0.1 } });
    await act(async () => void (await vi.advanceTimersByTimeAsync(200_000)));
    expect(get("error").textContent).toContain("No kernel has answered");
  });

  it("fails with a sentence, all of the server's words one click away, and another try", async () => {
    const { model, get, seek, find, el } = show({ view_state: viewState });
    const text = "Traceback (most recent call last):\n  <b>no markup</b>\nRuntimeError: too hot";
    model.replies.trace = () => ({ ok: false, error: "The job failed: RuntimeError: too hot", detail: text });
    choose(get<HTMLSelectElement>("importance"), "l2");
    write(model, { status: { ...ready, state: "error", kind: "trace", message: "The job failed: RuntimeError: too hot", detail: text } });
    await settle();
    expect(get("error").querySelector("p")?.textContent).toBe("Not traced. The job failed: RuntimeError: too hot");
    expect(find("details").hasAttribute("open")).toBe(false);
    expect(get("error-detail").textContent).toBe(text);
    expect(get("state").textContent).not.toContain("failed"); // the reading is as good as it was
    vi.spyOn(HTMLCanvasElement.prototype, "getContext").mockReturnValue(null);
    const { violations } = await axe.run(el, { rules: { region: { enabled: false }, "color-contrast": { enabled: false } } });
    expect(violations).toEqual([]);
    model.replies.trace = () => ({ ok: true });
    write(model, { status: ready });
    click(get("again"));
    await settle();
    expect(model.sentOf("trace").map(({ settings }) => (settings as { importance: string }).importance)).toEqual(["l2", "l2"]);
    expect(seek("error")).toBeNull();
  });

  it("that fails an evaluation says so at the numbers, also where it said nothing", () => {
    const { model, get, seek, find } = show({ view_state: viewState });
    click(find('[data-component="1.0"]'));
    write(model, { status: { ...ready, state: "error", kind: "evaluate", message: "Still queued after 0 s.", detail: "" } });
    expect(get("error").textContent).toContain("Not evaluated. Still queued after 0 s.");
    expect(seek("error-detail")).toBeNull();
    expect(get("state").textContent).toContain("failed");
    click(get("again"));
    expect(model.sentOf("evaluate")).toHaveLength(1);
  });
});

describe("formatWait", () => {
  it("counts seconds, minutes and hours", () => {
    expect([0, 7.9, 65, 3845].map(formatWait)).toEqual(["0 s", "7 s", "1 min 05 s", "1 h 04 min"]);
  });
});
