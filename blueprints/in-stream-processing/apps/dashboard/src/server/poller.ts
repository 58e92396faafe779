/** One poller for all clients. It asks Cassandra about the movies that somebody looks at, every half second, and about
 *  the totals of all movies every second or slower; what changed goes to the hub. With no client it asks nothing. */
import { HOUR, MINUTE, SECOND, addInto, floorTo, intoBuckets, noCounts, ofSentiment } from "../shared/buckets";
import type { Bucket, LiveEvent, LiveEvents, Movie, MovieOverview, StoreStatus } from "../shared/model";
import { BACKFILL_LIMIT, LiveMovie, NEWEST_LIMIT } from "./live";
import type { Metrics } from "./metrics";
import type { Repository } from "./repository";

const POLL_MS = 500;
/** A movie is followed for a while after its last viewer left, so that a reload finds it warm. More than the hub keeps. */
const LINGER_MS = 90 * SECOND;
const MOVIES_EVERY_MS = 5 * SECOND;
const OLDER_EVERY_MS = 60 * SECOND;
const RECENT_MINUTES = 3;
/** With no answer for this long Cassandra counts as silent, even if a question is still open. */
const SILENCE_MS = 2500;
const OVERVIEW_PARALLEL = 8;
const PUSHED_TWEETS = 20;

export type Publish = <E extends LiveEvent>(movie: string | null, event: E, data: LiveEvents[E]) => void;

interface Watched {
  slug: string;
  live: LiveMovie;
  viewers: number;
  leftAt: number;
  tickedAt: number;
  busy: boolean;
}

/** What of a movie's 24 hours lies before `until`. */
interface Older {
  at: number;
  until: number;
  n: number[];
  minutes: Bucket[];
}

export class Poller {
  private readonly watched = new Map<string, Watched>();
  private movies: Movie[] | undefined;
  private moviesAt = -Infinity;
  private readonly older = new Map<string, Older>();
  private overview = new Map<string, MovieOverview>();
  private overviewBusy = false;
  private overviewAt = -Infinity;
  private status: StoreStatus;
  /** Whether there is a client; `lastAnswer` counts from when there is. */
  private asking = false;
  private lastAnswer = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly repository: Repository,
    private readonly publish: Publish,
    private readonly metrics: Metrics,
    private readonly clock: () => number = Date.now,
  ) {
    this.status = { up: true, since: clock(), cause: "" };
  }

  start(): void {
    this.timer = setInterval(() => this.onTimer(), POLL_MS);
  }
  stop(): void {
    clearInterval(this.timer);
  }

  /** The movies as last read; undefined when they never were. */
  get known(): Movie[] | undefined {
    return this.movies;
  }

  /** True when the movie has been followed without a gap. An empty slug follows the totals only. */
  watch(slug: string): boolean {
    const present = this.watched.get(slug);
    if (present) {
      present.viewers++;
      return true;
    }
    const entry = { slug, live: new LiveMovie(), viewers: 1, leftAt: 0, tickedAt: 0, busy: false };
    this.watched.set(slug, entry);
    this.metrics.watched.set(this.watched.size);
    if (this.timer) this.onTimer();
    return false;
  }

  unwatch(slug: string): void {
    const entry = this.watched.get(slug);
    if (!entry) return;
    entry.viewers--;
    entry.leftAt = this.clock();
  }

  snapshot(slug: string): LiveEvents["snapshot"] {
    const now = this.clock();
    const live = this.watched.get(slug)?.live;
    return {
      now,
      movie: slug,
      loaded: live?.loaded ?? false,
      ...(live?.picture() ?? { seconds: [], minutes: [] }),
      rate: live?.rate(now) ?? 0,
      tweets: live?.tweets ?? [],
      movies: this.movies && this.overview.size >= this.movies.length ? [...this.overview.values()] : null,
      status: this.status,
    };
  }

  private onTimer(): void {
    const now = this.clock();
    for (const entry of this.watched.values()) {
      if (entry.viewers === 0 && now - entry.leftAt > LINGER_MS) {
        this.watched.delete(entry.slug);
        this.metrics.watched.set(this.watched.size);
        continue;
      }
      if (now - entry.tickedAt >= 2 * POLL_MS) this.tick(entry, now);
      if (!entry.busy && entry.slug) void this.pollMovie(entry);
    }
    if (this.watched.size === 0) {
      this.asking = false;
      return;
    }
    if (!this.asking) {
      this.asking = true;
      this.status = { up: true, since: now, cause: "" };
      this.lastAnswer = now;
    }
    if (this.status.up && now - this.lastAnswer > SILENCE_MS) this.onSilence("no answer to a question still open", now);
    const pause = Math.min(10 * SECOND, Math.max(SECOND, (this.movies?.length ?? 0) * 100));
    if (!this.overviewBusy && now - this.overviewAt >= pause) void this.pollOverview();
  }

  private async pollMovie(entry: Watched): Promise<void> {
    const { live, slug } = entry;
    entry.busy = true;
    const began = this.clock();
    try {
      const from = live.minutesWanted(began);
      if (!live.loaded) {
        const [tweets, minutes] = await Promise.all([
          this.repository.newest(slug, began - 2 * MINUTE, BACKFILL_LIMIT),
          this.repository.minutes(slug, from, began + 2 * MINUTE),
        ]);
        live.onMinutes(minutes, from, this.clock());
        live.onBackfill(tweets, this.clock());
        this.onAnswer("movie", began);
        live.takeChanges();
        this.publish(slug, "snapshot", this.snapshot(slug));
        return;
      }
      live.onMinutes(await this.repository.minutes(slug, from, began + 2 * MINUTE), from, this.clock());
      const since = live.tweetsWanted(began);
      const read = since === undefined ? [] : await this.repository.newest(slug, since, NEWEST_LIMIT);
      const fresh = since === undefined ? [] : live.onTweets(read, this.clock());
      this.onAnswer("movie", began);
      this.tick(entry, this.clock());
      if (fresh.length) {
        for (const tweet of fresh) this.metrics.tweetAge.observe((this.clock() - tweet.at) / SECOND);
        const sampled = fresh.length > PUSHED_TWEETS || fresh.length === NEWEST_LIMIT;
        this.publish(slug, "tweets", { tweets: fresh.slice(0, PUSHED_TWEETS), sampled });
      }
    } catch (error) {
      this.onFailure("movie", error);
    } finally {
      entry.busy = false;
    }
  }

  /** At least once a second, so that clients can tell a quiet movie from a lost stream. */
  private tick(entry: Watched, now: number): void {
    const changes = entry.live.takeChanges();
    if (!changes.seconds.length && !changes.minutes.length && now - entry.tickedAt < SECOND - POLL_MS / 2) return;
    entry.tickedAt = now;
    this.publish(entry.slug, "tick", { now, ...changes, rate: entry.live.rate(now) });
  }

  private async pollOverview(): Promise<void> {
    this.overviewBusy = true;
    const began = this.clock();
    try {
      if (!this.movies?.length || began - this.moviesAt >= MOVIES_EVERY_MS) {
        this.movies = await this.repository.movies();
        this.moviesAt = began;
      }
      const movies = [...this.movies];
      const next = new Map<string, MovieOverview>();
      const work = movies.map((movie) => async () => next.set(movie.slug, await this.overviewOf(movie, began)));
      await Promise.all(
        Array.from({ length: OVERVIEW_PARALLEL }, async () => {
          for (let job = work.shift(); job; job = work.shift()) await job();
        }),
      );
      const inOrder = new Map(movies.map((m) => [m.slug, next.get(m.slug) as MovieOverview]));
      const changed = [...inOrder.values()].filter(
        (m) => JSON.stringify(m) !== JSON.stringify(this.overview.get(m.slug)),
      );
      const gone = [...this.overview.keys()].filter((slug) => !inOrder.has(slug));
      const first = this.overview.size === 0;
      this.overview = inOrder;
      this.onAnswer("overview", began);
      if (first || changed.length || gone.length) this.publish(null, "overview", { now: this.clock(), movies: changed, gone });
    } catch (error) {
      this.onFailure("overview", error);
    } finally {
      this.overviewAt = this.clock();
      this.overviewBusy = false;
    }
  }

  /** The last few minutes are read each time, what is older once a minute: hardly anything changes there. */
  private async overviewOf(movie: Movie, now: number): Promise<MovieOverview> {
    let older = this.older.get(movie.slug);
    if (!older || now - older.at >= OLDER_EVERY_MS) this.older.set(movie.slug, (older = await this.readOlder(movie.slug, now)));
    const recent = await this.repository.minutes(movie.slug, older.until, now + 2 * MINUTE);
    const day = [...older.n];
    for (const row of recent) addInto(day, row.n);
    const last = floorTo(now, MINUTE) + MINUTE;
    const spark = intoBuckets([...older.minutes, ...recent], last - HOUR, last, MINUTE);
    return {
      ...movie,
      day,
      up: spark.map((b) => ofSentiment(b.n, "positive")),
      down: spark.map((b) => ofSentiment(b.n, "negative")),
    };
  }

  /** The last 24 hours but for the last minutes. The rest of an hour at the beginning, and the hour before the present one,
   *  which the hour table may lack, come from minutes; whole hours between from the hour table. */
  private async readOlder(slug: string, now: number): Promise<Older> {
    const hour = floorTo(now, HOUR);
    const begin = floorTo(now, MINUTE) - 24 * HOUR;
    const until = floorTo(now, MINUTE) - RECENT_MINUTES * MINUTE;
    const [first, hours, minutes] = await Promise.all([
      this.repository.minutes(slug, begin, hour - 23 * HOUR),
      this.repository.hours(slug, hour - 23 * HOUR, hour - HOUR),
      this.repository.minutes(slug, hour - HOUR, until),
    ]);
    const n = noCounts();
    for (const row of [...first, ...hours, ...minutes]) addInto(n, row.n);
    return { at: now, until, n, minutes };
  }

  private onAnswer(kind: string, began: number): void {
    const now = this.clock();
    this.lastAnswer = now;
    this.metrics.polls.add(1, { kind, result: "ok" });
    this.metrics.storeUp.set(1);
    if (kind === "movie") this.metrics.pollSeconds.observe((now - began) / SECOND);
    if (this.status.up) return;
    this.status = { up: true, since: now, cause: "" };
    this.publish(null, "status", this.status);
  }

  private onFailure(kind: string, error: unknown): void {
    this.metrics.polls.add(1, { kind, result: "failed" });
    this.onSilence(error instanceof Error ? error.message : String(error), this.clock());
  }

  private onSilence(cause: string, now: number): void {
    this.metrics.storeUp.set(0);
    if (!this.status.up && this.status.cause === cause) return;
    const since = this.status.up ? this.lastAnswer || now : this.status.since;
    if (this.status.up) process.stderr.write(`Cassandra does not answer: ${cause}\n`);
    this.status = { up: false, since, cause };
    this.publish(null, "status", this.status);
  }
}
