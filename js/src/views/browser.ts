// What the browser does beside drawing: files, the clipboard, the full screen.

/** Offers a text as a download: works without a network and under a policy that allows no request. */
export function download(text: string, name: string, type = "application/json"): void {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address));
}

/** Makes a field ready to be overwritten or copied; not every browser focuses what it selects. */
export function selectText(field: HTMLInputElement | HTMLTextAreaElement | null): void {
  field?.focus();
  field?.select();
}

/** Copies a field's text; where the page may not, selects it for the keys. */
export async function copyFrom(field: HTMLTextAreaElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(field.value);
    return true;
  } catch {
    selectText(field);
    return false;
  }
}

export const canFillScreen = (): boolean => document.fullscreenEnabled === true;

/** Fills the screen with an element, or gives it back. */
export function toggleFullScreen(element: Element): void {
  const root = element.getRootNode() as Document | ShadowRoot;
  if (root.fullscreenElement) void document.exitFullscreen();
  else element.requestFullscreen().catch(() => {}); // the host may refuse: then nothing changes
}
