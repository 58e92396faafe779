import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE, cellOf, daysOf, intoBuckets, noCounts, ofSentiment, planRange, spread, sumOf, yearsOf } from "./buckets";
import { GROUPS, RANGES, SENTIMENTS } from "./model";

const at = (text: string) => Date.parse(text);
const counts = (n: number) => noCounts().fill(n);

describe("cells", () => {
  it("gives every sentiment and group a cell of its own", () => {
    const cells = SENTIMENTS.flatMap((s) => GROUPS.map((g) => cellOf(s, g)));
    expect(cells).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });
  it("sums a sentiment over its groups", () => {
    expect(ofSentiment([1, 2, 3, 10, 20, 30, 100, 200, 300], "negative")).toBe(60);
  });
});

describe("planRange", () => {
  const now = at("2026-11-23T09:41:27.500Z");
  it("ends with the bucket that holds now", () => {
    for (const range of RANGES) {
      const { from, to, step, span } = planRange(range, now);
      expect(to - step).toBeLessThanOrEqual(now);
      expect(to).toBeGreaterThan(now);
      expect(to - from).toBe(span);
    }
  });
  it("starts a new bucket exactly at its boundary", () => {
    expect(planRange("1h", at("2026-11-23T09:41:00.000Z")).to).toBe(at("2026-11-23T09:42:00Z"));
    expect(planRange("1h", at("2026-11-23T09:40:59.999Z")).to).toBe(at("2026-11-23T09:41:00Z"));
  });
  it("takes minutes up to 48 hours and hours beyond", () => {
    expect(RANGES.map((range) => planRange(range, now).source)).toEqual(["minutes", "minutes", "hours", "hours"]);
  });
  it("never lets a bucket cross a day, which is a partition", () => {
    for (const range of RANGES) {
      const { from, to, step } = planRange(range, now);
      for (let t = from; t < to; t += step) expect(daysOf(t, t + step)).toHaveLength(1);
    }
  });
  it("joins end to end when the range before is asked for by from - 1", () => {
    const { from } = planRange("24h", now);
    expect(planRange("24h", from - 1).to).toBe(from);
  });
});

describe("intoBuckets", () => {
  const from = at("2026-11-23T09:00Z");
  it("puts a row that lies on a boundary into the bucket that begins there, not the one after or before", () => {
    const series = intoBuckets([{ t: from + 10 * MINUTE, n: counts(1) }], from, from + 30 * MINUTE, 10 * MINUTE);
    expect(series.map((b) => sumOf(b.n))).toEqual([0, 9, 0]);
  });
  it("adds rows of one bucket up and leaves out what is outside", () => {
    const rows = [
      { t: from - 1, n: counts(100) },
      { t: from, n: counts(1) },
      { t: from + HOUR - 1, n: counts(2) },
      { t: from + HOUR, n: counts(100) },
    ];
    expect(intoBuckets(rows, from, from + HOUR, HOUR)).toEqual([{ t: from, n: counts(3) }]);
  });
  it("is dense", () => {
    expect(intoBuckets([], from, from + DAY, HOUR)).toHaveLength(24);
  });
});

describe("partitions", () => {
  it("names both days of a span over midnight and one of a span up to it", () => {
    const midnight = at("2026-11-24T00:00Z");
    expect(daysOf(midnight - MINUTE, midnight + 1)).toEqual([midnight / DAY - 1, midnight / DAY]);
    expect(daysOf(midnight - MINUTE, midnight)).toEqual([midnight / DAY - 1]);
  });
  it("names both years around new year", () => {
    expect(yearsOf(at("2026-12-31T23:00Z"), at("2027-01-01T01:00Z"))).toEqual([2026, 2027]);
    expect(yearsOf(at("2026-12-31T23:00Z"), at("2027-01-01T00:00Z"))).toEqual([2026]);
  });
});

describe("spread", () => {
  it("keeps the sum whatever the number of places", () => {
    for (const places of [1, 2, 3, 7, 10]) {
      const shares = spread([0, 1, 5, 10, 99, 100, 7, 3, 2], places);
      expect(shares).toHaveLength(places);
      expect([0, 1, 2, 3, 4, 5, 6, 7, 8].map((c) => shares.reduce((sum, n) => sum + n[c], 0))).toEqual([0, 1, 5, 10, 99, 100, 7, 3, 2]);
    }
  });
  it("gives a single tweet to the latest place", () => {
    expect(spread([1, 0, 0, 0, 0, 0, 0, 0, 0], 4).map(sumOf)).toEqual([0, 0, 0, 1]);
  });
});
