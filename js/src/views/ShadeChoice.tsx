import { comingEffects } from "../logic/job";
import { type Effects } from "../logic/effects";
import { isKnown, needsEffects, shadeNames } from "../logic/shading";
import { writeTrait } from "../hooks/store";
import type { Shade } from "../protocol/types";
import type { ViewProps } from "./props";

interface Props extends Pick<ViewProps, "model" | "viewState" | "shown" | "status" | "conversation"> {
  effects: Effects | null;
}

/** What the cells are shaded by. To ask for effects begins to compute them, where a kernel is there. */
export function ShadeChoice({ model, viewState, shown, status, conversation, effects }: Props) {
  const { shade, live } = shown;
  const whole = effects !== null && effects.count === effects.known.length;
  const choose = (chosen: Shade) => {
    writeTrait(model, "shade", chosen);
    if (needsEffects(chosen) && live && !whole && !comingEffects(status)) void conversation.request("effects", {});
  };
  return (
    <label class="sw-choice sw-shade">
      shade
      <select data-testid="shade" aria-label="What the cells are shaded by" value={shade} onChange={(event) => choose(event.currentTarget.value as Shade)}>
        {(Object.keys(shadeNames) as Shade[]).map((option) => {
          const known = isKnown(option, viewState, effects, live);
          return (
            <option key={option} value={option} disabled={!known}>
              {shadeNames[option]}
              {!known && " (not computed)"}
            </option>
          );
        })}
      </select>
    </label>
  );
}

/** How much is known of the effects that are shown, and a way to the rest. */
export function EffectsKnown({ shown, status, conversation, effects }: Omit<Props, "model" | "viewState">) {
  const coming = comingEffects(status);
  if (!needsEffects(shown.shade) || coming || (effects !== null && effects.count === effects.known.length)) return null;
  const known = effects ? `${effects.count} of ${effects.known.length} heads and MLPs were switched off.` : "No head or MLP was switched off yet.";
  return (
    <p class="sw-note sw-effects-known" data-testid="effects-known">
      {known}{" "}
      {shown.live ? (
        <button type="button" class="sw-button" data-testid="effects-go-on" disabled={conversation.asking === "effects"} onClick={() => void conversation.request("effects", {})}>
          {effects ? "Go on" : "Switch each off"}
        </button>
      ) : (
        "The rest needs a kernel with the model."
      )}
    </p>
  );
}
