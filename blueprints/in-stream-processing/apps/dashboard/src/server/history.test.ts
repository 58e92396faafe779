import { beforeEach, describe, expect, it } from "vitest";
import { HOUR, MINUTE, sumOf } from "../shared/buckets";
import type { Bucket } from "../shared/model";
import { Histories } from "./history";
import { MemoryRepository } from "./memory";

const NOW = Date.parse("2026-11-23T09:41:20.000Z");
let repository: MemoryRepository;
let clock: number;
let histories: Histories;
const post = (at: number) =>
  repository.add("a", { id: String(at), at, user: "u", followers: 1, group: "low", sentiment: "negative", text: "" });
const total = (buckets: Bucket[]) => buckets.reduce((sum, b) => sum + sumOf(b.n), 0);

beforeEach(() => {
  repository = new MemoryRepository();
  clock = NOW;
  histories = new Histories(repository, () => clock);
});

describe("Histories", () => {
  it("gives a bucket whose tweets are exactly those its counts were made of", async () => {
    for (let at = NOW - 3 * HOUR; at <= NOW; at += 37_123) post(at);
    for (const range of ["1h", "24h", "7d"] as const) {
      const { buckets, step } = await histories.read("a", range, NOW);
      for (const bucket of buckets.filter((b) => sumOf(b.n) > 0)) {
        const page = await repository.tweets({ movie: "a", from: bucket.t, to: bucket.t + step, sentiment: "negative", group: "low", limit: 10_000 });
        expect(page.tweets).toHaveLength(sumOf(bucket.n));
      }
    }
  });

  it("does not trust the hour table for the present hour and the one before", async () => {
    post(NOW - 90 * MINUTE);
    post(NOW);
    repository.hours = async () => [];
    expect(total((await histories.read("a", "7d", NOW)).buckets)).toBe(2);
  });

  it("counts an hour once where hours and minutes meet", async () => {
    const closed = Date.parse("2026-11-23T08:00Z");
    post(closed - 1);
    post(closed);
    expect(total((await histories.read("a", "30d", NOW)).buckets)).toBe(2);
  });

  it("asks no minutes for a range that ended long ago", async () => {
    repository.minutes = async () => {
      throw new Error("asked for minutes");
    };
    const { to } = await histories.read("a", "7d", NOW - 20 * 24 * HOUR);
    expect(to).toBeLessThan(NOW);
  });

  it("answers equal questions of two seconds from one read, and a failed one anew", async () => {
    await Promise.all([histories.read("a", "24h", NOW), histories.read("a", "24h", NOW + 1)]);
    expect(repository.calls).toBe(1);
    clock += 2500;
    repository.failure = "gone";
    await expect(histories.read("a", "24h", NOW)).rejects.toThrow("gone");
    repository.failure = "";
    await histories.read("a", "24h", NOW);
    expect(repository.calls).toBe(3);
  });
});
