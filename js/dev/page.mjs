// Writes a page without a kernel around a synthetic state, for looking at the built script:
//   node dev/page.mjs OUT.html ['{"layers": 80, "heads": 64, "tokens": 200, "theme": "dark", "state": {"n_edges": 300}, "evaluate": true, "effects": true}']
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";

const [out, options = "{}"] = process.argv.slice(2);
const { layers = 30, heads = 9, tokens = 9, theme = "light", state = {}, evaluate = false, effects = false } = JSON.parse(options);
const prompt = ["The", " E", "iffel", " Tower", " is", " in", " the", " city", " of"];
const strange = [" برج", "\n", "<script>alert(1)</script>", "", "\t", " 塔"];

const { outputFiles } = await build({ entryPoints: ["tests/fixture.ts"], bundle: true, write: false, format: "esm" });
const { makeState, makeEffects, makeEvaluation } = await import(`data:text/javascript,${encodeURIComponent(outputFiles[0].text)}`);

const words = Array.from({ length: tokens }, (_, index) => prompt[index] ?? [...strange, ...prompt][index % 15]);
const whole = { ...makeState({ layers, heads, tokens: words, levels: 60 }), ...state };
if (evaluate) whole.evaluation = makeEvaluation(whole.view_state, { n_edges: whole.n_edges, toggles: whole.toggles });
if (effects) whole.effects = makeEffects({ layers, heads });
const asText = (_, value) => (value instanceof DataView ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64") : value);
const json = JSON.stringify(whole, asText).replaceAll("<", "\\u003c");

const folder = "../strace_widgets/explorer/static";
const page = `<!doctype html>
<html lang="en" data-theme="${theme}"><meta charset="utf-8"><title>Explorer</title>
<style>body { margin: 24px; background: ${theme === "dark" ? "#0b0e11" : "#ffffff"} }
${await readFile(`${folder}/explorer.css`, "utf8")}</style>
<main><script type="application/json" class="strace-widgets-state">${json}</script></main>
<script type="module">${(await readFile(`${folder}/explorer.js`, "utf8")).replaceAll("</script", "<\\/script")}</script></html>`;
await writeFile(out, page);
