/** dist/page: the page by Vite, with compressed forms beside it. dist/server.cjs: the server with its libraries. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { extname, join } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build as bundle } from "esbuild";
import { build } from "vite";

await build({ logLevel: "warn" });
let firstLoad = 0;
for (const name of readdirSync("dist/page", { recursive: true })) {
  if (![".js", ".css", ".svg"].includes(extname(name))) continue;
  const file = join("dist/page", name);
  const body = readFileSync(file);
  const gzip = gzipSync(body, { level: 9 });
  const brotli = brotliCompressSync(body, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } });
  writeFileSync(file + ".gz", gzip);
  writeFileSync(file + ".br", brotli);
  firstLoad += gzip.length;
  console.log(`${name}: ${body.length} bytes, gzip ${gzip.length}, brotli ${brotli.length}`);
}
console.log(`scripts and styles of the first load: ${Math.round(firstLoad / 1024)} KiB gzip`);

await bundle({
  entryPoints: ["src/server/main.ts"],
  outfile: "dist/server.cjs",
  bundle: true,
  platform: "node",
  target: "node18",
  format: "cjs",
  external: ["kerberos"], // an option of the driver's that nothing here uses
  legalComments: "none",
  logLevel: "warning",
});
