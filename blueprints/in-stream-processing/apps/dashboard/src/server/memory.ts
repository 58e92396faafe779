/** The repository in memory: for unit tests and for tests of the page alone. */
import { cellOf, floorTo, HOUR, MINUTE, noCounts } from "../shared/buckets";
import type { Bucket, Movie, Tweet, TweetPage } from "../shared/model";
import { StoreError, cursorAfter, readCursor } from "./repository";
import type { Repository, TweetQuery } from "./repository";

export class MemoryRepository implements Repository {
  /** A cause makes every call fail with it. */
  failure = "";
  calls = 0;
  readonly shelf: Movie[] = [];
  readonly posts = new Map<string, Tweet[]>();

  add(movie: string, tweet: Tweet): void {
    const posts = this.posts.get(movie) ?? [];
    posts.push(tweet);
    posts.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
    this.posts.set(movie, posts);
  }

  async movies(): Promise<Movie[]> {
    this.answer();
    return [...this.shelf];
  }
  async minutes(movie: string, from: number, to: number): Promise<Bucket[]> {
    return this.counts(movie, from, to, MINUTE);
  }
  async hours(movie: string, from: number, to: number): Promise<Bucket[]> {
    return this.counts(movie, from, to, HOUR);
  }
  async newest(movie: string, since: number, limit: number): Promise<Tweet[]> {
    this.answer();
    return (this.posts.get(movie) ?? []).filter((t) => t.at >= since).slice(0, limit);
  }
  async tweets(query: TweetQuery): Promise<TweetPage> {
    this.answer();
    const after = query.cursor === undefined ? undefined : readCursor(query.cursor);
    const found = (this.posts.get(query.movie) ?? []).filter(
      (t) =>
        t.at >= query.from &&
        t.at < query.to &&
        (!query.sentiment || t.sentiment === query.sentiment) &&
        (!query.group || t.group === query.group) &&
        (!after || t.at < after.at || (t.at === after.at && t.id < after.id)),
    );
    const tweets = found.slice(0, query.limit);
    return { tweets, next: found.length > query.limit ? cursorAfter(tweets[tweets.length - 1]) : null };
  }
  async check(): Promise<void> {
    this.answer();
  }
  async close(): Promise<void> {}

  private answer(): void {
    this.calls++;
    if (this.failure) throw new StoreError(this.failure);
  }
  private counts(movie: string, from: number, to: number, step: number): Bucket[] {
    this.answer();
    const series = new Map<number, Bucket>();
    for (const tweet of this.posts.get(movie) ?? []) {
      const t = floorTo(tweet.at, step);
      if (t < from || t >= to) continue;
      const bucket = series.get(t) ?? { t, n: noCounts() };
      bucket.n[cellOf(tweet.sentiment, tweet.group)]++;
      series.set(t, bucket);
    }
    return [...series.values()];
  }
}
