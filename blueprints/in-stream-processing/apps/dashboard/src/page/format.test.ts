import { describe, expect, it } from "vitest";
import { DAY, HOUR, MINUTE, SECOND } from "../shared/buckets";
import { ago, roundTimes, share, stepName } from "./format";

describe("format", () => {
  it("says how long ago", () => {
    expect([0, 12_400, 59_000, 61_000, 2 * HOUR, 3 * DAY].map(ago)).toEqual(["0 s", "12 s", "59 s", "1 min", "2 h", "3 d"]);
  });
  it("names steps", () => {
    expect([SECOND, MINUTE, 10 * MINUTE, HOUR, 6 * HOUR].map(stepName)).toEqual(["second", "minute", "10 minutes", "hour", "6 hours"]);
  });
  it("does not divide by nothing", () => {
    expect(share(0, 0)).toBe("–");
  });
  it("labels an axis with round times and not more than fit", () => {
    const from = new Date(2026, 10, 23, 9, 43, 17).getTime();
    for (const span of [2 * MINUTE, 15 * MINUTE, HOUR, DAY, 7 * DAY, 30 * DAY]) {
      const { times, step } = roundTimes(from, from + span, 8);
      expect(times.length).toBeGreaterThanOrEqual(2);
      expect(times.length).toBeLessThanOrEqual(9);
      const date = new Date(times[0]);
      if (step >= MINUTE) expect(date.getSeconds()).toBe(0);
      if (step >= HOUR) expect(date.getMinutes()).toBe(0);
    }
  });
});
