/** Writes plausible made-up rows as the platform's job would, for work on the page:
 *    CASSANDRA_CONTACTS=… npm run feed [-- --rate 12] [-- --days 30] [-- --seconds 0]
 *  First a past of --days (the last 20 minutes with every tweet, before that a sample of tweets under full counts), then
 *  --rate tweets a second for --seconds (0: until it is ended). Makes the keyspace if it is missing. */
import { Client } from "cassandra-driver";
import { DAY, HOUR, MINUTE, SECOND, cellOf, dayOf, floorTo, noCounts } from "../src/shared/buckets";
import { GROUPS, SENTIMENTS } from "../src/shared/model";
import type { Counts, Group, Sentiment } from "../src/shared/model";
import { schema } from "./schema";

const option = (name: string, fallback: number): number => {
  const place = process.argv.indexOf(`--${name}`);
  return place < 0 ? fallback : Number(process.argv[place + 1]);
};
const RATE = option("rate", 12);
const DAYS = option("days", 30);
const SECONDS = option("seconds", 0);
const KEYSPACE = process.env.KEYSPACE || "social";
const LOCAL_DC = process.env.LOCAL_DC || "datacenter1";
const EXACT_MINUTES = 20;
const SAMPLE_PER_MINUTE = 2;
/** So many draws make the shares of an older minute. */
const COUNTED_FROM = 60;

/** mood: share of positive among opinions; weight: share of all tweets. */
const MOVIES = [
  { slug: "glass-orchard", title: "The Glass Orchard", released: "2026-11-20", mood: 0.74, weight: 0.42 },
  { slug: "nine-minutes", title: "Nine Minutes to Neptune", released: "2026-11-13", mood: 0.55, weight: 0.24 },
  { slug: "paper-tigers", title: "Paper Tigers", released: "2026-11-06", mood: 0.31, weight: 0.17 },
  { slug: "letoile", title: "L'Étoile d'Hiver", released: "2026-10-30", mood: 0.83, weight: 0.11 },
  { slug: "cartographer", title: "The Last Cartographer", released: "2026-11-27", mood: 0.62, weight: 0.06 },
];

const SAID: Record<Sentiment, string[]> = {
  positive: [
    "Just came out of {m} and I am still smiling. Wonderful!",
    "{m} is the best thing I have seen all year",
    "That ending of {m}… beautiful, simply beautiful :)",
    "Took my parents to {m}. They loved it, I loved it more",
    "The music in {m} is stunning. Go for the sound alone",
    "ok {m} made me cry twice and laugh the rest of the time. Brilliant",
    "Second time watching {m}, even better than the first",
    "What a gorgeous film. {m} deserves every award it gets",
  ],
  negative: [
    "{m}: two hours I will not get back. Boring",
    "I wanted to like {m}. The script is a mess :(",
    "Walked out of {m} halfway. Awful pacing",
    "How did {m} get such reviews? Dull from start to end",
    "{m} wastes a great cast on a terrible plot",
    "The trailer was better than the film. {m} is a disappointment",
  ],
  neutral: [
    "Queueing for {m} with half the town",
    "Anyone going to see {m} tonight? Two seats left next to us",
    "{m} starts at nine, the late show at half past eleven",
    "Is {m} based on the book or on the play?",
    "They are showing {m} in the open air cinema this week",
  ],
};
const NAMES = ["mira", "tomasz", "jo_park", "ada", "leif", "noor", "quentin", "sam_r", "ines", "kofi", "yuki", "dario", "wren", "olga", "pablo"];
const TAILS = ["", "_", "films", "watches", "42", "_tv", "writes", "the3rd", "x", "reviews", "1987"];

let state = 20261123;
function random(): number {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
const one = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)];

interface Made {
  movie: string;
  id: string;
  at: number;
  user: string;
  followers: number;
  group: Group;
  sentiment: Sentiment;
  text: string;
}

let serial = 0;
function make(movie: (typeof MOVIES)[number], at: number): Made {
  const mood = Math.min(0.95, Math.max(0.05, movie.mood + 0.1 * Math.sin(at / (23 * MINUTE)) + 0.06 * Math.sin(at / (4 * MINUTE))));
  const sentiment: Sentiment = random() < 0.22 ? "neutral" : random() < mood ? "positive" : "negative";
  const draw = random();
  const followers = Math.floor(draw < 0.52 ? random() * 501 : draw < 0.94 ? 501 + random() ** 2 * 4500 : 5001 + random() ** 4 * 900_000);
  const group: Group = followers <= 500 ? "low" : followers <= 5000 ? "middle" : "high";
  return {
    movie: movie.slug,
    id: `${Math.floor(at)}${String(serial++ % 100_000).padStart(5, "0")}`,
    at: Math.floor(at),
    user: one(NAMES) + one(TAILS) + (random() < 0.3 ? Math.floor(random() * 90 + 10) : ""),
    followers,
    group,
    sentiment,
    text: one(SAID[sentiment]).replace("{m}", movie.title),
  };
}

/** How lively an hour is: evenings and premieres more than nights. */
function liveliness(at: number, movie: (typeof MOVIES)[number]): number {
  const hour = (at % DAY) / HOUR;
  const daily = 0.55 + 0.45 * Math.sin(((hour - 13) / 24) * 2 * Math.PI) + 0.25 * Math.sin(((hour - 8) / 12) * 2 * Math.PI);
  const since = (at - Date.parse(movie.released)) / DAY;
  const premiere = since < 0 ? 0.25 + 0.1 * Math.exp(since / 3) : 0.5 + 1.6 * Math.exp(-since / 3.5);
  return Math.max(0.12, daily) * premiere * (1 + 0.12 * Math.sin(at / (47 * MINUTE)) + 0.08 * Math.sin(at / (11 * MINUTE)));
}

async function main(): Promise<void> {
  const client = new Client({
    contactPoints: (process.env.CASSANDRA_CONTACTS ?? "127.0.0.1:9042").split(","),
    localDataCenter: LOCAL_DC,
  });
  await client.connect();
  for (const cql of schema(KEYSPACE, LOCAL_DC)) await client.execute(cql);
  /** A busy node may time out; every row is absolute, so it is written again. */
  const write = async (cql: string, params: unknown[]) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await client.execute(cql, params, { prepare: true });
      } catch (error) {
        if (attempt === 5) throw error;
        await new Promise((resolve) => setTimeout(resolve, attempt * SECOND));
      }
    }
  };
  for (const m of MOVIES) {
    await write(`INSERT INTO ${KEYSPACE}.movies (slug, title, query, released) VALUES (?, ?, ?, ?)`, [m.slug, m.title, `"${m.title}"`, m.released]);
  }
  const tweets = (made: Made[]) => inParallel(made, 64, (t) =>
    write(`INSERT INTO ${KEYSPACE}.timeline (movie, day, created, id, sentiment, grp, user, followers, text) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [t.movie, dayOf(t.at), new Date(t.at), t.id, t.sentiment, t.group, t.user, t.followers, t.text]));
  const minutes = (movie: string, minute: number, query: string, batch: number, n: Counts) => inParallel([...GROUPS], 3, (group) =>
    write(`INSERT INTO ${KEYSPACE}.minute_counts (movie, day, minute, grp, query_id, batch_id, positive, negative, neutral) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [movie, dayOf(minute), new Date(minute), group, query, batch, ...SENTIMENTS.map((s) => n[cellOf(s, group)])]));
  const hours = (movie: string, hour: number, n: Counts) => inParallel([...GROUPS], 3, (group) =>
    write(`INSERT INTO ${KEYSPACE}.hour_counts (movie, year, hour, grp, positive, negative, neutral) VALUES (?, ?, ?, ?, ?, ?, ?)`,
      [movie, new Date(hour).getUTCFullYear(), new Date(hour), group, ...SENTIMENTS.map((s) => n[cellOf(s, group)])]));

  const started = Date.now();
  for (const movie of MOVIES) {
    const usual = liveliness(started, movie);
    for (let hour = floorTo(started - DAYS * DAY, HOUR); hour < started; hour += HOUR) {
      const total = noCounts();
      const made: Made[] = [];
      const perMinute = new Map<number, Counts>();
      for (let minute = hour; minute < Math.min(hour + HOUR, started); minute += MINUTE) {
        const expected = (Math.min(60, (started - minute) / SECOND) * RATE * movie.weight * liveliness(minute, movie)) / usual;
        const exact = minute >= started - EXACT_MINUTES * MINUTE;
        const drawn = exact ? Math.round(expected) : Math.min(SAMPLE_PER_MINUTE, Math.round(expected));
        const n = noCounts();
        for (let i = 0; i < drawn; i++) made.push(make(movie, Math.min(minute + random() * MINUTE, started)));
        const scale = exact ? 1 : expected / COUNTED_FROM;
        const counted = exact ? made.slice(made.length - drawn) : Array.from({ length: COUNTED_FROM }, () => make(movie, minute));
        for (const t of counted) n[cellOf(t.sentiment, t.group)] += scale;
        perMinute.set(minute, n.map(Math.round));
        perMinute.get(minute)?.forEach((v, i) => (total[i] += v));
      }
      await tweets(made);
      if (hour > started - 49 * HOUR) await inParallel([...perMinute], 16, ([minute, n]) => minutes(movie.slug, minute, "folded", 0, n));
      if (hour + HOUR <= started) await hours(movie.slug, hour, total);
    }
    console.log(`${movie.title}: past written after ${Math.round((Date.now() - started) / 1000)} s`);
  }

  // The present: a batch a second, and the time since `started` is made up for by the first one.
  const query = `feed-${started}`;
  let from = started;
  for (let batch = 1; SECONDS === 0 || Date.now() < started + SECONDS * SECOND; batch++) {
    await new Promise((resolve) => setTimeout(resolve, SECOND));
    const now = Date.now();
    const made: Made[] = [];
    for (const movie of MOVIES) {
      for (let t = from; t < now; t += 100) {
        const wave = 1 + 0.45 * Math.sin(t / (37 * SECOND)) + 0.35 * Math.sin(t / (7.3 * SECOND));
        let expected = (RATE * movie.weight * wave) / 10;
        for (expected += random(); expected >= 1; expected--) made.push(make(movie, t + random() * 100));
      }
    }
    const counts = new Map<string, { movie: string; minute: number; n: Counts }>();
    for (const t of made) {
      const minute = floorTo(t.at, MINUTE);
      const entry = counts.get(t.movie + minute) ?? { movie: t.movie, minute, n: noCounts() };
      entry.n[cellOf(t.sentiment, t.group)]++;
      counts.set(t.movie + minute, entry);
    }
    await tweets(made);
    await inParallel([...counts.values()], 16, ({ movie, minute, n }) => minutes(movie, minute, query, batch, n));
    from = now;
  }
  await client.shutdown();
}

async function inParallel<T>(work: T[], width: number, each: (item: T) => Promise<unknown>): Promise<void> {
  const queue = work.values();
  await Promise.all(
    Array.from({ length: Math.min(width, work.length) }, async () => {
      for (const item of queue) await each(item);
    }),
  );
}

await main();
