import { describe, expect, it } from "vitest";
import { MINUTE, SECOND, cellOf, floorTo, noCounts, sumOf } from "../shared/buckets";
import type { Bucket, Tweet } from "../shared/model";
import { BACKFILL_LIMIT, LiveMovie, SECONDS_KEPT } from "./live";

const T0 = Date.parse("2026-11-23T09:41:20.000Z");
const MIN = floorTo(T0, MINUTE);
const FROM = MIN - 15 * MINUTE;
const row = (t: number, positive: number): Bucket => {
  const n = noCounts();
  n[0] = positive;
  return { t, n };
};
let serial = 0;
const tweet = (at: number, over: Partial<Tweet> = {}): Tweet => ({
  id: String(++serial),
  at,
  user: "ada",
  followers: 10,
  group: "low",
  sentiment: "positive",
  text: "good",
  ...over,
});
function loaded(positive = 100): LiveMovie {
  const live = new LiveMovie();
  live.onMinutes([row(MIN, positive)], FROM, T0);
  live.onBackfill([], T0);
  live.takeChanges();
  return live;
}
const total = (buckets: Bucket[]) => buckets.reduce((sum, b) => sum + sumOf(b.n), 0);

describe("LiveMovie", () => {
  it("counts nothing as new that was there before it looked", () => {
    const live = new LiveMovie();
    live.onMinutes([row(MIN, 1000)], FROM, T0);
    live.onBackfill([], T0);
    expect(total(live.picture().seconds)).toBe(0);
  });

  it("makes seconds whose sum is the growth of the minutes", () => {
    const live = loaded();
    live.onMinutes([row(MIN, 107)], FROM, T0 + 500);
    live.onMinutes([row(MIN, 107)], FROM, T0 + 1000);
    live.onMinutes([row(MIN, 150)], FROM, T0 + 3500);
    live.onMinutes([row(MIN, 150), row(MIN + MINUTE, 9)], FROM, T0 + 41_000);
    expect(total(live.picture().seconds)).toBe(59);
  });

  it("spreads a batch over the seconds since the batch before", () => {
    const live = loaded();
    live.onMinutes([row(MIN, 110)], FROM, T0 + 500);
    live.takeChanges();
    live.onMinutes([row(MIN, 150)], FROM, T0 + 4500);
    expect(live.takeChanges().seconds.map((b) => [b.t - T0, sumOf(b.n)])).toEqual([
      [1000, 10],
      [2000, 10],
      [3000, 10],
      [4000, 10],
    ]);
  });

  it("does not count twice when a read falls back and recovers", () => {
    const live = loaded();
    live.onMinutes([row(MIN, 120)], FROM, T0 + 500);
    live.onMinutes([row(MIN, 90)], FROM, T0 + 1000);
    live.onMinutes([row(MIN, 120)], FROM, T0 + 1500);
    expect(total(live.picture().seconds)).toBe(20);
    expect(live.picture().minutes).toEqual([row(MIN, 120)]);
  });

  it("leaves minutes alone that a short look does not cover, and looks at all of them now and then", () => {
    const live = new LiveMovie();
    expect(live.minutesWanted(T0)).toBe(FROM);
    live.onMinutes([row(MIN - 10 * MINUTE, 7), row(MIN, 1)], FROM, T0);
    live.onBackfill([], T0);
    const from = live.minutesWanted(T0 + 500);
    expect(from).toBe(MIN - 3 * MINUTE);
    live.onMinutes([row(MIN, 2)], from, T0 + 500);
    expect(live.picture().minutes).toEqual([row(MIN - 10 * MINUTE, 7), row(MIN, 2)]);
    expect(live.minutesWanted(T0 + 10_000)).toBe(FROM);
  });

  it("reports a change once", () => {
    const live = loaded();
    live.onMinutes([row(MIN, 101)], FROM, T0 + 500);
    expect(live.takeChanges().minutes).toEqual([row(MIN, 101)]);
    expect(live.takeChanges()).toEqual({ seconds: [], minutes: [] });
  });

  it("starts with the tweets' own seconds", () => {
    const live = new LiveMovie();
    live.onMinutes([row(MIN, 3)], FROM, T0);
    live.onBackfill([tweet(T0 - 1), tweet(T0 - 900, { sentiment: "negative", group: "high" }), tweet(T0 - 5000)], T0);
    const seconds = live.picture().seconds;
    expect(seconds.map((b) => b.t - T0)).toEqual([-5000, -1000]);
    expect(seconds[1].n[cellOf("negative", "high")]).toBe(1);
    expect(sumOf(seconds[1].n)).toBe(2);
  });

  it("leaves out the second that a cut-off backfill does not hold whole", () => {
    const live = new LiveMovie();
    const many = Array.from({ length: BACKFILL_LIMIT }, (_, i) => tweet(T0 - 1 - i));
    live.onBackfill(many, T0);
    const seconds = live.picture().seconds;
    expect(seconds[0].t).toBe(T0 - SECOND);
    expect(sumOf(seconds[0].n)).toBe(1000);
  });

  it("forgets old seconds and minutes", () => {
    const live = loaded();
    live.onMinutes([row(MIN, 120)], FROM, T0 + 500);
    live.onMinutes([], MIN + 5 * MINUTE, T0 + 20 * MINUTE);
    expect(live.picture()).toEqual({ seconds: [], minutes: [] });
    expect(SECONDS_KEPT).toBeLessThan(20 * 60);
  });

  it("knows the rate of the last ten counted seconds", () => {
    const live = loaded(0);
    for (let s = 1; s <= 20; s++) live.onMinutes([row(MIN, 30 * s)], FROM, T0 + s * SECOND + 100);
    expect(live.rate(T0 + 20 * SECOND + 400)).toBe(30);
    expect(live.rate(T0 + 40 * SECOND)).toBe(0);
  });

  it("shows each tweet once although it reads with overlap", () => {
    const live = loaded();
    const [a, b, c] = [tweet(T0 + 100), tweet(T0 + 200), tweet(T0 + 50)];
    expect(live.onTweets([b, a], T0 + 500)).toEqual([b, a]);
    expect(live.onTweets([b, a, c], T0 + 1000)).toEqual([c]);
    expect(live.tweets).toEqual([b, a, c]);
  });

  it("asks for tweets while counts grow, else only now and then", () => {
    const live = loaded();
    expect(live.tweetsWanted(T0 + 500)).toBeUndefined();
    live.onMinutes([row(MIN, 101)], FROM, T0 + 500);
    expect(live.tweetsWanted(T0 + 1000)).toBeLessThan(T0);
    live.onTweets([], T0 + 6000);
    expect(live.tweetsWanted(T0 + 6500)).toBeUndefined();
    expect(live.tweetsWanted(T0 + 11_500)).toBeDefined();
  });
});
