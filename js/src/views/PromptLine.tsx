import { useRef, useState } from "preact/hooks";
import { formatShare, visibleToken } from "../scales";
import { lastPosition, settingsOf } from "../settings";
import type { Bundle, Choices, Settings, Status } from "../state";
import { PromptEdit } from "./PromptEdit";
import { SettingsBar } from "./SettingsBar";

interface Props {
  bundle: Bundle;
  /** Share of each token's edges in the trace. */
  shares: number[];
  choices: Choices;
  status: Status | null;
  live: boolean;
  /** True while this view waits for another trace. */
  tracing: boolean;
  /** Asks for another trace; true once it is there. */
  onTrace(settings: Settings): Promise<boolean>;
}

/** About so many tokens overflow the line's height: then the keyboard has to reach them. */
const scrollsFrom = 40;

/** The prompt's tokens with their share of the trace, what was traced, and ways to trace something else. */
export function PromptLine({ bundle, shares, choices, status, live, tracing, onTrace }: Props) {
  const [editing, setEditing] = useState(false);
  const editButton = useRef<HTMLButtonElement>(null);
  const settings = settingsOf(bundle);
  const finishEdit = () => {
    setEditing(false);
    setTimeout(() => editButton.current?.focus());
  };
  const traceText = async (prompt: string) => {
    if (prompt === bundle.prompt || (await onTrace({ ...settings, prompt, position: lastPosition }))) finishEdit();
  };
  const explain = (position: number) => position !== bundle.position && onTrace({ ...settings, position });
  return (
    <header class="sw-prompt">
      {editing && live ? (
        <PromptEdit prompt={bundle.prompt} waiting={tracing} onApply={traceText} onCancel={finishEdit} />
      ) : (
        <div class="sw-prompt-text">
          {live ? (
            <TokenButtons bundle={bundle} shares={shares} disabled={tracing} onExplain={explain} />
          ) : (
            <ol class="sw-tokens" aria-label="Prompt tokens" tabIndex={bundle.all_tokens.length > scrollsFrom ? 0 : undefined}>
              {bundle.all_tokens.map((_, index) => (
                <li key={index} class={tokenClass(bundle, index)} title={tokenTitle(bundle, shares, index)}>
                  <Token bundle={bundle} shares={shares} index={index} />
                </li>
              ))}
            </ol>
          )}
          {live && (
            <button ref={editButton} type="button" class="sw-quiet" data-testid="prompt-edit" disabled={tracing} onClick={() => setEditing(true)}>
              Edit
            </button>
          )}
        </div>
      )}
      <SettingsBar bundle={bundle} choices={choices} status={status} live={live} tracing={tracing} onSettings={onTrace} />
    </header>
  );
}

interface TokenButtonsProps {
  bundle: Bundle;
  shares: number[];
  disabled: boolean;
  onExplain(position: number): void;
}

/** The tokens as buttons with one tab stop: each explains the prediction after it. */
function TokenButtons({ bundle, shares, disabled, onExplain }: TokenButtonsProps) {
  const [focused, setFocused] = useState<number | null>(null);
  const last = bundle.all_tokens.length - 1;
  const stop = Math.min(focused ?? bundle.position, last);
  const pressKey = (event: KeyboardEvent) => {
    const targets: Record<string, number> = { ArrowRight: stop + 1, ArrowLeft: stop - 1, Home: 0, End: last };
    const target = targets[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const buttons = (event.currentTarget as Element).querySelectorAll("button");
    buttons[Math.min(last, Math.max(0, target))].focus();
  };
  return (
    <div class="sw-tokens" role="toolbar" aria-label="Prompt tokens: choose the one whose prediction is explained" onKeyDown={pressKey}>
      {bundle.all_tokens.map((_, index) => (
        <button
          key={index}
          type="button"
          class={tokenClass(bundle, index)}
          data-testid={`token-${index}`}
          aria-pressed={index === bundle.position}
          aria-disabled={disabled || undefined}
          tabIndex={index === stop ? 0 : -1}
          title={tokenTitle(bundle, shares, index)}
          onFocus={() => setFocused(index)}
          onBlur={() => setFocused(null)}
          onClick={() => disabled || onExplain(index)}
        >
          <Token bundle={bundle} shares={shares} index={index} />
        </button>
      ))}
    </div>
  );
}

function Token({ bundle, shares, index }: { bundle: Bundle; shares: number[]; index: number }) {
  return (
    <>
      <bdi>{visibleToken(bundle.all_tokens[index])}</bdi>
      {index <= bundle.position && <span class="sw-token-share" style={{ transform: `scaleX(${shares[index]})` }} />}
    </>
  );
}

function tokenClass({ position }: Bundle, index: number): string {
  if (index === position) return "sw-token sw-token-last";
  return index > position ? "sw-token sw-token-after" : "sw-token";
}

function tokenTitle({ position }: Bundle, shares: number[], index: number): string {
  if (index > position) return `Token ${index}: after the position explained`;
  return `Token ${index}${index === position ? ", the position explained" : ""}: ${formatShare(shares[index])} of its edges in the trace`;
}
