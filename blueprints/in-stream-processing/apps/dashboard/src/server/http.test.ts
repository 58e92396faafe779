import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { TweetPage } from "../shared/model";
import type { PageFile } from "./files";
import { Health } from "./health";
import { Histories } from "./history";
import { makeServer } from "./http";
import { Hub } from "./hub";
import { MemoryRepository } from "./memory";
import { Metrics } from "./metrics";
import { Poller } from "./poller";

const NOW = Date.parse("2026-11-23T09:41:20.000Z");
let repository: MemoryRepository;
let server: Server;
let poller: Poller;
let hub: Hub;
let root: string;

beforeEach(async () => {
  repository = new MemoryRepository();
  repository.shelf.push({ slug: "a", title: "A", released: null });
  const clock = () => NOW;
  const metrics = new Metrics();
  hub = new Hub(metrics, "boot", clock);
  poller = new Poller(repository, hub.publish.bind(hub), metrics, clock);
  const files = new Map<string, PageFile>([["/", { type: "text/html; charset=utf-8", body: Buffer.from("<p>page"), forever: false }]]);
  server = makeServer({
    repository,
    poller,
    hub,
    histories: new Histories(repository, clock),
    health: new Health(repository, clock),
    metrics,
    files,
    clock,
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  root = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => {
  server.closeAllConnections();
  server.close();
});
const get = (path: string, init?: RequestInit) => fetch(root + path, init);

describe("the HTTP server", () => {
  it("answers 200 on /health while the store answers", async () => {
    const answer = await get("/health");
    expect(answer.status).toBe(200);
    expect(await answer.json()).toEqual({ ok: true });
  });

  it("answers 503 with the cause on /health when the store is silent", async () => {
    repository.failure = "no Cassandra node answers";
    const answer = await get("/health");
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ ok: false, cause: "no Cassandra node answers" });
  });

  it("allows no inline script and no foreign origin, on every answer", async () => {
    for (const path of ["/", "/health", "/nothing"]) {
      const policy = (await get(path)).headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("script-src 'self'");
      expect(policy).not.toMatch(/unsafe|http/);
    }
  });

  it("refuses wrong parameters with a sentence", async () => {
    const wrong = [
      "/api/history",
      "/api/history?movie=a&range=2h",
      "/api/history?movie=a&end=yesterday",
      "/api/tweets?movie=a&sentiment=angry",
      "/api/tweets?movie=a&limit=1000",
      "/api/tweets?movie=a&from=5&to=5",
      "/api/tweets?movie=a&from=0&to=99999999999",
      `/api/tweets?movie=${"x".repeat(200)}`,
      "/api/tweets?movie=a&cursor=evil",
    ];
    for (const path of wrong) {
      const answer = await get(path);
      expect([path, answer.status]).toEqual([path, 400]);
      expect((await answer.json()).error.message).toMatch(/\.$|cursor of this list$/);
    }
  });

  it("passes a store's silence on as 503, not as a crash", async () => {
    repository.failure = "gone";
    const answer = await get("/api/history?movie=a");
    expect(answer.status).toBe(503);
    expect(await answer.json()).toEqual({ error: { code: "store", message: "gone" } });
  });

  it("pages through the tweets of one bucket, each once, in order", async () => {
    for (let i = 0; i < 60; i++) {
      repository.add("a", { id: String(100 + i), at: NOW - (i % 7) * 10, user: "u", followers: 1, group: "low", sentiment: "positive", text: "" });
    }
    const ids: string[] = [];
    let cursor = "";
    do {
      const page: TweetPage = await (await get(`/api/tweets?movie=a&from=${NOW - 60_000}&to=${NOW + 1}&cursor=${cursor}&limit=25`)).json();
      ids.push(...page.tweets.map((t) => t.id));
      cursor = page.next ?? "";
    } while (cursor);
    expect(ids).toHaveLength(60);
    expect(new Set(ids).size).toBe(60);
  });

  it("streams live events and starts with a snapshot", async () => {
    const stop = new AbortController();
    const answer = await get("/api/live?movie=a", { signal: stop.signal });
    expect(answer.headers.get("content-type")).toContain("text/event-stream");
    const reader = (answer.body as ReadableStream<Uint8Array>).getReader();
    let text = "";
    while (!text.includes("event: snapshot")) text += new TextDecoder().decode((await reader.read()).value);
    expect(text).toMatch(/^retry: 1000\n\nid: boot-0\nevent: snapshot\ndata: \{/);
    stop.abort();
  });

  it("keeps no stream of a client that goes while its movie is looked up", async () => {
    vi.spyOn(poller, "known", "get").mockReturnValue([]);
    let found = () => {};
    let asked = false;
    repository.movies = () => {
      asked = true;
      return new Promise((resolve) => (found = () => resolve(repository.shelf)));
    };
    const gone = new Promise((resolve) => server.once("connection", (socket) => socket.once("close", resolve)));
    const stop = new AbortController();
    const answer = get("/api/live?movie=a", { signal: stop.signal }).catch(() => undefined);
    await vi.waitUntil(() => asked);
    stop.abort();
    await answer;
    await gone;
    found();
    await new Promise(setImmediate);
    expect(hub.size).toBe(0);
  });

  it("writes nothing and knows nothing else", async () => {
    expect((await get("/", { method: "POST" })).status).toBe(405);
    expect((await get("/api/live", { method: "HEAD" })).status).toBe(405);
    expect((await get("/../package.json")).status).toBe(404);
    expect((await get("/__proto__")).status).toBe(404);
  });

  it("counts its answers for Prometheus", async () => {
    await get("/nothing");
    const text = await (await get("/metrics")).text();
    expect(text).toContain('dashboard_http_requests_total{route="other",code="404"} 1');
    expect(text).toContain("# TYPE dashboard_poll_seconds histogram");
  });
});
