import { formatShare, visibleToken } from "../scales";
import type { Bundle } from "../state";

interface Props {
  bundle: Bundle;
  /** Share of each token's edges in the trace. */
  shares: number[];
}

/** About so many tokens overflow the line's height: then the keyboard has to reach them. */
const scrollsFrom = 40;

/** The prompt's tokens with their share of the trace, and what was traced. */
export function PromptLine({ bundle, shares }: Props) {
  const last = bundle.tokens.length - 1;
  return (
    <header class="sw-prompt">
      <ol class="sw-tokens" aria-label="Prompt tokens" tabIndex={last >= scrollsFrom ? 0 : undefined}>
        {bundle.tokens.map((token, index) => (
          <li
            key={index}
            class={index === last ? "sw-token sw-token-last" : "sw-token"}
            title={`Token ${index}${index === last ? ", the position explained" : ""}: ${formatShare(shares[index])} of its edges in the trace`}
          >
            <bdi>{visibleToken(token)}</bdi>
            <span class="sw-token-share" style={{ transform: `scaleX(${shares[index]})` }} />
          </li>
        ))}
      </ol>
      <p class="sw-about">
        <strong>{bundle.model}</strong>
        <span>importance {bundle.importance}</span>
        <span>masks {bundle.masks}</span>
      </p>
    </header>
  );
}
