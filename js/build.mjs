// Bundles the Explorer into the Python package: one ESM file and one style sheet, nothing fetched at run time.
// Whatever else is in the bundle is told in THIRD_PARTY_LICENSES. "--out FOLDER" puts all of it into another folder.
import { context } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { licences } from "./licences.mjs";

const limit = 80 * 1024;
const out = process.argv.indexOf("--out") + 1;
const folder = out ? process.argv[out] : "../strace_widgets/explorer/static";
const watching = process.argv.includes("--watch");

const bundle = await context({
  entryPoints: ["src/explorer.tsx", "src/explorer.css"],
  outdir: folder,
  bundle: true,
  format: "esm",
  minify: true,
  metafile: true,
  legalComments: "none",
  target: ["chrome110", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  logLevel: "info",
});

if (watching) {
  await bundle.watch();
} else {
  const { metafile } = await bundle.rebuild();
  await bundle.dispose();
  const size = gzipSync(await readFile(`${folder}/explorer.js`)).length;
  console.log(`explorer.js: ${(size / 1024).toFixed(1)} KB gzipped`);
  await writeFile(`${out ? folder : ".."}/THIRD_PARTY_LICENSES`, await licences(metafile));
  if (size > limit) throw new Error(`the bundle is over its limit of ${limit / 1024} KB`);
}
