// The focus stays in the card: when what holds it goes away, its nearest neighbour takes it.
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

const focusable = "button, input, select, summary, textarea, [tabindex='0']";

/** Keeps the keyboard's place where a chip, a bar or a button that has done its work is removed. */
export function useKeptFocus(card: RefObject<HTMLElement | null>): void {
  useEffect(() => {
    const root = card.current;
    if (!root) return;
    let held: HTMLElement | null = null;
    let order: HTMLElement[] = [];
    let parked = false;
    const hold = (event: Event) => {
      const inside = event.type === "focusin" && event.composedPath().includes(root);
      held = inside ? (event.composedPath()[0] as HTMLElement) : null;
      order = inside ? [...root.querySelectorAll<HTMLElement>(focusable)] : [];
      parked = false;
    };
    const take = (element: HTMLElement): boolean => {
      element.focus({ preventScroll: true });
      return (root.getRootNode() as Document | ShadowRoot).activeElement === element;
    };
    const keep = () => {
      if (!held) return;
      // While a trace is under way the card is inert; the focus comes back with it.
      if (held.isConnected && held.closest("[inert]")) parked = true;
      else if (parked || !held.isConnected || held.matches(":disabled")) {
        const place = order.indexOf(held);
        const distance = (element: HTMLElement) => Math.abs(order.indexOf(element) - place - 0.1); // the following one first
        [held, ...order.sort((first, second) => distance(first) - distance(second))].some(take);
      }
    };
    const observer = new MutationObserver(keep);
    observer.observe(root, { subtree: true, childList: true, attributes: true, attributeFilter: ["disabled", "inert"] });
    document.addEventListener("focusin", hold);
    document.addEventListener("pointerdown", hold, true);
    return () => {
      observer.disconnect();
      document.removeEventListener("focusin", hold);
      document.removeEventListener("pointerdown", hold, true);
    };
  }, []);
}

/** A key pressed in the card is the card's: a notebook would take a letter for a command on its cells, and "x" cuts one. */
export function keepKey(event: KeyboardEvent): void {
  if (!(event.ctrlKey || event.metaKey)) event.stopPropagation();
}
