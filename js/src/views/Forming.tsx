import { useMemo, useState } from "preact/hooks";
import { bandAt, formingAt, formingBands, formingNow, formingHeight, formingTokens, mostProbableAt, restOf, type Band } from "../logic/forming";
import { haveLevels } from "../logic/levels";
import type { Plot } from "../logic/plot";
import { formatProbability, formatSize } from "../logic/scales";
import { chipColumns, fitted, tokenNames } from "../logic/tokenText";
import type { ViewState } from "../protocol/types";
import type { ViewProps } from "./props";

export interface FormingBands {
  tokens: number[];
  names: string[];
  bands: Band[];
}

/** What the picture and its legend draw from: the same object until the trace or the plot changes. */
export function useForming(viewState: ViewState, plot: Plot): FormingBands {
  return useMemo(() => {
    const tokens = haveLevels(viewState) ? formingTokens(viewState, plot.axis.start) : [];
    const names = tokenNames(tokens.map((token) => viewState.vocabulary[token]));
    return { tokens, names, bands: formingBands(viewState, tokens, fitted(names, chipColumns), plot) };
  }, [viewState, plot]);
}

interface PictureProps {
  viewState: ViewState;
  plot: Plot;
  forming: FormingBands;
  /** The band that is pointed at or has the focus. */
  emphasised: number | null;
  onEmphasise(band: number | null): void;
}

/** The bands, the rest over them, and what the one under the pointer says. A drag leaves all of it as it is. */
export function FormingPicture({ viewState, plot, forming: { tokens, names, bands }, emphasised, onEmphasise }: PictureProps) {
  const [pointed, setPointed] = useState<{ x: number; y: number; text: string } | null>(null);
  const point = (event: PointerEvent) => {
    if (event.buttons !== 0) return; // a drag moves the size
    const box = (event.currentTarget as SVGElement).firstElementChild!.getBoundingClientRect(); // not of what is said
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const nEdges = plot.scale.invert(x);
    const band = bandAt(viewState, tokens, nEdges, y);
    const probabilities = formingAt(viewState, tokens, nEdges);
    const says = band < 0 ? `all other tokens ${formatProbability(restOf(probabilities))}` : `${names[band]} ${formatProbability(probabilities[band])}`;
    setPointed({ x, y, text: `${says} at s = ${formatSize(nEdges / viewState.n_edges)}` });
    onEmphasise(band < 0 ? null : band);
  };
  const leave = () => {
    setPointed(null);
    onEmphasise(null);
  };
  const shown = useMemo(() => fitted(names, chipColumns), [names]);
  return (
    <g class="sw-forming" data-testid="forming" data-emphasised={emphasised !== null} onPointerMove={point} onPointerLeave={leave} onPointerDown={leave}>
      <rect class="sw-forming-rest" width={plot.width} height={formingHeight} />
      {bands.map(({ token, d, colour }, index) => (
        <path key={token} class="sw-band" data-emphasised={index === emphasised} d={d} fill={colour} />
      ))}
      {bands.map(({ token, label, ink }, index) => label && <text key={token} class="sw-band-name" x={label.x} y={label.y} fill={ink}>{shown[index]}</text>)}
      {pointed && (
        <text class="sw-axis sw-forming-says" x={Math.min(Math.max(pointed.x, 4), plot.width - 4)} y={pointed.y < 18 ? pointed.y + 22 : pointed.y - 8} text-anchor={pointed.x > plot.width / 2 ? "end" : "start"}>
          {pointed.text}
        </text>
      )}
    </g>
  );
}

interface LegendProps extends Pick<PictureProps, "viewState" | "forming" | "emphasised" | "onEmphasise"> {
  shown: Pick<ViewProps["shown"], "size" | "evaluation">;
  toggled: boolean;
  /** From where on sizes are shown. */
  start: number;
}

/** The bands by name, with their probabilities at the present size; a click goes to where a token is most probable. */
export function FormingLegend({ viewState, forming, shown: { size, evaluation }, start, toggled, emphasised, onEmphasise }: LegendProps) {
  const { tokens, names, bands } = forming;
  const chips = useMemo(() => fitted(names, chipColumns), [names]);
  const probabilities = formingNow(viewState, tokens, size.nEdges, evaluation);
  const goToPeak = (token: number) => {
    size.preview(mostProbableAt(viewState, token, start));
    size.commit();
  };
  return (
    <ul class="sw-bands" aria-label={`The prediction forming${toggled ? ", without toggles" : ""}`} data-testid="forming-legend">
      {bands.map(({ token, colour }, index) => (
        <li key={token}>
          <button
            type="button"
            class="sw-quiet"
            data-token={viewState.vocabulary[token]}
            data-emphasised={index === emphasised}
            title={`${names[index]}: go to where it is most probable`}
            onClick={() => goToPeak(token)}
            onPointerEnter={() => onEmphasise(index)}
            onPointerLeave={() => onEmphasise(null)}
            onFocus={(event) => event.currentTarget.matches(":focus-visible") && onEmphasise(index)}
            onBlur={() => onEmphasise(null)}
          >
            <i class="sw-swatch" style={{ background: colour }} /> <bdi>{chips[index]}</bdi> <b>{formatProbability(probabilities[index])}</b>
          </button>
        </li>
      ))}
      <li class="sw-note">all others {formatProbability(restOf(probabilities))}{toggled && " · without toggles"}</li>
    </ul>
  );
}

/** The bands as columns of a table of the levels: their names, and a row's cells. */
export const formingColumns = ({ names }: FormingBands): string[] => [...names, "all others"];

export function formingCells(viewState: ViewState, { tokens }: FormingBands, nEdges: number): string[] {
  const probabilities = formingAt(viewState, tokens, nEdges);
  return [...probabilities, restOf(probabilities)].map(formatProbability);
}
