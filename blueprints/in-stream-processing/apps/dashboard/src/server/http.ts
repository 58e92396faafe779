/** The HTTP face: page, live stream, history, tweets, health, metrics. Read only; GET and HEAD. */
import { createServer } from "node:http";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { DAY, MINUTE } from "../shared/buckets";
import { GROUPS, RANGES, SENTIMENTS } from "../shared/model";
import type { Range } from "../shared/model";
import type { PageFile } from "./files";
import type { Health } from "./health";
import type { Histories } from "./history";
import { CLIENTS_MAX } from "./hub";
import type { Hub } from "./hub";
import type { Metrics } from "./metrics";
import type { Poller } from "./poller";
import { BadCursor, StoreError } from "./repository";
import type { Repository } from "./repository";

const SECURITY_HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
};

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

export interface Parts {
  repository: Repository;
  poller: Poller;
  hub: Hub;
  histories: Histories;
  health: Health;
  metrics: Metrics;
  files: Map<string, PageFile>;
  clock: () => number;
}

type Route = (parts: Parts, query: Query, request: IncomingMessage, response: ServerResponse) => Promise<void>;

const ROUTES: Record<string, Route | undefined> = {
  "/api/live": live,
  "/api/history": history,
  "/api/tweets": tweets,
  "/health": health,
  "/metrics": metrics,
};

export function makeServer(parts: Parts): Server {
  const server = createServer((request, response) => void answer(parts, request, response));
  server.headersTimeout = 10_000;
  server.requestTimeout = 20_000;
  return server;
}

async function answer(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  for (const [name, value] of Object.entries(SECURITY_HEADERS)) response.setHeader(name, value);
  const [path, search] = splitOnce(request.url ?? "/", "?");
  const route = ROUTES[path];
  response.on("finish", () => {
    const named = route ? path : parts.files.has(path) ? "page" : "other";
    parts.metrics.requests.add(1, { route: named, code: String(response.statusCode) });
  });
  try {
    if (request.method !== "GET" && (request.method !== "HEAD" || route)) {
      response.setHeader("Allow", route ? "GET" : "GET, HEAD");
      throw new Refusal(405, "method", "This is answered to GET only.");
    }
    if (route) return await route(parts, new Query(search), request, response);
    const file = parts.files.get(path);
    if (!file) throw new Refusal(404, "not_found", "Nothing is at this address.");
    sendFile(file, request, response);
  } catch (error) {
    if (response.headersSent) return void response.destroy();
    if (error instanceof Refusal) return sendError(response, error.status, error.code, error.message);
    if (error instanceof BadCursor) return sendError(response, 400, "parameter", error.message);
    if (error instanceof StoreError) return sendError(response, 503, "store", error.message);
    process.stderr.write(`${path}: ${error instanceof Error ? error.stack : String(error)}\n`);
    sendError(response, 500, "internal", "The server made a mistake; its log says which.");
  }
}

async function live(parts: Parts, query: Query, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const movie = query.movie();
  if (parts.hub.size >= CLIENTS_MAX) {
    response.setHeader("Retry-After", "10");
    throw new Refusal(503, "busy", `Already ${CLIENTS_MAX} pages are open.`);
  }
  const known = parts.poller.known;
  if (movie && known && !known.some((m) => m.slug === movie)) {
    // A movie can be younger than the list.
    const now = await parts.repository.movies();
    if (!now.some((m) => m.slug === movie)) throw new Refusal(404, "no_movie", `There is no movie "${movie}".`);
    if (response.destroyed) return; // the client went while we asked: its end was told to nobody and will not be told again
  }
  const followed = parts.poller.watch(movie);
  const lastEventId = followed ? request.headers["last-event-id"] : undefined;
  parts.hub.attach(
    response,
    movie,
    typeof lastEventId === "string" ? lastEventId : undefined,
    () => parts.poller.snapshot(movie),
    () => parts.poller.unwatch(movie),
  );
}

async function history(parts: Parts, query: Query, _request: IncomingMessage, response: ServerResponse): Promise<void> {
  const range = query.oneOf("range", RANGES) ?? ("24h" as Range);
  const end = query.time("end") ?? parts.clock();
  sendJson(response, 200, await parts.histories.read(query.oneMovie(), range, end));
}

async function tweets(parts: Parts, query: Query, _request: IncomingMessage, response: ServerResponse): Promise<void> {
  const to = query.time("to") ?? parts.clock() + MINUTE;
  const from = query.time("from") ?? to - DAY;
  if (from >= to) throw new Refusal(400, "parameter", "from must be before to.");
  if (to - from > 31 * DAY) throw new Refusal(400, "parameter", "from and to are more than 31 days apart.");
  const page = await parts.repository.tweets({
    movie: query.oneMovie(),
    from,
    to,
    sentiment: query.oneOf("sentiment", SENTIMENTS),
    group: query.oneOf("group", GROUPS),
    cursor: query.text("cursor", 100),
    limit: query.number("limit", 1, 100) ?? 25,
  });
  sendJson(response, 200, page);
}

async function health(parts: Parts, _query: Query, _request: IncomingMessage, response: ServerResponse): Promise<void> {
  const cause = await parts.health.cause();
  sendJson(response, cause ? 503 : 200, cause ? { ok: false, cause } : { ok: true });
}

async function metrics(parts: Parts, _query: Query, _request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.writeHead(200, { "Content-Type": "text/plain; version=0.0.4; charset=utf-8" });
  response.end(parts.metrics.text());
}

/** The query of an URL, read strictly. */
class Query {
  private readonly values: URLSearchParams;
  constructor(search: string) {
    this.values = new URLSearchParams(search);
  }
  /** Empty when none is named. */
  movie(): string {
    return this.text("movie", 128) ?? "";
  }
  oneMovie(): string {
    const movie = this.movie();
    if (!movie) throw new Refusal(400, "parameter", "movie is missing.");
    return movie;
  }
  text(name: string, longest: number): string | undefined {
    const value = this.values.get(name);
    if (value === null || value === "") return undefined;
    if (value.length > longest) throw new Refusal(400, "parameter", `${name} is longer than ${longest} characters.`);
    return value;
  }
  oneOf<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const value = this.text(name, 50);
    if (value === undefined) return undefined;
    const found = allowed.find((a) => a === value);
    if (!found) throw new Refusal(400, "parameter", `${name} must be one of ${allowed.join(", ")}.`);
    return found;
  }
  number(name: string, least: number, most: number): number | undefined {
    const value = this.text(name, 20);
    if (value === undefined) return undefined;
    const number = Number(value);
    if (!Number.isInteger(number) || number < least || number > most) {
      throw new Refusal(400, "parameter", `${name} must be a whole number from ${least} to ${most}.`);
    }
    return number;
  }
  /** Milliseconds since the epoch, up to the year 2100. */
  time(name: string): number | undefined {
    return this.number(name, 0, Date.UTC(2100, 0));
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "Content-Type": "application/json; charset=utf-8", "Cache-Control": "no-store" });
  response.end(JSON.stringify(body));
}

function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  sendJson(response, status, { error: { code, message } });
}

function sendFile(file: PageFile, request: IncomingMessage, response: ServerResponse): void {
  const accepted = String(request.headers["accept-encoding"] ?? "");
  const [body, encoding] =
    file.brotli && /\bbr\b/.test(accepted)
      ? [file.brotli, "br"]
      : file.gzip && /\bgzip\b/.test(accepted)
        ? [file.gzip, "gzip"]
        : [file.body, ""];
  if (encoding) response.setHeader("Content-Encoding", encoding);
  if (file.brotli || file.gzip) response.setHeader("Vary", "Accept-Encoding");
  response.writeHead(200, {
    "Content-Type": file.type,
    "Content-Length": body.length,
    "Cache-Control": file.forever ? "public, max-age=31536000, immutable" : "no-cache",
  });
  response.end(request.method === "HEAD" ? undefined : body);
}

function splitOnce(text: string, at: string): [string, string] {
  const place = text.indexOf(at);
  return place < 0 ? [text, ""] : [text.slice(0, place), text.slice(place + at.length)];
}
