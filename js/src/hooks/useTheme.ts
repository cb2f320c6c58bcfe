// Light or dark, as the host page is: a shadow root hides the page's selectors, so this is asked from script.
import { rgb } from "d3-color";
import { useEffect, useState } from "preact/hooks";
import type { Theme } from "../logic/scales";

const darkHosts = ".dark, .dark-theme, .vscode-dark, .vscode-high-contrast:not(.vscode-high-contrast-light), [data-theme=dark], [theme=dark]";
const lightHosts = ".light, .light-theme, .vscode-light, [data-theme=light], [theme=light]";

/** The theme of the page around an element: what the host says, else what lies behind the element, else the system. */
export function hostTheme(element: Element): Theme {
  if (globalThis.matchMedia?.("print").matches) return "light"; // paper is white
  for (const host of [document.body, document.documentElement]) {
    const jupyter = host.dataset.jpThemeLight;
    if (jupyter) return jupyter === "false" ? "dark" : "light";
    if (host.matches(darkHosts)) return "dark";
    if (host.matches(lightHosts)) return "light";
  }
  for (let behind = parentAcrossShadow(element); behind; behind = parentAcrossShadow(behind)) {
    if (behind.matches(darkHosts)) return "dark";
    const { r, g, b, opacity } = rgb(getComputedStyle(behind).backgroundColor);
    if (opacity > 0.5) return 0.2126 * r + 0.7152 * g + 0.0722 * b < 128 ? "dark" : "light";
  }
  return globalThis.matchMedia?.("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

function parentAcrossShadow(element: Element): Element | null {
  if (element.parentElement) return element.parentElement;
  const root = element.getRootNode();
  return root instanceof ShadowRoot ? root.host : null;
}

/** The host's theme, followed as long as the view is there. */
export function useTheme(element: Element): Theme {
  const [theme, setTheme] = useState<Theme>(() => hostTheme(element));
  useEffect(() => {
    const update = () => setTheme(hostTheme(element));
    const observer = new MutationObserver(update);
    for (const host of [document.documentElement, document.body]) observer.observe(host, { attributes: true });
    const media = ["(prefers-color-scheme: dark)", "print"].map((query) => globalThis.matchMedia?.(query));
    for (const query of media) query?.addEventListener("change", update);
    update();
    return () => {
      observer.disconnect();
      for (const query of media) query?.removeEventListener("change", update);
    };
  }, [element]);
  return theme;
}
