import type { ComponentChildren } from "preact";
import type { Look } from "../hooks/usePlot";
import type { Spacing } from "../logic/axis";
import type { Quantity } from "../logic/quantities";

interface Props {
  /** What it is about, and what to do with it. */
  title: string;
  note: ComponentChildren;
  look: Look;
  /** What can stand on the y axis, where there is one. */
  quantities: readonly Quantity[];
  foldable: boolean;
  onLook(look: Look): void;
  children?: ComponentChildren;
}

const spacings: Record<Spacing, string> = { log: "log s", linear: "linear s" };

/** How the curve is drawn: what stands on its axes, and whether the sizes at which nothing happens have their width. */
export function CurveChoices({ title, note, look, quantities, foldable, onLook, children }: Props) {
  return (
    <div class="sw-head sw-curve-head">
      <h3 class="sw-title">
        {title} <span class="sw-note">{note}</span>
      </h3>
      {children}
      {quantities.length > 0 && (
        <Choice
          label="What is on the y axis"
          id="quantity"
          value={look.quantity.key}
          options={quantities.map(({ key, name, about }) => [key, name, about])}
          onChoose={(key) => onLook({ ...look, quantity: quantities.find((one) => one.key === key) ?? look.quantity })}
        />
      )}
      <Choice
        label="Spacing of the sizes"
        id="spacing"
        value={look.spacing}
        options={Object.entries(spacings)}
        onChoose={(spacing) => onLook({ ...look, spacing: spacing as Spacing })}
      />
      {foldable && (
        <button
          type="button"
          class="sw-quiet"
          data-testid="whole-axis"
          aria-pressed={look.whole}
          title="Gives the sizes at which nothing happens yet their width, too (F on the slider)"
          onClick={() => onLook({ ...look, whole: !look.whole })}
        >
          whole axis
        </button>
      )}
    </div>
  );
}

interface ChoiceProps {
  label: string;
  id: string;
  value: string;
  options: string[][];
  onChoose(option: string): void;
}

function Choice({ label, id, value, options, onChoose }: ChoiceProps) {
  return (
    <span class="sw-choice">
      <select data-testid={id} aria-label={label} value={value} onChange={(event) => onChoose(event.currentTarget.value)}>
        {options.map(([option, name, about]) => (
          <option key={option} value={option} title={about}>
            {name}
          </option>
        ))}
      </select>
    </span>
  );
}
