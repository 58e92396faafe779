/** What the page knows of the live stream, as a reducer. Events carry absolute values: order and repeats do no harm. */
import { SECOND } from "../shared/buckets";
import type { Bucket, Counts, LiveEvents, MovieOverview, StoreStatus, Tweet } from "../shared/model";

const TWEETS_KEPT = 200;
const SECONDS_KEPT = 180;
const MINUTES_KEPT = 16;
const DELAY_MOST_S = 12;

export interface LiveState {
  movie: string;
  loaded: boolean;
  /** Server's clock minus ours. */
  offset: number;
  seconds: ReadonlyMap<number, Counts>;
  minutes: ReadonlyMap<number, Counts>;
  rate: number;
  /** How far behind now the counting is: what is older is settled. */
  delay: number;
  delayAt: number;
  /** Newest arrival first. */
  tweets: Tweet[];
  sampled: boolean;
  movies: MovieOverview[] | null;
  status: StoreStatus;
  /** Since when the stream is lost, by our clock; null while it flows. */
  lostSince: number | null;
  lostCause: string;
  /** The server knows no such movie. */
  unknown: boolean;
}

export type LiveAction =
  | { [E in keyof LiveEvents]: { event: E; data: LiveEvents[E]; at: number } }[keyof LiveEvents]
  | { event: "choose"; movie: string }
  | { event: "lost"; at: number; cause: string }
  | { event: "unknown" };

export const startState = (movie: string): LiveState => ({
  movie,
  loaded: false,
  offset: 0,
  seconds: new Map(),
  minutes: new Map(),
  rate: 0,
  delay: 2 * SECOND,
  delayAt: 0,
  tweets: [],
  sampled: false,
  movies: null,
  status: { up: true, since: 0, cause: "" },
  lostSince: null,
  lostCause: "",
  unknown: false,
});

export function reduce(state: LiveState, action: LiveAction): LiveState {
  switch (action.event) {
    case "choose":
      return { ...startState(action.movie), movies: state.movies, status: state.status, offset: state.offset };
    case "unknown":
      return { ...state, unknown: true };
    case "lost":
      return { ...state, lostSince: state.lostSince ?? action.at, lostCause: action.cause };
    case "snapshot": {
      const { data, at } = action;
      if (data.movie !== state.movie) return state;
      return {
        ...flowing(state),
        loaded: data.loaded,
        offset: data.now - at,
        seconds: new Map(data.seconds.map((b) => [b.t, b.n])),
        minutes: new Map(data.minutes.map((b) => [b.t, b.n])),
        rate: data.rate,
        tweets: data.tweets,
        movies: data.movies ?? state.movies,
        status: data.status,
      };
    }
    case "tick": {
      const { data, at } = action;
      const delay = lagOf(data);
      const keepDelay = delay === undefined || (delay < state.delay && data.now - state.delayAt < 30 * SECOND);
      return {
        ...flowing(state),
        offset: data.now - at,
        seconds: merged(state.seconds, data.seconds, SECONDS_KEPT),
        minutes: merged(state.minutes, data.minutes, MINUTES_KEPT),
        rate: data.rate,
        delay: keepDelay ? state.delay : delay,
        delayAt: keepDelay ? state.delayAt : data.now,
      };
    }
    case "tweets":
      return {
        ...flowing(state),
        tweets: mergeTweets(state.tweets, action.data.tweets, TWEETS_KEPT),
        sampled: action.data.sampled,
      };
    case "overview": {
      const { movies, gone } = action.data;
      const known = new Map((state.movies ?? []).map((m) => [m.slug, m]));
      for (const movie of movies) known.set(movie.slug, movie);
      for (const slug of gone) known.delete(slug);
      const sorted = [...known.values()].sort((a, b) => a.title.localeCompare(b.title, "en"));
      return { ...flowing(state), movies: sorted };
    }
    case "status":
      return { ...flowing(state), status: action.data };
  }
}

/** New tweets before old ones, each once. */
export function mergeTweets(old: Tweet[], fresh: Tweet[], most: number): Tweet[] {
  const known = new Set(old.map((t) => t.id));
  return [...fresh.filter((t) => !known.has(t.id)), ...old].slice(0, most);
}

function flowing(state: LiveState): LiveState {
  return state.lostSince === null ? state : { ...state, lostSince: null, lostCause: "" };
}

/** The age of the oldest second that still changed, one more for the second under way. */
function lagOf(tick: LiveEvents["tick"]): number | undefined {
  if (!tick.seconds.length) return undefined;
  const oldest = Math.min(...tick.seconds.map((b) => b.t));
  const lag = Math.ceil((tick.now - oldest) / SECOND) + 1;
  return Math.min(Math.max(lag, 2), DELAY_MOST_S) * SECOND;
}

function merged(old: ReadonlyMap<number, Counts>, changes: Bucket[], most: number): ReadonlyMap<number, Counts> {
  if (!changes.length) return old;
  const all = new Map(old);
  for (const { t, n } of changes) all.set(t, n);
  const times = [...all.keys()].sort((a, b) => a - b);
  for (const t of times.slice(0, Math.max(0, times.length - most))) all.delete(t);
  return all;
}
