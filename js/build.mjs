// Bundles the Explorer and the study's widget, which holds it, into the Python package: each one ESM file and one style
// sheet, nothing fetched at run time.
import { context } from "esbuild";
import { readFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";

const limits = { explorer: 80, study: 100 }; // KB gzipped
const folder = "../strace_widgets/explorer/static";
const watching = process.argv.includes("--watch");

const bundle = await context({
  entryPoints: Object.keys(limits).flatMap((name) => [`src/${name}.tsx`, `src/${name}.css`]),
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
  for (const [name, limit] of Object.entries(limits)) {
    const size = gzipSync(await readFile(`${folder}/${name}.js`)).length / 1024;
    console.log(`${name}.js: ${size.toFixed(1)} KB gzipped`);
    if (size > limit) throw new Error(`${name}.js is over its limit of ${limit} KB`);
  }
}
