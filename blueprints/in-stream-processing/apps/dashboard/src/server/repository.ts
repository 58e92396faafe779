/** What the dashboard reads. Cassandra is one form (cassandra.ts), memory another (memory.ts, for tests). */
import type { Bucket, Group, Movie, Sentiment, Tweet, TweetPage } from "../shared/model";

export interface TweetQuery {
  movie: string;
  /** [from, to) */
  from: number;
  to: number;
  sentiment?: Sentiment;
  group?: Group;
  cursor?: string;
  limit: number;
}

/** Every call rejects with StoreError when the store does not answer. Counts are already summed over query and batch;
 *  a time may come in several rows, one per group. */
export interface Repository {
  movies(): Promise<Movie[]>;
  minutes(movie: string, from: number, to: number): Promise<Bucket[]>;
  hours(movie: string, from: number, to: number): Promise<Bucket[]>;
  /** Newest first. */
  newest(movie: string, since: number, limit: number): Promise<Tweet[]>;
  tweets(query: TweetQuery): Promise<TweetPage>;
  /** Asks the store something small. */
  check(): Promise<void>;
  close(): Promise<void>;
}

export class StoreError extends Error {}
export class BadCursor extends Error {}

/** A cursor is the time and id of the last tweet shown. */
export const cursorAfter = (tweet: Tweet): string => `${tweet.at}.${tweet.id}`;
export function readCursor(cursor: string): { at: number; id: string } {
  const parts = /^(\d{1,15})\.([^\s]{1,64})$/.exec(cursor);
  if (!parts) throw new BadCursor(`"${cursor}" is no cursor of this list`);
  return { at: Number(parts[1]), id: parts[2] };
}
