import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { HOUR, MINUTE, sumOf } from "../shared/buckets";
import type { LiveEvents, Tweet } from "../shared/model";
import { MemoryRepository } from "./memory";
import { Metrics } from "./metrics";
import { Poller } from "./poller";

const T0 = Date.parse("2026-11-23T09:41:20.000Z");
let repository: MemoryRepository;
let poller: Poller;
let events: { movie: string | null; event: string; data: unknown }[];
let serial: number;
const of = <E extends keyof LiveEvents>(event: E) => events.filter((e) => e.event === event).map((e) => e.data as LiveEvents[E]);
const post = (movie: string, over: Partial<Tweet> = {}) =>
  repository.add(movie, {
    id: String(++serial),
    at: Date.now(),
    user: "ada",
    followers: 10,
    group: "low",
    sentiment: "positive",
    text: "good",
    ...over,
  });

beforeEach(() => {
  vi.useFakeTimers({ now: T0 });
  serial = 0;
  events = [];
  repository = new MemoryRepository();
  repository.shelf.push({ slug: "a", title: "A", released: null }, { slug: "b", title: "B", released: null });
  poller = new Poller(repository, (movie, event, data) => events.push({ movie, event, data }), new Metrics());
  poller.start();
});
afterEach(() => {
  poller.stop();
  vi.useRealTimers();
});
const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

describe("Poller", () => {
  it("asks nothing while nobody looks", async () => {
    await pass(10_000);
    expect(repository.calls).toBe(0);
  });

  it("sends a snapshot as soon as the first picture is there", async () => {
    post("a");
    poller.watch("a");
    expect(poller.snapshot("a").loaded).toBe(false);
    await pass(600);
    expect(of("snapshot").map((s) => [s.movie, s.loaded, s.tweets.length])).toEqual([["a", true, 1]]);
  });

  it("pushes a new tweet and its count within a second", async () => {
    poller.watch("a");
    await pass(2000);
    events = [];
    post("a");
    await pass(1000);
    expect(of("tweets").flatMap((t) => t.tweets)).toHaveLength(1);
    expect(of("tick").flatMap((t) => t.minutes).map((b) => sumOf(b.n))).toEqual([1]);
    expect(of("tick").flatMap((t) => t.seconds).map((b) => sumOf(b.n))).toEqual([1]);
  });

  it("ticks every second even when nothing happens, and while Cassandra is silent", async () => {
    poller.watch("a");
    await pass(2000);
    events = [];
    await pass(5000);
    expect(of("tick").length).toBeGreaterThanOrEqual(5);
    repository.failure = "gone";
    events = [];
    await pass(5000);
    expect(of("tick").length).toBeGreaterThanOrEqual(5);
  });

  it("asks once for many viewers", async () => {
    poller.watch("a");
    await pass(2000);
    const before = repository.calls;
    await pass(10_000);
    const alone = repository.calls - before;
    for (let i = 0; i < 100; i++) poller.watch("a");
    const then = repository.calls;
    await pass(10_000);
    expect(repository.calls - then).toBe(alone);
  });

  it("follows a movie on for a while after its last viewer, then no more", async () => {
    expect(poller.watch("a")).toBe(false);
    await pass(1000);
    poller.unwatch("a");
    await pass(60_000);
    expect(poller.watch("a")).toBe(true);
    poller.unwatch("a");
    await pass(100_000);
    const calls = repository.calls;
    await pass(10_000);
    expect(repository.calls).toBe(calls);
    expect(poller.watch("a")).toBe(false);
  });

  it("says since when and why Cassandra does not answer, and when it does again", async () => {
    poller.watch("a");
    await pass(3000);
    repository.failure = "no Cassandra node answers";
    await pass(3000);
    const [down] = of("status");
    expect(down).toMatchObject({ up: false, cause: "no Cassandra node answers" });
    expect(Date.now() - down.since).toBeGreaterThanOrEqual(2500);
    repository.failure = "";
    await pass(1000);
    expect(of("status").at(-1)).toMatchObject({ up: true });
    expect(of("status")).toHaveLength(2);
  });

  it("notices silence although a question is still open", async () => {
    poller.watch("a");
    await pass(1000);
    repository.minutes = () => new Promise(() => undefined);
    repository.newest = () => new Promise(() => undefined);
    await pass(4000);
    expect(of("status").at(-1)).toMatchObject({ up: false });
  });

  it("totals 24 hours to the minute: a part of an hour, whole hours, the last two, each tweet once", async () => {
    const hour = T0 - (T0 % HOUR);
    const begin = T0 - (T0 % MINUTE) - 24 * HOUR;
    for (const at of [begin, hour - 23 * HOUR - 1, hour - 23 * HOUR, hour - HOUR - 1, hour - HOUR, hour - 1, hour, T0]) post("a", { at });
    post("a", { at: begin - 1 });
    poller.watch("");
    await pass(1500);
    const a = of("overview")[0].movies.find((m) => m.slug === "a");
    expect(sumOf(a?.day ?? [])).toBe(8);
    expect(a?.up.at(-1)).toBe(1);
    expect(a?.up).toHaveLength(60);
  });

  it("keeps the totals right while minutes pass from recent to older, and takes in late tweets", async () => {
    poller.watch("");
    let posted = 0;
    for (let minute = 0; minute < 30; minute++) {
      post("a");
      posted++;
      if (minute === 10) {
        post("a", { at: Date.now() - 30 * MINUTE });
        posted++;
      }
      await pass(MINUTE);
    }
    await pass(62_000);
    const a = poller.snapshot("").movies?.find((m) => m.slug === "a");
    expect(sumOf(a?.day ?? [])).toBe(posted);
    expect(a?.up.reduce((x, y) => x + y, 0)).toBe(posted);
  });

  it("sends of the totals only what changed", async () => {
    poller.watch("");
    await pass(3000);
    events = [];
    post("b");
    await pass(1500);
    expect(of("overview").map((o) => o.movies.map((m) => m.slug))).toEqual([["b"]]);
  });

  it("tells when a movie is no more", async () => {
    poller.watch("");
    await pass(2000);
    repository.shelf.pop();
    await pass(7000);
    expect(of("overview").at(-1)?.gone).toEqual(["b"]);
  });

  it("keeps counting across midnight", async () => {
    vi.setSystemTime(Date.parse("2026-11-23T23:59:58.000Z"));
    poller.watch("a");
    await pass(1000);
    post("a");
    await pass(2500);
    post("a");
    await pass(1500);
    const { minutes } = poller.snapshot("a");
    expect(minutes.map((b) => [b.t % (24 * HOUR), sumOf(b.n)])).toEqual([
      [24 * HOUR - MINUTE, 1],
      [0, 1],
    ]);
  });
});
