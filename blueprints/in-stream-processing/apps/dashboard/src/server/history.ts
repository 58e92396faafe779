/** Past counts. Equal questions within two seconds are asked once. */
import { HOUR, MINUTE, floorTo, intoBuckets, planRange } from "../shared/buckets";
import type { History, Range } from "../shared/model";
import type { Repository } from "./repository";

const FRESH_MS = 2000;
const CACHED_MAX = 200;

export class Histories {
  private readonly cache = new Map<string, { at: number; history: Promise<History> }>();

  constructor(
    private readonly repository: Repository,
    private readonly clock: () => number = Date.now,
  ) {}

  /** The buckets of `range`, of which the last one holds `end`. */
  read(movie: string, range: Range, end: number): Promise<History> {
    const now = this.clock();
    const { to } = planRange(range, end);
    const key = JSON.stringify([movie, range, to]);
    const cached = this.cache.get(key);
    if (cached && now - cached.at < FRESH_MS) return cached.history;
    const history = this.ask(movie, range, end, now);
    history.catch(() => this.cache.delete(key));
    this.cache.set(key, { at: now, history });
    if (this.cache.size > CACHED_MAX) {
      for (const [old, { at }] of this.cache) if (now - at >= FRESH_MS) this.cache.delete(old);
    }
    return history;
  }

  private async ask(movie: string, range: Range, end: number, now: number): Promise<History> {
    const { from, to, step, source } = planRange(range, end);
    if (source === "minutes") {
      return { movie, from, to, step, source, buckets: intoBuckets(await this.repository.minutes(movie, from, to), from, to, step) };
    }
    // The hour table may lag behind: the present hour and the one before are summed from minutes.
    const closed = Math.max(from, Math.min(to, floorTo(now, HOUR) - HOUR));
    const [hours, minutes] = await Promise.all([
      closed > from ? this.repository.hours(movie, from, closed) : [],
      closed < to && closed <= now ? this.repository.minutes(movie, closed, Math.min(to, floorTo(now, MINUTE) + 2 * MINUTE)) : [],
    ]);
    return { movie, from, to, step, source, buckets: intoBuckets([...hours, ...minutes], from, to, step) };
  }
}
