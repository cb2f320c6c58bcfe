import type { ComponentType } from "preact";
import { useMemo, useRef } from "preact/hooks";
import { useConversation } from "../hooks/kernel";
import { useTrait } from "../hooks/store";
import { keepKey, useKeptFocus } from "../hooks/useKeptFocus";
import { useOwnStyle } from "../hooks/useOwnStyle";
import { useShown } from "../hooks/useShown";
import { useTheme } from "../hooks/useTheme";
import { decodeViewState } from "../protocol/decode";
import type { ExplorerModel } from "../protocol/model";
import { ErrorBar } from "./ErrorBar";
import type { ViewProps } from "./props";

interface Props {
  model: ExplorerModel;
  /** The element that it is drawn into. */
  el: HTMLElement;
  /** "explorer" or the name of a single view. */
  name: string;
  label: string;
  view: ComponentType<ViewProps>;
}

/** The frame of the Explorer and of each single view: from a model's traits to what is drawn in the card. */
export function Shell({ model, el, name, label, view }: Props) {
  const encoded = useTrait(model, "view_state");
  const viewState = useMemo(() => decodeViewState(encoded), [encoded]);
  const status = useTrait(model, "status");
  const conversation = useConversation(model);
  const theme = useTheme(el);
  const card = useRef<HTMLDivElement>(null);
  useOwnStyle(card, model);
  useKeptFocus(card);
  return (
    <div ref={card} class="strace-widgets" data-theme={theme} data-testid={`strace-${name}`} data-lm-suppress-shortcuts="true" onKeyDown={keepKey}>
      <article class="sw-card" aria-label={label}>
        {viewState ? (
          <Drawn
            key={`${viewState.n_layers} ${viewState.n_heads}`}
            view={view}
            model={model}
            viewState={viewState}
            theme={theme}
            status={status}
            conversation={conversation}
          />
        ) : (
          <>
            <ErrorBar status={status} conversation={conversation} />
            {status.state !== "error" && <p class="sw-empty">{status.message || "Waiting for the trace."}</p>}
          </>
        )}
      </article>
    </div>
  );
}

/** One reading of the model for all that is drawn: the line above a curve follows the hand on it. */
function Drawn({ view: View, ...props }: Omit<ViewProps, "shown"> & Pick<Props, "view">) {
  return <View {...props} shown={useShown(props.model, props.viewState)} />;
}
