import { useRef } from "preact/hooks";
import { parseSession } from "../logic/sessionFile";
import type { SessionFile } from "../protocol/types";
import type { ViewProps } from "./props";

interface Props extends Pick<ViewProps, "viewState" | "conversation"> {
  /** Throws where the session cannot be reached. */
  onLoad(session: SessionFile): void;
}

/** Opens the browser's choice of a file; what is wrong with the file is told in the error bar. */
export function LoadButton({ viewState, conversation, onLoad }: Props) {
  const file = useRef<HTMLInputElement>(null);
  const load = async (input: HTMLInputElement) => {
    const chosen = input.files?.[0];
    if (!chosen) return;
    conversation.report(null);
    try {
      onLoad(parseSession(await chosen.text(), viewState));
    } catch (reason) {
      conversation.report({ kind: null, sentence: (reason as Error).message });
    }
    input.value = ""; // the same file may be chosen again
  };
  return (
    <>
      <button type="button" class="sw-quiet" data-testid="load" title="Go on with a saved session" onClick={() => file.current?.click()}>
        Load
      </button>
      <input
        ref={file}
        type="file"
        accept="application/json,.json"
        data-testid="load-input"
        aria-label="Session file"
        hidden
        onChange={(event) => load(event.currentTarget)}
      />
    </>
  );
}
