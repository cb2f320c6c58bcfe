import { useMemo, useState } from "preact/hooks";
import { useTokenShares } from "../hooks/useTokenShares";
import { paired } from "../logic/question";
import type { ViewState } from "../protocol/types";

/** About so many tokens overflow the line's height: then the keyboard has to reach them. */
const scrollsFrom = 40;

/** The prompt, each token over that of a counterfactual; with a kernel a token is explained by a click. */
export function PromptTokens({ live, ...props }: TokenButtonsProps & { live: boolean }) {
  const { viewState } = props;
  return (
    <div class="sw-prompt-lines">
      {live ? <TokenButtons {...props} /> : <TokenList {...props} />}
      {viewState.question && viewState.question.counterfactual.length > 0 && <PairNote viewState={viewState} />}
    </div>
  );
}

/** The counterfactual in words: its tokens are below those of the prompt. */
function PairNote({ viewState }: { viewState: ViewState }) {
  const { differ } = paired(viewState);
  const count = differ.filter(Boolean).length;
  return (
    <p class="sw-note" data-testid="pair-note">
      below each token: the counterfactual, which differs in {count} of {differ.length} tokens<span class="sw-unseen">: <bdi>{viewState.question?.counterfactual_text}</bdi></span>
    </p>
  );
}

function TokenList({ viewState, shares }: Pick<TokenButtonsProps, "viewState" | "shares">) {
  const list = useTokenShares<HTMLOListElement>(viewState, shares);
  const tokens = useMemo(
    () => namesOf(viewState).map((name, index) => <li key={index} class={tokenClass(viewState, index)}>{token(viewState, name, index)}</li>),
    [viewState],
  );
  return (
    <ol ref={list} class={listClass(viewState)} aria-label="Prompt tokens" tabIndex={tokens.length > scrollsFrom ? 0 : undefined}>
      {tokens}
    </ol>
  );
}

interface TokenButtonsProps {
  viewState: ViewState;
  shares: number[];
  disabled: boolean;
  /** The token whose prediction is being computed. */
  asked: number | null;
  onExplain(position: number): void;
}

/** The tokens as buttons with one tab stop: each explains the prediction after it. */
function TokenButtons({ viewState, shares, disabled, asked, onExplain }: TokenButtonsProps) {
  const [focused, setFocused] = useState<number | null>(null);
  const list = useTokenShares<HTMLDivElement>(viewState, shares);
  const last = viewState.all_tokens.length - 1;
  const stop = Math.min(focused ?? viewState.position, last);
  const pressKey = (event: KeyboardEvent) => {
    const targets: Record<string, number> = { ArrowRight: stop + 1, ArrowLeft: stop - 1, Home: 0, End: last };
    const target = targets[event.key];
    if (target === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const buttons = (event.currentTarget as Element).querySelectorAll("button");
    buttons[Math.min(last, Math.max(0, target))].focus({ focusVisible: true });
  };
  const indexOf = (event: Event) => [...(list.current?.children ?? [])].indexOf((event.target as Element).closest("button") as Element);
  const click = (event: Event) => {
    const index = indexOf(event);
    if (!disabled && index >= 0) onExplain(index);
  };
  const names = useMemo(() => namesOf(viewState), [viewState]);
  // The same elements again cost nothing, however many: in a drag only shares change, which `useTokenShares` draws.
  const tokens = useMemo(
    () =>
      names.map((name, index) => (
        <button
          key={index}
          type="button"
          class={index === asked ? `${tokenClass(viewState, index)} sw-token-asked` : tokenClass(viewState, index)}
          aria-busy={index === asked || undefined}
          data-testid={`token-${index}`}
          aria-pressed={index === viewState.position}
          aria-disabled={disabled || undefined}
          tabIndex={index === stop ? 0 : -1}
        >
          {token(viewState, name, index)}
        </button>
      )),
    [viewState, disabled, asked, stop],
  );
  return (
    <div
      ref={list}
      class={listClass(viewState)}
      role="toolbar"
      aria-label="Prompt tokens: choose the one whose prediction is explained"
      onKeyDown={pressKey}
      onFocusIn={(event) => setFocused(indexOf(event))}
      onFocusOut={() => setFocused(null)}
      onClick={click}
    >
      {tokens}
    </div>
  );
}

/** A token, and of a counterfactual the one in its place. */
interface Name {
  name: string;
  other?: string;
  differs?: boolean;
}

function namesOf(viewState: ViewState): Name[] {
  const { names, others, differ } = paired(viewState);
  return names.map((name, index) => ({ name, other: others[index], differs: differ[index] }));
}

const listClass = ({ question }: ViewState): string => (question?.counterfactual.length ? "sw-tokens sw-paired" : "sw-tokens");

const token = ({ position }: ViewState, { name, other, differs }: Name, index: number) => (
  <>
    <bdi>{name}</bdi>
    {index <= position && <span class="sw-token-share" />}
    {differs && <span class="sw-unseen">, counterfactual </span>}
    {other !== undefined && <bdi class="sw-token-other" data-differs={differs} aria-hidden={!differs}>{other}</bdi>}
  </>
);

function tokenClass({ position }: ViewState, index: number): string {
  if (index === position) return "sw-token sw-token-last";
  return index > position ? "sw-token sw-token-after" : "sw-token";
}
