/** node scripts/run.mjs FILE.ts [ARGUMENT…]: runs one TypeScript program of this folder. */
import { mkdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

const [source, ...args] = process.argv.slice(2);
const folder = resolve("node_modules/.cache/run");
mkdirSync(folder, { recursive: true });
const outfile = join(folder, `${process.pid}.mjs`);
await build({
  entryPoints: [source],
  outfile,
  bundle: true,
  platform: "node",
  target: "node18",
  format: "esm",
  packages: "external",
});
process.argv.splice(1, process.argv.length - 1, resolve(source), ...args);
process.on("exit", () => rmSync(outfile, { force: true }));
await import(pathToFileURL(outfile).href);
