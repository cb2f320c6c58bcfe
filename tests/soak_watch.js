// What the Explorer paints as exact, once each: `soak.py` takes it from here.
const soakSeen = new Set();
let soakLast = null;

function soakLook() {
  const card = document.querySelector('[data-testid="strace-explorer"]');
  const by = (name) => card?.querySelector(`[data-testid="${name}"]`);
  const all = (selector) => [...(card?.querySelectorAll(selector) ?? [])];
  const tokens = all("button[data-testid]").filter(({ dataset }) => /^token-\d+$/.test(dataset.testid));
  if (by("state")?.dataset.state !== "exact" || tokens.length === 0) return;
  const number = (title) => card.querySelector(`.sw-reading [title^="${title}"] b`)?.textContent;
  const switched = all(".sw-cell[data-component]").filter(({ dataset }) => dataset.state !== "auto");
  soakLast = JSON.stringify({
    model: card.querySelector(".sw-about strong")?.textContent,
    importance: by("importance")?.value,
    masks: by("masks")?.value,
    tokens: tokens.map((each) => each.textContent).join("|"),
    position: tokens.findIndex((each) => each.getAttribute("aria-pressed") === "true"),
    said: by("slider").getAttribute("aria-valuetext"),
    size: by("size").textContent,
    edges: Number(by("edges").dataset.edges),
    toggles: Object.fromEntries(switched.map(({ dataset }) => [dataset.component, dataset.state])),
    tv: by("tv").textContent,
    kl: number("Kullback"),
    nucleus: number("Recovered"),
    top1: by("top1").dataset.agrees,
    rows: all('[data-testid="token-row"]').map((row) => [
      row.dataset.token,
      Number(row.dataset.probability),
      row.querySelector(".sw-bars").title,
    ]),
  });
  soakSeen.add(soakLast);
}

/** Returns what was seen since the last time; at the end what is there now. */
window.soakTake = () => {
  soakLook();
  soakSeen.delete(soakLast);
  const lines = [...soakSeen, soakLast];
  soakSeen.clear();
  return lines;
};

let soakFrame = 0;
const soakObserver = new MutationObserver(() => {
  soakFrame ||= requestAnimationFrame(() => {
    soakFrame = 0;
    soakLook();
  });
});
addEventListener("DOMContentLoaded", () =>
  soakObserver.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true }),
);
