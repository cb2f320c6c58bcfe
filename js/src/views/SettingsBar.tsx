import { useRef, useState } from "preact/hooks";
import { comingEffects, comingLevels, stageName } from "../logic/job";
import { ablationName } from "../logic/question";
import { byMeasure, maskedName, maskName, measureGroups, measureName, settingsOf, withPresent } from "../logic/settings";
import type { Ablation, Choices, Settings, Status, ViewState } from "../protocol/types";
import { RefineChoice } from "./RefineChoice";

interface Props {
  viewState: ViewState;
  choices: Choices;
  status: Status;
  live: boolean;
  /** What this view waits for. */
  doing: "tracing" | "refining" | null;
  onSettings(settings: Settings): void;
  onRefine(passes: number): void;
  onCancel(): void;
}

/** What was traced; with a kernel, as choices that trace anew. */
export function SettingsBar({ viewState, choices, status, live, doing, onSettings, onRefine, onCancel }: Props) {
  const settings = settingsOf(viewState);
  const stage = status.state === "running" ? status.message : "";
  const job = status.state === "running" ? status.job : undefined;
  const outcome = status.state === "ready" && status.kind !== "evaluate" ? status.message : "";
  const bar = useRef<HTMLDivElement>(null);
  if (!live) {
    return (
      <p class="sw-about">
        <strong>{viewState.model}</strong>
        <span>importance {measureName(viewState)}</span>
        <span>{maskName(viewState.masks)}</span>
        {settings.ablation && <span>dropped edges carry {ablationName(settings.ablation)}</span>}
      </p>
    );
  }
  const working = doing !== null || stage !== "";
  const busy = working && !(doing === null && (comingLevels(status) || comingEffects(status))); // no reason to wait for them
  const shownStage = stage || doing || "tracing";
  const change = (changed: Settings) => !busy && onSettings(changed);
  const cancel = () => {
    onCancel();
    bar.current?.querySelector("select")?.focus(); // the button, which rests now, does not take the focus with it
  };
  return (
    <div ref={bar} class="sw-settings" data-working={working}>
      <p class="sw-about">
        <strong>{viewState.model}</strong>
        <Choice
          id="importance"
          word="importance"
          label="Importance measure"
          options={choices.importance.map(({ name }) => name)}
          groups={measureGroups(choices.importance)}
          present={viewState.importance}
          title={viewState.refined && measureName(viewState)}
          onChoose={(importance) => change(byMeasure(settings, importance))}
        />
        <RefineChoice refined={viewState.importance === "refined"} onRefine={(passes) => !busy && onRefine(passes)} />
        <ModeChoices choices={choices} settings={settings} onChange={change} />
        {!working && outcome && <span role="status" data-testid="outcome">{outcome}</span>}
      </p>
      {working && <Stage stage={shownStage} status={status} onCancel={cancel} />}
      {/* What a screen reader hears: each step and stage once, not the seconds. */}
      <span class="sw-unseen" role="status" data-testid="stage-spoken">
        {[working && shownStage, job && stageName(job)].filter(Boolean).join(", ")}
      </span>
    </div>
  );
}

/** How subgraphs are run; what is patched in needs a counterfactual. */
function ModeChoices({ choices, settings, onChange }: { choices: Choices; settings: Settings; onChange(settings: Settings): void }) {
  return (
    <>
      <Choice
        id="masks"
        word="masks"
        label="Masks mode"
        options={choices.masks}
        present={settings.masks}
        name={maskedName}
        onChoose={(masks) => onChange({ ...settings, masks })}
      />
      {settings.counterfactual && (
        <Choice
          id="ablation"
          word="dropped edges carry"
          label="What dropped edges carry"
          options={choices.ablation ?? []}
          present={settings.ablation ?? "zero"}
          name={ablationName}
          onChoose={(ablation) => onChange({ ...settings, ablation: ablation as Ablation })}
        />
      )}
    </>
  );
}

interface StageProps {
  stage: string;
  status: Status;
  onCancel(): void;
}

/** How far a trace is, and a way to give it up, or to wait no longer for a server. */
function Stage({ stage, status, onCancel }: StageProps) {
  const [cancelled, setCancelled] = useState<Status | null>(null);
  const cancel = () => {
    onCancel();
    setCancelled(status); // the button rests until the next stage tells how it went
  };
  return (
    <div class="sw-stage">
      <p>
        <label>
          <span>{stage}</span> <progress data-testid="progress" max={1} value={status.progress || undefined} />
        </label>
      </p>
      <button type="button" class="sw-button" data-testid="cancel" disabled={cancelled === status} onClick={cancel}>
        {status.state === "running" && status.job ? "Stop waiting" : "Cancel"}
      </button>
    </div>
  );
}

interface ChoiceProps {
  id: string;
  /** What stands before the list; an option that began with it could not be found by its first letter. */
  word: string;
  label: string;
  options: string[];
  /** The same, with what they mean, in groups. */
  groups?: ReturnType<typeof measureGroups>;
  present: string;
  title?: string;
  name?(option: string): string;
  onChoose(option: string): void;
}

function Choice({ id, word, label, options, groups, present, title, name = (option) => option, onChoose }: ChoiceProps) {
  const choose = (select: HTMLSelectElement) => {
    const chosen = select.value;
    select.value = present; // until the trace is there, it is what it was
    onChoose(chosen);
  };
  return (
    <label class="sw-choice" title={title}>
      {word}
      <select data-testid={id} aria-label={label} value={present} onChange={(event) => choose(event.currentTarget)}>
        {withPresent(options, present).filter((option) => !groups || !options.includes(option)).map((option) => (
          <option key={option} value={option}>
            {name(option)}
          </option>
        ))}
        {groups?.map(([group, measures]) => (
          <optgroup key={group} label={group}>
            {measures.map((measure) => (
              <option key={measure.name} value={measure.name}>
                {measure.name}: {measure.label}
              </option>
            ))}
          </optgroup>
        ))}
      </select>
    </label>
  );
}
