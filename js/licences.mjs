// What the bundle contains of other people's work, and under which licences: a text that goes wherever the bundle goes.
import { readFile, readdir } from "node:fs/promises";

const head = `The Explorer's JavaScript bundle (strace_widgets/explorer/static/explorer.js, which exported pages
hold as well) contains parts of the packages below. js/build.mjs writes this file. What JupyterLab's extension
contains besides is in third-party-licenses.json in its own folder.
`;

/** Returns the text, given esbuild's account of a build. */
export async function licences(metafile) {
  const used = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = new Set(used.flatMap((path) => path.match(/^.*node_modules\/(@[^/]+\/)?[^/]+/)?.[0] ?? []));
  return [head, ...(await Promise.all([...folders].sort().map(licence)))].join(`\n${"-".repeat(80)}\n`);
}

async function licence(folder) {
  const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
  const file = (await readdir(folder)).find((each) => /^licen[cs]e/i.test(each));
  if (!license || !file) throw new Error(`${name} ${version} comes without a licence: leave it out, or find its terms`);
  return `${name} ${version} (${license})\n\n${(await readFile(`${folder}/${file}`, "utf8")).trim()}\n`;
}
