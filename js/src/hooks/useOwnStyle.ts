// The style sheet goes where the card is drawn: hosts put it into the page's head, which a shadow root does not see.
import type { RefObject } from "preact";
import { useLayoutEffect } from "preact/hooks";
import type { ExplorerModel } from "../protocol/model";

/** Whether the style sheet reaches an element: told by a property that is neither inherited nor likely from elsewhere. */
const isStyled = (element: Element) => getComputedStyle(element).containerType === "inline-size";

/** Brings the widget's own style sheet to a card that no host has styled, wherever it is put and moved. */
export function useOwnStyle(card: RefObject<HTMLElement | null>, model: ExplorerModel): void {
  useLayoutEffect(() => {
    const element = card.current;
    const css = model.get("_css" as never) as unknown;
    if (!element || typeof css !== "string" || !("ResizeObserver" in globalThis)) return;
    const bring = () => {
      if (!element.isConnected || isStyled(element)) return;
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(css);
      (element.getRootNode() as Document | ShadowRoot).adoptedStyleSheets.push(sheet);
    };
    bring();
    // Many hosts draw first and put what was drawn into the page later: then it gets a size.
    const observer = new ResizeObserver(bring);
    observer.observe(element);
    return () => observer.disconnect();
  }, [model]);
}
