import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { isReachable, removeTried, renameTried, sameStep } from "../logic/history";
import { isFlat } from "../logic/reading";
import { formatDistance } from "../logic/scales";
import { settingsDifference } from "../logic/settings";
import { spacelessNames } from "../logic/tokenText";
import type { History, Step, Tried } from "../protocol/types";
import { selectText } from "./browser";
import { CompareTried } from "./CompareTried";

interface Props {
  history: History;
  present: Step;
  live: boolean;
  toggleable: boolean;
  onGo(step: Step): void;
  onHistory(history: History): void;
}

/** With one result there is nothing to go back to. */
const shownFrom = 2;

/** The exact results seen, the newest first: to go back to, to name, to remove, to compare. */
export function TriedList({ history, present, live, toggleable, onGo, onHistory }: Props) {
  const [comparing, setComparing] = useState(false);
  const [chosen, setChosen] = useState<string[]>([]);
  if (history.tried.length < shownFrom) return null;
  const topNames = spacelessNames(history.tried.map(({ top }) => top[0].token));
  const compared = chosen.flatMap((key) => history.tried.find((tried) => stepKey(tried) === key) ?? []);
  const choose = (tried: Tried) => {
    const key = stepKey(tried);
    setComparing(true);
    setChosen(chosen.includes(key) ? chosen.filter((other) => other !== key) : [...chosen, key].slice(-2));
  };
  const finish = () => {
    setComparing(false);
    setChosen([]);
  };
  return (
    <section role="group" class="sw-tried" aria-label="Tried subgraphs">
      <div class="sw-tried-line">
        <ul data-testid="tried" tabIndex={0}>
          {history.tried.map((tried, index) => (
            <Chip
              key={stepKey(tried)}
              tried={tried}
              topName={topNames[index]}
              present={present}
              reachable={isReachable(tried, present, live, toggleable)}
              chosen={comparing ? chosen.includes(stepKey(tried)) : null}
              onGo={() => onGo(tried)}
              onChoose={() => choose(tried)}
              onRename={(name) => onHistory(renameTried(history, tried, name))}
              onRemove={() => onHistory(removeTried(history, tried))}
            />
          ))}
        </ul>
        <button
          type="button"
          class="sw-quiet"
          data-testid="compare"
          aria-pressed={comparing}
          onClick={() => (comparing ? finish() : setComparing(true))}
        >
          {comparing ? "Done" : "Compare"}
        </button>
      </div>
      {comparing && compared.length < 2 && <p class="sw-note">Choose {compared.length === 0 ? "two" : "another"} to compare.</p>}
      {compared.length === 2 && <CompareTried first={compared[0]} second={compared[1]} />}
    </section>
  );
}

export const stepKey = ({ settings, n_edges, toggles }: Step): string => JSON.stringify([settings, n_edges, Object.entries(toggles).sort()]);

/** A result in words, after its name: "TV 0.12 · Paris". */
const triedResult = ({ total_variation, top: [{ probability }] }: Tried, topName: string): string =>
  `TV ${formatDistance(total_variation)} · ${isFlat(probability) ? "flat" : topName}`;

interface ChipProps {
  tried: Tried;
  /** Of its top token, in the list. */
  topName: string;
  present: Step;
  reachable: boolean;
  /** Whether it is chosen for comparison; null while nothing is compared. */
  chosen: boolean | null;
  onGo(): void;
  onChoose(): void;
  onRename(name: string): void;
  onRemove(): void;
}

function Chip({ tried, topName, present, reachable, chosen, onGo, onChoose, onRename, onRemove }: ChipProps) {
  const [renaming, setRenaming] = useState(false);
  const chip = useRef<HTMLButtonElement>(null);
  const elsewhere = settingsDifference(tried.settings, present.settings);
  const rename = (name: string | null, left: boolean) => {
    setRenaming(false);
    if (name?.trim()) onRename(name.trim());
    if (!left) setTimeout(() => chip.current?.focus());
  };
  if (renaming) {
    return (
      <li class="sw-tried-chip">
        <NameField name={tried.name} onDone={rename} />
      </li>
    );
  }
  return (
    <li class="sw-tried-chip" data-elsewhere={elsewhere !== "" || undefined}>
      <button
        ref={chip}
        type="button"
        data-testid="tried-chip"
        aria-current={sameStep(tried, present) || undefined}
        aria-pressed={chosen ?? undefined}
        disabled={!reachable && chosen === null}
        title="Click to go there, with Shift to compare; F2 or a double click renames it"
        onClick={(event) => (chosen !== null || event.shiftKey ? onChoose() : onGo())}
        onDblClick={() => chosen === null && setRenaming(true)}
        onKeyDown={(event) => event.key === "F2" && setRenaming(true)}
      >
        {elsewhere && <span class="sw-note"><bdi>{elsewhere}</bdi> · </span>}
        <b>{tried.name}</b> · <bdi>{triedResult(tried, topName)}</bdi>
      </button>
      <button type="button" class="sw-remove" data-testid="tried-remove" aria-label={`Remove ${tried.name}`} onClick={onRemove}>
        ×
      </button>
    </li>
  );
}

interface NameFieldProps {
  name: string;
  /** `left`: the focus went elsewhere, and stays there. */
  onDone(name: string | null, left: boolean): void;
}

function NameField({ name, onDone }: NameFieldProps) {
  const field = useRef<HTMLInputElement>(null);
  const done = useRef(false);
  useLayoutEffect(() => selectText(field.current), []);
  // Leaving the field also follows from Enter and Escape, which remove it.
  const finish = (result: string | null, left = false) => {
    if (!done.current) onDone(result, left);
    done.current = true;
  };
  const pressKey = (event: KeyboardEvent) => {
    if (event.key === "Enter") finish((event.currentTarget as HTMLInputElement).value);
    else if (event.key === "Escape") finish(null);
    event.stopPropagation();
  };
  return (
    <input
      ref={field}
      data-testid="tried-name"
      aria-label={`New name of ${name}`}
      defaultValue={name}
      maxLength={60}
      onKeyDown={pressKey}
      onBlur={(event) => finish(event.currentTarget.value, true)}
    />
  );
}
