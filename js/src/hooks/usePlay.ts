// The size as a film: along the axis from where it begins to all edges, until it is there or somebody does anything.
import type { RefObject } from "preact";
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { foldEnd } from "../logic/axis";
import { haveLevels, neighbouringLevel } from "../logic/levels";
import type { Plot } from "../logic/plot";
import type { ViewState } from "../protocol/types";
import type { SizeHandle } from "./store";

export interface Play {
  playing: boolean;
  /** Times the usual. */
  speed: number;
  setSpeed(speed: number): void;
  toggle(): void;
}

export const speeds = [0.5, 1, 2, 4];
const wholeFilm = 8000; // ms
/** Where motion is to be reduced it goes from level to level. */
const oneStep = 900; // ms

/** `within` lies in the card; what is done anywhere in it, but on what has `data-film`, pauses. */
export function usePlay(within: RefObject<Element | null>, viewState: ViewState, size: SizeHandle, plot: Plot): Play {
  const [playing, setPlaying] = useState(false);
  const [speed, setSpeed] = useState(1);
  const nEdges = useRef(size.nEdges);
  nEdges.current = size.nEdges;
  /** Where the film is, in pixels, and the size at which it was last paused: from there it goes on. */
  const film = useRef({ x: 0, paused: -1 });
  const { preview, commit } = size;
  const { scale, width, axis } = plot;
  const all = viewState.n_edges;

  const pause = useCallback(() => {
    film.current.paused = nEdges.current;
    commit();
    setPlaying(false);
  }, [commit]);
  const toggle = () => {
    if (playing) return pause();
    if (!haveLevels(viewState)) return;
    const goesOn = size.nEdges === film.current.paused && size.nEdges < all;
    const from = goesOn ? size.nEdges : axis.start;
    film.current.x = scale(from);
    preview(from);
    setPlaying(true);
  };

  useEffect(() => {
    if (!playing) return;
    const show = (edges: number) => {
      preview(Math.min(all, Math.round(edges)));
      if (edges < all) return;
      film.current.paused = -1;
      commit();
      setPlaying(false);
    };
    if (globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches) {
      const timer = setInterval(() => show(neighbouringLevel(viewState.arrays.level_n_edges, nEdges.current, 1)), oneStep / speed);
      return () => clearInterval(timer);
    }
    film.current.x = Math.max(film.current.x, scale(nEdges.current)); // the axis may be another one by now
    let before: number | null = null;
    let frame = requestAnimationFrame(function next(now) {
      film.current.x += ((now - (before ?? now)) * speed * (width - foldEnd(axis))) / wholeFilm;
      before = now;
      frame = requestAnimationFrame(next);
      show(film.current.x >= width ? all : scale.invert(film.current.x));
    });
    return () => cancelAnimationFrame(frame);
  }, [playing, speed, scale, viewState]);

  useInterruption(within, playing, pause);
  return { playing, speed, setSpeed, toggle };
}

/** Calls back at whatever is done in the card, but for what steers the film. */
function useInterruption(within: RefObject<Element | null>, playing: boolean, pause: () => void): void {
  useEffect(() => {
    const card = within.current?.closest(".strace-widgets");
    if (!playing || !card) return;
    const interrupt = (event: Event) => {
      const target = event.target as Element;
      const ownKey = event instanceof KeyboardEvent && event.key === " " && target.matches("[type=range]");
      if (!ownKey && !target.closest("[data-film]")) pause();
    };
    const events = ["pointerdown", "keydown", "wheel"] as const;
    for (const kind of events) card.addEventListener(kind, interrupt, { capture: true, passive: true });
    return () => {
      for (const kind of events) card.removeEventListener(kind, interrupt, { capture: true });
    };
  }, [playing, pause]);
}
