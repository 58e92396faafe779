/** The repository on Cassandra. Only prepared statements with bound parameters.
 *
 *  Consistency: LOCAL_QUORUM for counts and for pages of tweets: they must not go backwards between two polls that
 *  different replicas answer, and must survive the loss of one of three. LOCAL_ONE where a late answer is harmless:
 *  the list of movies, the live tweets (read again with overlap), the health check. */
import { Client, errors, policies, types } from "cassandra-driver";
import { DAY, cellOf, dayOf, daysOf, noCounts, yearsOf } from "../shared/buckets";
import type { Bucket, Group, Movie, Sentiment, Tweet, TweetPage } from "../shared/model";
import type { Config } from "./config";
import { StoreError, cursorAfter, readCursor } from "./repository";
import type { Repository, TweetQuery } from "./repository";

const { localOne, localQuorum } = types.consistencies;
const READ_TIMEOUT_MS = 3000;
const CONNECT_RETRY_MS = 1000;

export class CassandraRepository implements Repository {
  private client: Client | undefined;
  private connecting: Promise<Client> | undefined;
  private lastFailure: { at: number; error: StoreError } | undefined;
  private closed = false;

  constructor(private readonly config: Config) {}

  async movies(): Promise<Movie[]> {
    const rows = await this.rows("SELECT slug, title, released FROM {}.movies", [], localOne);
    return rows
      .map((row) => ({ slug: row.slug, title: row.title ?? row.slug, released: row.released?.toString() ?? null }))
      .sort((a, b) => a.title.localeCompare(b.title, "en"));
  }

  async minutes(movie: string, from: number, to: number): Promise<Bucket[]> {
    const cql =
      "SELECT minute AS t, grp, sum(positive) AS positive, sum(negative) AS negative, sum(neutral) AS neutral " +
      "FROM {}.minute_counts WHERE movie = ? AND day = ? AND minute >= ? AND minute < ? GROUP BY minute, grp";
    const parts = daysOf(from, to).map((day) =>
      this.rows(cql, [movie, day, new Date(from), new Date(to)], localQuorum),
    );
    return (await Promise.all(parts)).flat().map(countsOf);
  }

  async hours(movie: string, from: number, to: number): Promise<Bucket[]> {
    const cql =
      "SELECT hour AS t, grp, positive, negative, neutral FROM {}.hour_counts " +
      "WHERE movie = ? AND year = ? AND hour >= ? AND hour < ?";
    const parts = yearsOf(from, to).map((year) =>
      this.rows(cql, [movie, year, new Date(from), new Date(to)], localQuorum),
    );
    return (await Promise.all(parts)).flat().map(countsOf);
  }

  async newest(movie: string, since: number, limit: number): Promise<Tweet[]> {
    const cql = `SELECT ${TWEET} FROM {}.timeline WHERE movie = ? AND day = ? AND created >= ? LIMIT ?`;
    const found: Tweet[] = [];
    // A clock ahead of ours may already write tomorrow; one hour of that is looked for.
    for (let day = dayOf(Date.now() + DAY / 24); day >= dayOf(since) && found.length < limit; day--) {
      const rows = await this.rows(cql, [movie, day, new Date(since), limit - found.length], localOne);
      found.push(...rows.map(tweetOf));
    }
    return found;
  }

  /** Walks the days of the query from the newest; within a day the clustering order is already newest first. */
  async tweets(query: TweetQuery): Promise<TweetPage> {
    const cursor = query.cursor === undefined ? undefined : readCursor(query.cursor);
    const after = cursor && cursor.at < query.to ? cursor : undefined;
    const found: Tweet[] = [];
    const wanted = query.limit + 1;
    const last = after ? Math.min(after.at + 1, query.to) : query.to;
    for (const day of daysOf(query.from, last).reverse()) {
      let cql = `SELECT ${TWEET} FROM {}.timeline WHERE movie = ? AND day = ? AND (created) >= (?) AND `;
      const params: unknown[] = [query.movie, day, new Date(query.from)];
      if (after) {
        cql += "(created, id) < (?, ?)";
        params.push(new Date(after.at), after.id);
      } else {
        cql += "(created) < (?)";
        params.push(new Date(query.to));
      }
      if (query.sentiment) {
        cql += " AND sentiment = ?";
        params.push(query.sentiment);
      }
      if (query.group) {
        cql += " AND grp = ?";
        params.push(query.group);
      }
      cql += " LIMIT ?";
      params.push(wanted - found.length);
      // Filtering reads one slice of one partition: the bucket that was clicked.
      if (query.sentiment || query.group) cql += " ALLOW FILTERING";
      found.push(...(await this.rows(cql, params, localQuorum)).map(tweetOf));
      if (found.length >= wanted) break;
    }
    const tweets = found.slice(0, query.limit);
    return { tweets, next: found.length > query.limit ? cursorAfter(tweets[tweets.length - 1]) : null };
  }

  async check(): Promise<void> {
    await this.rows("SELECT slug FROM {}.movies LIMIT 1", [], localOne);
  }

  async close(): Promise<void> {
    this.closed = true;
    await this.client?.shutdown().catch(() => undefined);
  }

  private async rows(cql: string, params: unknown[], consistency: types.consistencies): Promise<types.Row[]> {
    try {
      const client = this.client ?? (await this.connect());
      const answer = await client.execute(cql.replace("{}", this.config.keyspace), params, {
        prepare: true,
        consistency,
        isIdempotent: true,
        fetchSize: 10_000,
      });
      return answer.rows;
    } catch (error) {
      throw error instanceof StoreError ? error : new StoreError(explain(error));
    }
  }

  /** One attempt at a time, at most one a second; the driver itself reconnects once it has been connected. */
  private connect(): Promise<Client> {
    if (this.closed) return Promise.reject(new StoreError("shutting down"));
    if (this.lastFailure && Date.now() - this.lastFailure.at < CONNECT_RETRY_MS) {
      return Promise.reject(this.lastFailure.error);
    }
    this.connecting ??= this.attempt().finally(() => (this.connecting = undefined));
    return this.connecting;
  }

  private async attempt(): Promise<Client> {
    const client = new Client({
      contactPoints: this.config.contacts,
      localDataCenter: this.config.localDc,
      pooling: { heartBeatInterval: 5000 },
      socketOptions: { connectTimeout: 2000, readTimeout: READ_TIMEOUT_MS },
      policies: { reconnection: new policies.reconnection.ExponentialReconnectionPolicy(250, 3000, false) },
      queryOptions: { fetchSize: 10_000 },
    });
    try {
      await client.connect();
      this.client = client;
      this.lastFailure = undefined;
      return client;
    } catch (error) {
      await client.shutdown().catch(() => undefined);
      const failure = new StoreError(explain(error));
      this.lastFailure = { at: Date.now(), error: failure };
      throw failure;
    }
  }
}

const TWEET = "created, id, sentiment, grp, user, followers, text";

function tweetOf(row: types.Row): Tweet {
  return {
    id: row.id,
    at: (row.created as Date).getTime(),
    user: row.user ?? "",
    followers: row.followers ?? 0,
    group: row.grp as Group,
    sentiment: row.sentiment as Sentiment,
    text: row.text ?? "",
  };
}

function countsOf(row: types.Row): Bucket {
  const n = noCounts();
  const group = row.grp as Group;
  if (group === "low" || group === "middle" || group === "high") {
    for (const sentiment of ["positive", "negative", "neutral"] as const) {
      n[cellOf(sentiment, group)] = Number(row[sentiment] ?? 0);
    }
  }
  return { t: (row.t as Date).getTime(), n };
}

/** One sentence that tells an operator what to look at. */
export function explain(error: unknown): string {
  if (error instanceof errors.NoHostAvailableError) {
    const hosts = Object.entries(error.innerErrors ?? {}).map(
      ([host, inner]) => `${host}: ${(inner as Error)?.message ?? inner}`,
    );
    return hosts.length ? `no Cassandra node answers (${hosts.slice(0, 3).join("; ")})` : "no Cassandra node answers; connecting again";
  }
  if (error instanceof errors.OperationTimedOutError) return "Cassandra took too long to answer";
  if (error instanceof errors.ResponseError) {
    const codes = types.responseErrorCodes;
    if (error.code === codes.unavailableException) return "too few replicas of Cassandra are up for a quorum";
    if (error.code === codes.readTimeout) return "too few replicas of Cassandra answered in time";
    if (error.code === codes.invalid || error.code === codes.syntaxError) return `schema is not as expected: ${error.message}`;
  }
  return error instanceof Error ? error.message : String(error);
}
