import { speeds, type Play } from "../hooks/usePlay";

interface Props {
  play: Play;
  enabled: boolean;
}

/** Runs the size through as a film, and how fast. */
export function PlayControls({ play: { playing, speed, setSpeed, toggle }, enabled }: Props) {
  return (
    <span class="sw-choice" data-film>
      <button
        type="button"
        class="sw-quiet sw-play"
        data-testid="play"
        disabled={!enabled}
        title={playing ? "Stops here; so does anything else that is done (Space on the slider)" : "Lets the subgraph grow to the whole model (Space on the slider)"}
        onClick={toggle}
      >
        <svg class="sw-icon" viewBox="0 0 10 10" aria-hidden="true">
          <path d={playing ? "M3 1V9M7 1V9" : "M2 1 9 5 2 9Z"} />
        </svg>{" "}
        {playing ? "Pause" : "Play"}
      </button>
      <select data-testid="speed" aria-label="Speed of the film" value={speed} onChange={(event) => setSpeed(Number(event.currentTarget.value))}>
        {speeds.map((each) => (
          <option key={each} value={each}>
            {each}×
          </option>
        ))}
      </select>
    </span>
  );
}
