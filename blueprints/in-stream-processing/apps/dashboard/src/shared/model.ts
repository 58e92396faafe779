/** What server and page say to each other. Times are milliseconds since the epoch, UTC. */

export const SENTIMENTS = ["positive", "negative", "neutral"] as const;
export const GROUPS = ["low", "middle", "high"] as const;
export type Sentiment = (typeof SENTIMENTS)[number];
export type Group = (typeof GROUPS)[number];

/** Nine numbers: positive low/middle/high, negative low/middle/high, neutral low/middle/high. */
export type Counts = number[];
export const CELLS = SENTIMENTS.length * GROUPS.length;

/** The counts of [t, t + step). The step is the series' own. */
export interface Bucket {
  t: number;
  n: Counts;
}

export interface Movie {
  slug: string;
  title: string;
  released: string | null;
}

export interface MovieOverview extends Movie {
  /** The last 24 hours, to the minute. */
  day: Counts;
  /** Positive and negative tweets of each of the last 60 minutes, oldest first. */
  up: number[];
  down: number[];
}

export interface Tweet {
  id: string;
  at: number;
  user: string;
  followers: number;
  group: Group;
  sentiment: Sentiment;
  text: string;
}

/** Whether Cassandra answers; `since` is when that began, for "down" the last answer. */
export interface StoreStatus {
  up: boolean;
  since: number;
  cause: string;
}

/** Values are absolute, so an event that comes twice does no harm. */
export interface LiveEvents {
  snapshot: {
    now: number;
    movie: string;
    loaded: boolean;
    seconds: Bucket[];
    minutes: Bucket[];
    rate: number;
    tweets: Tweet[];
    movies: MovieOverview[] | null;
    status: StoreStatus;
  };
  tick: { now: number; seconds: Bucket[]; minutes: Bucket[]; rate: number };
  tweets: { tweets: Tweet[]; sampled: boolean };
  overview: { now: number; movies: MovieOverview[]; gone: string[] };
  status: StoreStatus;
}
export type LiveEvent = keyof LiveEvents;

export const RANGES = ["1h", "24h", "7d", "30d"] as const;
export type Range = (typeof RANGES)[number];

export interface History {
  movie: string;
  from: number;
  to: number;
  step: number;
  source: "minutes" | "hours";
  /** Dense: one bucket per step. */
  buckets: Bucket[];
}

export interface TweetPage {
  tweets: Tweet[];
  /** Hand it back as `cursor` to go on; null at the end. */
  next: string | null;
}

export interface ApiError {
  error: { code: string; message: string };
}
