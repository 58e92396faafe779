import { describe, expect, it } from "vitest";
import { noCounts } from "../shared/buckets";
import type { LiveEvents, Tweet } from "../shared/model";
import { mergeTweets, reduce, startState } from "./live_state";
import type { LiveAction } from "./live_state";

const n = (first: number) => [first, ...noCounts().slice(1)];
const tick = (now: number, over: Partial<LiveEvents["tick"]> = {}): LiveAction => ({
  event: "tick",
  at: now,
  data: { now, seconds: [], minutes: [], rate: 0, ...over },
});
const tweet = (id: string) => ({ id }) as Tweet;
const snapshot = (movie: string): LiveEvents["snapshot"] => ({
  now: 5000,
  movie,
  loaded: true,
  seconds: [{ t: 1000, n: n(1) }],
  minutes: [],
  rate: 1,
  tweets: [tweet("1")],
  movies: null,
  status: { up: true, since: 0, cause: "" },
});

describe("reduce", () => {
  it("takes values as absolute, so that an event may come twice", () => {
    const change = tick(3000, { seconds: [{ t: 2000, n: n(4) }] });
    const once = reduce(startState("a"), change);
    expect(reduce(once, change).seconds).toEqual(once.seconds);
  });

  it("lets a snapshot replace everything, also what was counted by an earlier process", () => {
    const before = reduce(startState("a"), tick(3000, { seconds: [{ t: 2000, n: n(4) }] }));
    const after = reduce(before, { event: "snapshot", at: 4990, data: snapshot("a") });
    expect([...after.seconds]).toEqual([[1000, n(1)]]);
    expect(after.offset).toBe(10);
  });

  it("ignores the snapshot of a movie that is no longer looked at", () => {
    const state = startState("b");
    expect(reduce(state, { event: "snapshot", at: 5000, data: snapshot("a") })).toBe(state);
  });

  it("remembers since when the stream is lost until something is heard", () => {
    const lost = reduce(reduce(startState("a"), { event: "lost", at: 100, cause: "" }), { event: "lost", at: 900, cause: "why" });
    expect([lost.lostSince, lost.lostCause]).toEqual([100, "why"]);
    expect(reduce(lost, tick(1000)).lostSince).toBeNull();
  });

  it("follows the lag of counting up at once and down only after a while", () => {
    const slow = reduce(startState("a"), tick(10_000, { seconds: [{ t: 5000, n: n(1) }] }));
    expect(slow.delay).toBe(6000);
    const soon = reduce(slow, tick(12_000, { seconds: [{ t: 11_000, n: n(1) }] }));
    expect(soon.delay).toBe(6000);
    const later = reduce(soon, tick(50_000, { seconds: [{ t: 49_000, n: n(1) }] }));
    expect(later.delay).toBe(2000);
  });

  it("keeps the movies in one order whatever order they come in", () => {
    const movie = (slug: string) => ({ slug, title: slug.toUpperCase(), released: null, day: noCounts(), up: [], down: [] });
    const overview = (slugs: string[], gone: string[] = []) => ({ event: "overview", at: 0, data: { now: 0, movies: slugs.map(movie), gone } }) as const;
    const state = reduce(reduce(startState("a"), overview(["c", "a"])), overview(["b"], ["c"]));
    expect(state.movies?.map((m) => m.slug)).toEqual(["a", "b"]);
  });
});

describe("mergeTweets", () => {
  it("puts new ones first, each once, and forgets the oldest", () => {
    expect(mergeTweets([tweet("2"), tweet("1")], [tweet("3"), tweet("2")], 2).map((t) => t.id)).toEqual(["3", "2"]);
  });
});
