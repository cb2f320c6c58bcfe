// Bundles the Explorer and the study's widget, which holds it, into the Python package: each one ESM file and one style
// sheet, nothing fetched at run time.
// Whatever else is in the bundles is told in THIRD_PARTY_LICENSES. "--out FOLDER" puts all of it into another folder.
import { context } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";
import { gzipSync } from "node:zlib";
import { licences } from "./licences.mjs";

const limits = { explorer: 80, study: 100 }; // KB gzipped
const out = process.argv.indexOf("--out") + 1;
const folder = out ? process.argv[out] : "../strace_widgets/explorer/static";
const watching = process.argv.includes("--watch");

const bundle = await context({
  entryPoints: Object.keys(limits).flatMap((name) => [`src/${name}.tsx`, `src/${name}.css`]),
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
  for (const [name, limit] of Object.entries(limits)) {
    const size = gzipSync(await readFile(`${folder}/${name}.js`)).length / 1024;
    console.log(`${name}.js: ${size.toFixed(1)} KB gzipped`);
    if (size > limit) throw new Error(`${name}.js is over its limit of ${limit} KB`);
  }
  await writeFile(`${out ? folder : ".."}/THIRD_PARTY_LICENSES`, await licences(metafile));
}
