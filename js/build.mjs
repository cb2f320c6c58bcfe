// Bundles the Explorer into the Python package: one ESM file and one style sheet, nothing fetched at run time.
import { context } from "esbuild";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const limit = 80 * 1024;
const folder = "../strace_widgets/explorer/static";
const watching = process.argv.includes("--watch");

const bundle = await context({
  entryPoints: ["src/explorer.tsx", "src/explorer.css"],
  outdir: folder,
  bundle: true,
  format: "esm",
  minify: true,
  legalComments: "none",
  target: ["chrome110", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "info",
});

if (watching) {
  await bundle.watch();
} else {
  await bundle.rebuild();
  await bundle.dispose();
  const size = gzipSync(await readFile(`${folder}/explorer.js`)).length;
  console.log(`explorer.js: ${(size / 1024).toFixed(1)} KB gzipped`);
  if (size > limit) throw new Error(`the bundle is over its limit of ${limit / 1024} KB`);
}
