/** The page's files, all held in memory with their compressed forms. */
import { readFileSync, readdirSync } from "node:fs";
import { extname, join } from "node:path";

const TYPES: Record<string, string> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".woff2": "font/woff2",
};

export interface PageFile {
  type: string;
  body: Buffer;
  gzip?: Buffer;
  brotli?: Buffer;
  /** The name carries a hash of the content. */
  forever: boolean;
}

/** Every file under `folder` by its path in an URL. `note` is put where index.html has {{source-note}}. */
export function loadFiles(folder: string, note: string): Map<string, PageFile> {
  const files = new Map<string, PageFile>();
  const names = (readdirSync(folder, { recursive: true }) as string[]).map((name) => name.replaceAll("\\", "/"));
  for (const name of names.filter((n) => TYPES[extname(n)])) {
    const body = readFileSync(join(folder, name));
    const packed = (ending: string) => (names.includes(name + ending) ? readFileSync(join(folder, name + ending)) : undefined);
    files.set("/" + name, {
      type: TYPES[extname(name)],
      body,
      gzip: packed(".gz"),
      brotli: packed(".br"),
      forever: name.startsWith("assets/"),
    });
  }
  const index = files.get("/index.html");
  if (!index) throw new Error(`${folder} holds no index.html; run npm run build`);
  const html = index.body.toString("utf8").replaceAll("{{source-note}}", escape(note));
  files.set("/", { type: index.type, body: Buffer.from(html), forever: false });
  files.delete("/index.html");
  return files;
}

function escape(text: string): string {
  const names: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };
  return text.replace(/[&<>"']/g, (c) => names[c]);
}
