import { useRef, useState } from "preact/hooks";
import { fileName } from "../logic/sessionFile";
import type { Programs } from "../protocol/questions";
import type { SessionFile } from "../protocol/types";
import { canFillScreen, download, toggleFullScreen } from "./browser";
import { CodeDialog } from "./CodeDialog";
import { LoadButton } from "./LoadButton";
import type { ViewProps } from "./props";

interface Props extends ViewProps {
  /** The session as it now is. */
  onSave(): SessionFile;
  onLoad(session: SessionFile): void;
}

/** The session as a whole: to keep, to bring back, to take along as code, to see large. */
export function SessionBar({ viewState, shown: { live }, conversation, onSave, onLoad }: Props) {
  const [programs, setPrograms] = useState<Programs | null>(null);
  const codeButton = useRef<HTMLButtonElement>(null);
  const save = () => {
    const session = onSave();
    download(JSON.stringify(session, null, 1), fileName(session));
  };
  const closeCode = () => {
    setPrograms(null);
    codeButton.current?.focus();
  };
  return (
    <div class="sw-tools" role="group" aria-label="Session">
      <button type="button" class="sw-quiet" data-testid="save" title="Save this session as a file" onClick={save}>
        Save
      </button>
      <LoadButton viewState={viewState} conversation={conversation} onLoad={onLoad} />
      {live && (
        <button
          ref={codeButton}
          type="button"
          class="sw-quiet"
          data-testid="code"
          title="Programs that reproduce these numbers"
          disabled={conversation.asking !== null}
          onClick={async () => setPrograms(await conversation.request("code", {}))}
        >
          Copy as code
        </button>
      )}
      {canFillScreen() && <FullScreenButton />}
      {programs && <CodeDialog programs={programs} onClose={closeCode} />}
    </div>
  );
}

function FullScreenButton() {
  return (
    <button
      type="button"
      class="sw-quiet"
      data-testid="fullscreen"
      aria-label="Full screen"
      title="Full screen"
      onClick={(event) => toggleFullScreen(event.currentTarget.closest(".strace-widgets") as Element)}
    >
      <svg class="sw-icon" viewBox="0 0 12 12" aria-hidden="true">
        <path d="M1 4V1h3M8 1h3v3M11 8v3H8M4 11H1V8" />
      </svg>
    </button>
  );
}
