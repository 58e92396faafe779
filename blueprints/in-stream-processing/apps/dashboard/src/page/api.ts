/** Questions to the server; a failure is an Error whose message can be shown. */
import type { ApiError, History, Range, TweetPage } from "../shared/model";

async function ask<T>(path: string, query: Record<string, string | number | undefined>, signal: AbortSignal): Promise<T> {
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries(query)) if (value !== undefined) search.set(key, String(value));
  let answer: Response;
  try {
    answer = await fetch(`${path}?${search}`, { signal });
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error("The dashboard's server does not answer.");
  }
  if (answer.ok) return (await answer.json()) as T;
  const body = (await answer.json().catch(() => null)) as ApiError | null;
  const message = body?.error.message ?? `The server answered ${answer.status}.`;
  throw new Error(body?.error.code === "store" ? `Cassandra does not answer: ${message}` : message);
}

export const askHistory = (query: { movie: string; range: Range; end?: number }, signal: AbortSignal): Promise<History> =>
  ask("/api/history", query, signal);

export const askTweets = (
  query: {
    movie: string;
    from: number;
    to: number;
    sentiment?: string;
    group?: string;
    cursor?: string;
    limit?: number;
  },
  signal: AbortSignal,
): Promise<TweetPage> => ask("/api/tweets", query, signal);
