/** Arithmetic of counts and time buckets. Pure. A bucket is named by its start and holds [start, start + step). */
import { CELLS, GROUPS, SENTIMENTS } from "./model";
import type { Bucket, Counts, Group, Range, Sentiment } from "./model";

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export const noCounts = (): Counts => new Array<number>(CELLS).fill(0);
export const cellOf = (sentiment: Sentiment, group: Group): number =>
  SENTIMENTS.indexOf(sentiment) * GROUPS.length + GROUPS.indexOf(group);
export const sumOf = (n: Counts): number => n.reduce((a, b) => a + b, 0);
export const ofSentiment = (n: Counts, sentiment: Sentiment): number => {
  const first = SENTIMENTS.indexOf(sentiment) * GROUPS.length;
  return n[first] + n[first + 1] + n[first + 2];
};
export function addInto(to: Counts, from: Counts): void {
  for (let i = 0; i < CELLS; i++) to[i] += from[i];
}

export const floorTo = (t: number, step: number): number => Math.floor(t / step) * step;
export const dayOf = (t: number): number => Math.floor(t / DAY);
/** Numbers of the days that [from, to) touches, oldest first. */
export function daysOf(from: number, to: number): number[] {
  const days: number[] = [];
  for (let day = dayOf(from); day * DAY < to; day++) days.push(day);
  return days;
}
/** UTC years that [from, to) touches. */
export function yearsOf(from: number, to: number): number[] {
  const years: number[] = [];
  for (let year = new Date(from).getUTCFullYear(); Date.UTC(year, 0) < to; year++) years.push(year);
  return years;
}

interface RangeShape {
  span: number;
  step: number;
}
const SHAPES: Record<Range, RangeShape> = {
  "1h": { span: HOUR, step: MINUTE },
  "24h": { span: DAY, step: 10 * MINUTE },
  "7d": { span: 7 * DAY, step: HOUR },
  "30d": { span: 30 * DAY, step: 6 * HOUR },
};

export interface RangePlan extends RangeShape {
  from: number;
  to: number;
  source: "minutes" | "hours";
}

/** The buckets that show `range` up to `end`: aligned to their step, the last one holds `end`. Steps divide a day, so
 *  no bucket crosses a partition. Ranges over 48 hours come from the hour table. */
export function planRange(range: Range, end: number): RangePlan {
  const { span, step } = SHAPES[range];
  const to = floorTo(end, step) + step;
  return { span, step, from: to - span, to, source: span > 48 * HOUR ? "hours" : "minutes" };
}

/** Adds rows up into one dense series over [from, to); rows outside are left out. */
export function intoBuckets(rows: Iterable<Bucket>, from: number, to: number, step: number): Bucket[] {
  const series: Bucket[] = [];
  for (let t = from; t < to; t += step) series.push({ t, n: noCounts() });
  for (const row of rows) {
    const place = Math.floor((row.t - from) / step);
    if (place >= 0 && place < series.length) addInto(series[place].n, row.n);
  }
  return series;
}

/** Shares `counts` out over `places` equal places without losing or inventing one; what does not divide goes to the
 *  latest places. */
export function spread(counts: Counts, places: number): Counts[] {
  const shares = Array.from({ length: places }, noCounts);
  counts.forEach((count, cell) => {
    for (let i = 0; i < places; i++) {
      shares[i][cell] = Math.floor((count * (i + 1)) / places) - Math.floor((count * i) / places);
    }
  });
  return shares;
}
