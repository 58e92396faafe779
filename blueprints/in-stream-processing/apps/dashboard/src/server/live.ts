/** The live picture of one movie, made of what the poller reads. Pure: time comes in as an argument.
 *
 *  Seconds: Cassandra counts by minute. What a minute has more than at the poll before was counted in between, so it is
 *  spread over the seconds since the last growth (the job counts in batches). The sum of the seconds is therefore the
 *  growth of the minutes, at any rate of tweets. Only the first picture is made from the tweets' own times. */
import { MINUTE, SECOND, addInto, cellOf, floorTo, intoBuckets, noCounts, spread, sumOf } from "../shared/buckets";
import type { Bucket, Counts, Tweet } from "../shared/model";
import { CELLS } from "../shared/model";

export const SECONDS_KEPT = 180;
export const MINUTES_KEPT = 16;
export const BACKFILL_LIMIT = 2000;
export const NEWEST_LIMIT = 60;
const RECENT_MINUTES = 3;
const ALL_MINUTES_EVERY_MS = 10 * SECOND;
const TWEETS_KEPT = 60;
const LONGEST_SPREAD_S = 10;
const RATE_WINDOW_S = 10;
/** A tweet that is stored later than this after a newer one is missing from the live list (history has it). */
const TWEET_OVERLAP_MS = 30 * SECOND;
const TWEET_IDLE_MS = 5 * SECOND;

export class LiveMovie {
  loaded = false;
  /** Newest first. */
  readonly tweets: Tweet[] = [];
  private readonly minutes = new Map<number, Counts>();
  /** The highest value ever seen of each cell: a read that falls back for a moment must not be counted twice. */
  private readonly highest = new Map<number, Counts>();
  private readonly seconds = new Map<number, Counts>();
  private readonly seen = new Map<string, number>();
  private grewAt: number | undefined;
  private allMinutesAt = -Infinity;
  private tweetsReadAt = -Infinity;
  private newestAt = -Infinity;
  private changedMinutes = new Set<number>();
  private changedSeconds = new Set<number>();

  /** From where the poller is to read minutes now: mostly the last few, which are those that grow; now and then all. */
  minutesWanted(now: number): number {
    const all = now - this.allMinutesAt >= ALL_MINUTES_EVERY_MS;
    if (all) this.allMinutesAt = now;
    return all ? oldestMinute(now) : floorTo(now, MINUTE) - RECENT_MINUTES * MINUTE;
  }

  /** `rows` is all there is since the minute `from`. */
  onMinutes(rows: Bucket[], from: number, now: number): void {
    const fresh = noCounts();
    for (const { t, n } of intoBuckets(rows, from, floorTo(now, MINUTE) + 2 * MINUTE, MINUTE)) {
      const shown = this.minutes.get(t);
      if (!shown ? sumOf(n) > 0 : n.some((count, cell) => count !== shown[cell])) {
        this.minutes.set(t, n);
        this.changedMinutes.add(t);
      }
      const highest = this.highest.get(t) ?? noCounts();
      for (let cell = 0; cell < CELLS; cell++) {
        if (n[cell] <= highest[cell]) continue;
        fresh[cell] += n[cell] - highest[cell];
        highest[cell] = n[cell];
      }
      this.highest.set(t, highest);
    }
    if (this.loaded && sumOf(fresh) > 0) this.onGrowth(fresh, now);
    this.forget(now);
  }

  private onGrowth(fresh: Counts, now: number): void {
    const last = floorTo(now, SECOND);
    const since = this.grewAt === undefined ? last - SECOND : floorTo(this.grewAt, SECOND);
    const places = Math.min(Math.max(1, (last - since) / SECOND), LONGEST_SPREAD_S);
    spread(fresh, places).forEach((share, i) => {
      if (sumOf(share) === 0) return;
      const t = last - (places - 1 - i) * SECOND;
      const second = this.seconds.get(t) ?? noCounts();
      addInto(second, share);
      this.seconds.set(t, second);
      this.changedSeconds.add(t);
    });
    this.grewAt = now;
  }

  /** The first picture: the tweets of the last seconds, newest first, at most BACKFILL_LIMIT of them. */
  onBackfill(tweets: Tweet[], now: number): void {
    const oldestWhole = tweets.length < BACKFILL_LIMIT ? -Infinity : floorTo(tweets[tweets.length - 1].at, SECOND) + SECOND;
    for (const tweet of tweets) {
      const t = floorTo(Math.min(tweet.at, now), SECOND);
      if (t < oldestWhole) continue;
      const second = this.seconds.get(t) ?? noCounts();
      second[cellOf(tweet.sentiment, tweet.group)]++;
      this.seconds.set(t, second);
    }
    this.takeNew(tweets, now);
    if (tweets.length) this.grewAt = Math.min(now, tweets[0].at);
    this.loaded = true;
    this.forget(now);
  }

  /** From when the poller is to read tweets now, or undefined when no new ones are to be expected. */
  tweetsWanted(now: number): number | undefined {
    const growing = this.grewAt !== undefined && now - this.grewAt < TWEET_IDLE_MS;
    if (!growing && now - this.tweetsReadAt < TWEET_IDLE_MS) return undefined;
    return Math.max(this.newestAt, now - 2 * MINUTE) - TWEET_OVERLAP_MS;
  }

  /** Returns the ones not seen before, newest first. */
  onTweets(tweets: Tweet[], now: number): Tweet[] {
    return this.takeNew(tweets, now);
  }

  private takeNew(tweets: Tweet[], now: number): Tweet[] {
    this.tweetsReadAt = now;
    const fresh = tweets.filter((tweet) => !this.seen.has(tweet.id));
    for (const tweet of fresh) {
      this.seen.set(tweet.id, tweet.at);
      this.newestAt = Math.max(this.newestAt, Math.min(tweet.at, now));
    }
    this.tweets.push(...fresh);
    this.tweets.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
    this.tweets.length = Math.min(this.tweets.length, TWEETS_KEPT);
    return fresh;
  }

  /** Tweets per second, over the last ten seconds that are counted. */
  rate(now: number): number {
    const lag = now - (this.grewAt ?? -Infinity);
    const end = floorTo(lag < LONGEST_SPREAD_S * SECOND ? now - lag : now, SECOND) + SECOND;
    let sum = 0;
    for (let t = end - RATE_WINDOW_S * SECOND; t < end; t += SECOND) sum += sumOf(this.seconds.get(t) ?? []);
    return sum / RATE_WINDOW_S;
  }

  /** What changed since the last call. */
  takeChanges(): { seconds: Bucket[]; minutes: Bucket[] } {
    const changes = { seconds: pick(this.seconds, this.changedSeconds), minutes: pick(this.minutes, this.changedMinutes) };
    this.changedSeconds = new Set();
    this.changedMinutes = new Set();
    return changes;
  }

  picture(): { seconds: Bucket[]; minutes: Bucket[] } {
    return { seconds: pick(this.seconds, this.seconds.keys()), minutes: pick(this.minutes, this.minutes.keys()) };
  }

  private forget(now: number): void {
    drop(this.seconds, now - SECONDS_KEPT * SECOND);
    drop(this.minutes, oldestMinute(now));
    drop(this.highest, oldestMinute(now));
    for (const [id, at] of this.seen) if (at < Math.max(this.newestAt, now - 2 * MINUTE) - 2 * TWEET_OVERLAP_MS) this.seen.delete(id);
  }
}

const oldestMinute = (now: number): number => floorTo(now, MINUTE) - (MINUTES_KEPT - 1) * MINUTE;

function pick(series: Map<number, Counts>, times: Iterable<number>): Bucket[] {
  return [...times]
    .filter((t) => series.has(t))
    .sort((a, b) => a - b)
    .map((t) => ({ t, n: [...(series.get(t) as Counts)] }));
}

function drop(series: Map<number, unknown>, before: number): void {
  for (const t of series.keys()) if (t < before) series.delete(t);
}
