/** The repository on a real Cassandra, in a keyspace of its own: CASSANDRA_CONTACTS=… npm run test:cassandra */
import { Client } from "cassandra-driver";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CassandraRepository } from "../src/server/cassandra";
import { readConfig } from "../src/server/config";
import { DAY, MINUTE, cellOf, dayOf, intoBuckets } from "../src/shared/buckets";
import { schema } from "./schema";

const contacts = process.env.CASSANDRA_CONTACTS ?? "";
const localDc = process.env.LOCAL_DC || "datacenter1";
const keyspace = `dashboard_test_${process.pid}`;
const config = () => readConfig({ ...process.env, KEYSPACE: keyspace });
const NOON = Date.parse("2026-11-23T12:00Z");

describe.skipIf(!contacts)("CassandraRepository", () => {
  let client: Client;
  let repository: CassandraRepository;
  const write = (cql: string, params: unknown[]) => client.execute(cql.replace("{}", keyspace), params, { prepare: true });
  const count = (movie: string, t: number, group: string, query: string, batch: number, n: number[]) =>
    write("INSERT INTO {}.minute_counts (movie, day, minute, grp, query_id, batch_id, positive, negative, neutral) VALUES (?,?,?,?,?,?,?,?,?)", [
      movie, dayOf(t), new Date(t), group, query, batch, ...n,
    ]);
  const post = (movie: string, at: number, id: string, sentiment = "positive", group = "low") =>
    write("INSERT INTO {}.timeline (movie, day, created, id, sentiment, grp, user, followers, text) VALUES (?,?,?,?,?,?,?,?,?)", [
      movie, dayOf(at), new Date(at), id, sentiment, group, "ada", 7, `text of ${id}`,
    ]);
  const all = async (query: Parameters<CassandraRepository["tweets"]>[0]) => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await repository.tweets({ ...query, cursor });
      ids.push(...page.tweets.map((t) => t.id));
      cursor = page.next ?? undefined;
    } while (cursor);
    return ids;
  };

  beforeAll(async () => {
    client = new Client({ contactPoints: contacts.split(","), localDataCenter: localDc });
    await client.connect();
    for (const cql of schema(keyspace, localDc)) await client.execute(cql);
    repository = new CassandraRepository(config());
  });
  afterAll(async () => {
    await client?.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`);
    await client?.shutdown();
    await repository?.close();
  });

  it("reads movies, also one with an apostrophe in name and slug", async () => {
    await write("INSERT INTO {}.movies (slug, title, released) VALUES (?,?,?)", ["l'hiver", "L'Étoile d'Hiver", "2026-10-30"]);
    await write("INSERT INTO {}.movies (slug) VALUES (?)", ["bare"]);
    expect(await repository.movies()).toEqual([
      { slug: "bare", title: "bare", released: null },
      { slug: "l'hiver", title: "L'Étoile d'Hiver", released: "2026-10-30" },
    ]);
    await post("l'hiver", NOON, "1");
    expect(await all({ movie: "l'hiver", from: NOON, to: NOON + 1, limit: 10 })).toEqual(["1"]);
  });

  it("sums a minute over queries and batches, folded or not, and keeps groups apart", async () => {
    await count("m", NOON, "low", "folded", 0, [100, 10, 1]);
    await count("m", NOON, "low", "q1", 7, [5, 0, 0]);
    await count("m", NOON, "low", "q1", 8, [5, 2, 0]);
    await count("m", NOON, "low", "q2", 1, [1, 1, 1]);
    await count("m", NOON, "high", "q2", 1, [3, 0, 0]);
    const [bucket] = intoBuckets(await repository.minutes("m", NOON, NOON + MINUTE), NOON, NOON + MINUTE, MINUTE);
    expect(bucket.n[cellOf("positive", "low")]).toBe(111);
    expect(bucket.n[cellOf("negative", "low")]).toBe(13);
    expect(bucket.n[cellOf("neutral", "low")]).toBe(2);
    expect(bucket.n[cellOf("positive", "high")]).toBe(3);
  });

  it("a batch that is written again changes nothing", async () => {
    for (let i = 0; i < 3; i++) await count("again", NOON, "low", "q", 1, [4, 0, 0]);
    expect((await repository.minutes("again", NOON, NOON + MINUTE))[0].n[0]).toBe(4);
  });

  it("takes minutes from its first moment up to, not including, its last, across midnight", async () => {
    const midnight = dayOf(NOON) * DAY;
    for (const t of [midnight - 2 * MINUTE, midnight - MINUTE, midnight, midnight + MINUTE]) await count("night", t, "low", "q", 1, [1, 0, 0]);
    const times = (await repository.minutes("night", midnight - MINUTE, midnight + MINUTE)).map((b) => b.t - midnight);
    expect(times.sort((a, b) => a - b)).toEqual([-MINUTE, 0]);
  });

  it("reads hours across new year", async () => {
    const year = Date.UTC(2027, 0);
    for (const hour of [year - 60 * MINUTE, year]) {
      await write("INSERT INTO {}.hour_counts (movie, year, hour, grp, positive, negative, neutral) VALUES (?,?,?,?,?,?,?)", [
        "m", new Date(hour).getUTCFullYear(), new Date(hour), "middle", 2, 0, 0,
      ]);
    }
    const hours = await repository.hours("m", year - 60 * MINUTE, year + 60 * MINUTE);
    expect(hours.map((h) => h.n[cellOf("positive", "middle")])).toEqual([2, 2]);
  });

  it("pages through a bucket: every tweet once, newest first, also where many share a moment", async () => {
    const expected: string[] = [];
    for (let i = 0; i < 40; i++) {
      const id = String(1000 + i);
      expected.push(id);
      await post("pages", NOON + Math.floor(i / 15) * 10, id);
    }
    await post("pages", NOON - 1, "before");
    await post("pages", NOON + MINUTE, "after");
    const ids = await all({ movie: "pages", from: NOON, to: NOON + MINUTE, limit: 7 });
    expect(ids).toEqual(expected.reverse());
  });

  it("gives only the sentiment and group asked for, and pages over days", async () => {
    const midnight = dayOf(NOON) * DAY;
    await post("kinds", midnight - 10, "1", "negative", "high");
    await post("kinds", midnight - 5, "2", "positive", "high");
    await post("kinds", midnight + 5, "3", "negative", "high");
    await post("kinds", midnight + 10, "4", "negative", "low");
    const query = { movie: "kinds", from: midnight - DAY, to: midnight + DAY, sentiment: "negative", group: "high", limit: 1 } as const;
    expect(await all(query)).toEqual(["3", "1"]);
  });

  it("gives the newest tweets newest first", async () => {
    const now = Date.now();
    for (let i = 0; i < 5; i++) await post("now", now - i * 1000, String(i));
    expect((await repository.newest("now", now - 3500, 3)).map((t) => t.id)).toEqual(["0", "1", "2"]);
  });

  it("says that the schema is missing", async () => {
    const other = new CassandraRepository({ ...config(), keyspace: "no_such_keyspace" });
    await expect(other.check()).rejects.toThrow(/schema is not as expected.*no_such_keyspace/);
    await other.close();
  });

  it("says which node does not answer, and answers once there is one", async () => {
    const settings = { ...config(), contacts: ["127.77.99.99:9"] };
    const other = new CassandraRepository(settings);
    await expect(other.check()).rejects.toThrow(/no Cassandra node answers.*127\.77\.99\.99:9/);
    settings.contacts = contacts.split(",");
    await new Promise((resolve) => setTimeout(resolve, 1100)); // it tries once a second
    await other.check();
    await other.close();
  });
});
